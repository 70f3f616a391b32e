/* Which engines a device's name opens. */
#include "engine/select.h"
#include "tests/unit/support/expect.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Three backends of the test's own: `gpu` has as many devices as a test says, `cpu` has one, `none` cannot look. */
struct engine {
    int ordinal;
};

static size_t gpus;         /* devices that `gpu` has */
static int opened, fail_at; /* engines open now; the opening that fails, from 0 (-1: none) */
static int openings;

static int probe_gpu(struct engine_device *out, size_t *count, struct err *e)
{
    (void)e;
    for (size_t i = 0; i < gpus && i < *count; i++)
        out[i] = (struct engine_device){.name = "gpu"};
    *count = gpus;
    return 0;
}

static int probe_cpu(struct engine_device *out, size_t *count, struct err *e)
{
    (void)e;
    out[0] = (struct engine_device){.name = "cpu"};
    *count = 1;
    return 0;
}

static int probe_none(struct engine_device *out, size_t *count, struct err *e)
{
    (void)out;
    (void)count;
    return err_set(e, ERR_DEVICE, "the driver is missing");
}

static int open_engine(struct engine **out, const struct engine_options *o, struct err *e)
{
    if (openings++ == fail_at)
        return err_set(e, ERR_DEVICE, "device %d does not start", o->ordinal);
    *out = malloc(sizeof **out);
    assert_non_null(*out);
    (*out)->ordinal = o->ordinal;
    opened++;
    return 0;
}

static void close_engine(struct engine *x)
{
    opened--;
    free(x);
}

static const struct engine_backend
    gpu = {.name = "gpu", .probe = probe_gpu, .open = open_engine, .close = close_engine},
    cpu = {.name = "cpu", .probe = probe_cpu, .open = open_engine, .close = close_engine},
    none = {.name = "none", .probe = probe_none, .open = open_engine, .close = close_engine};
static const struct engine_backend *const all[] = {&none, &gpu, &cpu, NULL};

static struct scheduler_engine engines[SELECT_MOST];
static size_t count;

static int select_from(const struct engine_backend *const *backends, const char *device, struct err *e)
{
    const struct engine_options o = {.ordinal = 77, .threads = 3};
    openings = 0;
    return select_engines(backends, device, &o, engines, &count, e);
}

static void expect_opened(const char *device, const struct engine_backend *backend, size_t expected,
                          const int *ordinals)
{
    struct err e = {0};
    if (select_from(all, device, &e) != 0)
        fail_msg("%s: %s", device, e.message);
    assert_int_equal(count, expected);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(engines[i].backend, backend);
        assert_int_equal(engines[i].engine->ordinal, ordinals[i]);
        close_engine(engines[i].engine);
    }
    assert_int_equal(opened, 0);
}

static void expect_refused(const char *device, enum err_code code, const char *part)
{
    struct err e = {0};
    if (select_from(all, device, &e) == 0)
        fail_msg("accepted: %s", device);
    expect_error(&e, code, part, device);
    assert_int_equal(count, 0);
    assert_int_equal(opened, 0); /* what was opened before the error is closed */
}

static void test_auto_takes_every_device_of_the_first_backend_that_has_one(void **state)
{
    (void)state;
    gpus = 3;
    expect_opened("auto", &gpu, 3, (const int[]){0, 1, 2});
    gpus = 0;
    expect_opened("auto", &cpu, 1, (const int[]){0});
}

static void test_a_name_takes_the_first_device_or_those_listed(void **state)
{
    (void)state;
    gpus = 3;
    expect_opened("gpu", &gpu, 1, (const int[]){0});
    expect_opened("gpu:2", &gpu, 1, (const int[]){2});
    expect_opened("gpu:2,0", &gpu, 2, (const int[]){2, 0});
    expect_opened("cpu", &cpu, 1, (const int[]){0});
    expect_opened("cpu:0", &cpu, 1, (const int[]){0});
}

static void test_what_is_not_there_is_named(void **state)
{
    (void)state;
    gpus = 2;
    expect_refused("gpu:2", ERR_DEVICE, "there is no device gpu:2; 2 found");
    expect_refused("gpu:0,5", ERR_DEVICE, "there is no device gpu:5; 2 found");
    expect_refused("tpu", ERR_DEVICE, "this build has no engine 'tpu'");
    expect_refused("gp", ERR_DEVICE, "this build has no engine 'gp'");
    expect_refused("", ERR_DEVICE, "this build has no engine ''");
    expect_refused("none", ERR_DEVICE, "the driver is missing");
    gpus = 0;
    expect_refused("gpu", ERR_DEVICE, "no gpu device was found");
}

static void test_a_malformed_list_is_refused(void **state)
{
    static const char *const lists[] = {"gpu:",   "gpu:x",   "gpu:0,",   "gpu:,0",
                                        "gpu:-1", "gpu:0;1", "gpu:0 ,1", "gpu:99999999999"};
    (void)state;
    gpus = 2;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        expect_refused(lists[i], ERR_REQUEST, "device numbers are written as gpu:0 or gpu:0,1");
}

static void test_a_device_named_twice_is_refused(void **state)
{
    (void)state;
    gpus = 3;
    expect_refused("gpu:0,0", ERR_REQUEST, "the device gpu:0 is named twice");
    expect_refused("gpu:1,0,01", ERR_REQUEST, "the device gpu:1 is named twice");
}

static void test_engines_opened_before_a_failure_are_closed(void **state)
{
    (void)state;
    gpus = 4;
    fail_at = 2;
    expect_refused("auto", ERR_DEVICE, "device 2 does not start");
    expect_refused("gpu:3,1,0", ERR_DEVICE, "device 0 does not start");
    fail_at = -1;
}

static void test_more_devices_than_there_is_room_for_are_left_out_by_auto_alone(void **state)
{
    int ordinals[SELECT_MOST];
    char list[256] = "gpu:0";
    (void)state;
    gpus = SELECT_MOST + 4;
    for (int i = 0; i < SELECT_MOST; i++)
        ordinals[i] = i;
    expect_opened("auto", &gpu, SELECT_MOST, ordinals);
    for (int i = 1; i <= SELECT_MOST; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), ",%d", i);
    expect_refused(list, ERR_DEVICE, "more than 16 devices");
}

static void test_no_device_anywhere_says_why(void **state)
{
    static const struct engine_backend *const empty[] = {NULL}, *const silent[] = {&gpu, NULL},
                                              *const last[] = {&gpu, &none, NULL};
    struct err e;
    (void)state;
    gpus = 0;
    assert_int_equal(select_from(empty, "auto", &e), -1);
    expect_error(&e, ERR_DEVICE, "this build has no engine", "no backend");
    assert_int_equal(select_from(silent, "auto", &e), -1);
    expect_error(&e, ERR_DEVICE, "no device was found", "no device");
    assert_int_equal(select_from(last, "auto", &e), -1);
    expect_error(&e, ERR_DEVICE, "the driver is missing", "the last reason");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto_takes_every_device_of_the_first_backend_that_has_one),
        cmocka_unit_test(test_a_name_takes_the_first_device_or_those_listed),
        cmocka_unit_test(test_what_is_not_there_is_named),
        cmocka_unit_test(test_a_malformed_list_is_refused),
        cmocka_unit_test(test_a_device_named_twice_is_refused),
        cmocka_unit_test(test_engines_opened_before_a_failure_are_closed),
        cmocka_unit_test(test_more_devices_than_there_is_room_for_are_left_out_by_auto_alone),
        cmocka_unit_test(test_no_device_anywhere_says_why),
    };
    fail_at = -1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
