/* The CUDA engine on the emulated device: it answers as plain C does in every precision, moves no more than it must,
 * and survives the failure of every single call. */
#include "cpu/cpu.h"
#include "cuda/cuda.h"
#include "tests/cuda/fake/fake_cuda.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/random_block.h"
#include "tests/unit/support/random_network.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Room for the slots and the smallest piece: the fake fills what it hands out. */
enum { LITTLE_MEMORY = 120 << 20, SOME_MEMORY = 240 << 20 };

static const enum precision precisions[] = {PRECISION_FP32, PRECISION_TF32, PRECISION_FP16, PRECISION_BF16};

static struct block *run_scene(const struct engine_backend *backend, enum precision p, const struct network *n,
                               struct random_scene *s)
{
    struct engine *x;
    struct engine_model *m = NULL;
    struct err e;
    struct block *b = random_scene_block(s, n, 0, 0, s->lines, s->columns, 1);
    struct engine_task task = {.block = b};
    if (backend->open(&x, &(struct engine_options){.precision = p, .memory = SOME_MEMORY}, &e) != 0 ||
        backend->load(x, n, &m, &e) != 0)
        fail_msg("%s", e.message);
    task.model = m;
    if (backend->run(x, &task, 1, &e) != 0)
        fail_msg("%s", e.message);
    backend->unload(x, m);
    backend->close(x);
    return b;
}

/* The numeric contract of the model notes, relative to the spread of the logits: fp32 by the largest error, the others
 * by their root mean square. */
static void expect_contract(enum precision p, const struct block *found, const struct block *plain,
                            const struct random_scene *s, const struct network *n, const char *what)
{
    double sum = 0, squares = 0, errors = 0, worst = 0;
    size_t count = 0, pixels = (size_t)s->lines * (size_t)s->columns, N = (size_t)n->N;
    for (size_t i = 0; i < pixels; i++) {
        if (!s->valid[i]) {
            assert_true(found->labels[i] == 0 && isnan(found->confidence[i]) && isnan(found->logits[i * N]));
            continue;
        }
        size_t best = 0;
        for (size_t k = 0; k < N; k++, count++) {
            double v = (double)plain->logits[i * N + k], error = fabs((double)found->logits[i * N + k] - v);
            sum += v;
            squares += v * v;
            errors += error * error;
            worst = error <= worst ? worst : error;
            best = found->logits[i * N + k] > found->logits[i * N + best] ? k : best;
        }
        assert_int_equal(found->labels[i], best + 1);
        assert_true(fabs((double)found->confidence[i] - (double)plain->confidence[i]) < 0.02);
    }
    double mean = sum / (double)count, spread = sqrt(squares / (double)count - mean * mean);
    double rms = sqrt(errors / (double)count), limit = p == PRECISION_FP32 ? 1e-3 : 0.02 * fmax(spread, 0.1);
    if (!((p == PRECISION_FP32 ? worst : rms) <= limit))
        fail_msg("%s, %s: largest error %g, rms %g, of a spread of %g", what, precision_name(p), worst, rms, spread);
}

static void test_every_precision_answers_as_plain_c_does(void **state)
{
    (void)state;
    static const struct {
        struct network_sizes sizes;
        int lines, columns, percent_invalid;
        const char *what;
    } cases[] = {
        {{7, 4, 7, 3, false}, 5, 6, 20, "one spectral position"},
        {{26, 24, 7, 9, false}, 3, 4, 30, "the published width"},
        {{9, 1, 7, 1, false}, 2, 3, 0, "one kernel, one class"},
        {{15, 5, 7, 255, false}, 2, 2, 0, "most classes"},
        {{20, 33, 7, 4, false}, 1, 2, 0, "more than 24 kernels"},
        {{20, 6, 9, 5, false}, 3, 2, 30, "patches of 9"},
        {{12, 8, 11, 5, false}, 2, 2, 0, "patches of 11"},
        {{21, 24, 7, 4, true}, 2, 3, 20, "two attention layers"},
        {{19, 30, 9, 6, true}, 1, 2, 0, "two attention layers, wide"},
        {{12, 6, 7, 2, false}, 1, 37, 90, "a single line"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct network n;
        struct random_scene s;
        random_network(&n, &cases[i].sizes, 100 + i);
        random_scene_init(&s, cases[i].lines, cases[i].columns, n.K, cases[i].percent_invalid, 200 + i);
        struct block *plain = run_scene(&cpu_plain_engine, PRECISION_FP32, &n, &s);
        for (size_t p = 0; p < COUNT(precisions); p++) {
            struct block *found = run_scene(&cuda_engine, precisions[p], &n, &s);
            expect_contract(precisions[p], found, plain, &s, &n, cases[i].what);
            block_close(found);
        }
        block_close(plain);
        random_scene_release(&s);
        network_release(&n);
    }
    assert_int_equal(fake_cuda_leaks(), 0);
}

/* Two models and several blocks in one run, of other sizes than the device's pieces: the same bits as alone. */
static void test_bits_do_not_depend_on_what_else_is_in_the_run(void **state)
{
    (void)state;
    struct network small, large;
    struct random_scene a, b;
    struct engine *x;
    struct engine_model *m[2];
    struct err e;
    random_network(&small, &(struct network_sizes){9, 3, 7, 3, false}, 1);
    random_network(&large, &(struct network_sizes){14, 5, 9, 4, false}, 2);
    random_scene_init(&a, 40, 3, small.K, 80, 3);
    random_scene_init(&b, 3, 4, large.K, 20, 4);
    struct block *alone_a = run_scene(&cuda_engine, PRECISION_FP16, &small, &a);
    struct block *alone_b = run_scene(&cuda_engine, PRECISION_FP16, &large, &b);
    assert_int_equal(
        cuda_engine.open(&x, &(struct engine_options){.precision = PRECISION_FP16, .memory = SOME_MEMORY}, &e), 0);
    assert_int_equal(cuda_engine.load(x, &small, &m[0], &e), 0);
    assert_int_equal(cuda_engine.load(x, &large, &m[1], &e), 0);
    struct block *top = random_scene_block(&a, &small, 0, 0, 2, 3, 1);
    struct block *rest = random_scene_block(&a, &small, 2, 0, 38, 3, 1);
    struct block *other = random_scene_block(&b, &large, 0, 0, 3, 4, 1);
    struct engine_task tasks[] = {{m[0], top, NULL}, {m[1], other, NULL}, {m[0], rest, NULL}};
    assert_int_equal(cuda_engine.run(x, tasks, 3, &e), 0);
    assert_memory_equal(top->logits, alone_a->logits, 2 * 3 * 3 * sizeof(float));
    assert_memory_equal(rest->logits, alone_a->logits + 2 * 3 * 3, 38 * 3 * 3 * sizeof(float));
    assert_memory_equal(other->logits, alone_b->logits, 3 * 4 * 4 * sizeof(float));
    cuda_engine.unload(x, m[1]);
    cuda_engine.unload(x, m[0]);
    cuda_engine.close(x);
    struct block *blocks[] = {alone_a, alone_b, top, rest, other};
    for (size_t i = 0; i < COUNT(blocks); i++)
        block_close(blocks[i]);
    random_scene_release(&a);
    random_scene_release(&b);
    network_release(&small);
    network_release(&large);
    assert_int_equal(fake_cuda_leaks(), 0);
}

/* What a run costs the bus, and what it must not do. */
static void test_samples_go_up_once_and_nothing_is_allocated_by_a_run(void **state)
{
    (void)state;
    enum { LINES = 40, COLUMNS = 6 };
    struct network n;
    struct random_scene s;
    struct engine *x;
    struct engine_model *m;
    struct err e;
    struct fake_cuda_counters c;
    random_network(&n, &(struct network_sizes){7, 2, 7, 3, false}, 1);
    random_scene_init(&s, LINES, COLUMNS, n.K, 95, 2);
    struct block *b = random_scene_block(&s, &n, 0, 0, LINES, COLUMNS, 0);
    assert_int_equal(
        cuda_engine.open(&x, &(struct engine_options){.precision = PRECISION_FP16, .memory = SOME_MEMORY}, &e), 0);
    assert_int_equal(cuda_engine.load(x, &n, &m, &e), 0);
    fake_cuda_reset();
    struct engine_task tasks[] = {{m, b, NULL}, {m, b, NULL}};
    assert_int_equal(cuda_engine.run(x, tasks, 2, &e), 0);
    fake_cuda_count(&c);
    /* two blocks of two pieces, of 32 and of 8 lines: samples and validity with their halo, a head each; one map */
    size_t pixels = 2 * ((32 + 6) + (8 + 6)) * (COLUMNS + 6);
    assert_int_equal(c.bytes_up, pixels * (7 * sizeof(int16_t) + 1) + 4 * 256 + 2 * 7 * sizeof(double));
    assert_int_equal(c.bytes_down, 2 * LINES * COLUMNS * (1 + sizeof(float)));
    assert_int_equal(c.allocations, 0);
    assert_int_equal(c.device_syncs, 0);
    assert_true(c.most_in_flight >= 2);
    cuda_engine.unload(x, m);
    cuda_engine.close(x);
    block_close(b);
    random_scene_release(&s);
    network_release(&n);
}

/* Opens, loads, runs; -1 at the first failure. Everything is released whatever happens. */
static int whole_life(const struct network *n, struct block *b, struct err *e)
{
    struct engine *x = NULL;
    struct engine_model *m = NULL;
    int result =
        cuda_engine.open(&x, &(struct engine_options){.precision = PRECISION_FP16, .memory = LITTLE_MEMORY}, e);
    if (result == 0)
        result = cuda_engine.load(x, n, &m, e);
    if (result == 0)
        result = cuda_engine.run(x, &(struct engine_task){m, b, NULL}, 1, e);
    if (x != NULL) {
        cuda_engine.unload(x, m);
        cuda_engine.close(x);
    }
    return result;
}

static void test_every_call_may_fail(void **state)
{
    (void)state;
    struct network n;
    struct random_scene s;
    struct err e;
    char number[24];
    int failed = 0;
    random_network(&n, &(struct network_sizes){7, 1, 7, 2, false}, 1);
    random_scene_init(&s, 1, 1, n.K, 0, 2);
    struct block *b = random_scene_block(&s, &n, 0, 0, 1, 1, 0);
    for (int call = 1;; call++) {
        struct fake_cuda_counters c;
        e = (struct err){0};
        fake_cuda_reset();
        snprintf(number, sizeof number, "%d", call);
        fake_cuda_set("FAIL", number);
        int result = whole_life(&n, b, &e);
        fake_cuda_set("FAIL", "0");
        fake_cuda_count(&c);
        if (result != 0) {
            failed++;
            if (e.code != ERR_DEVICE && e.code != ERR_NOMEM)
                fail_msg("call %d: %s: %s", call, err_name(e.code), e.message);
            assert_non_null(strstr(e.message, "GPU"));
        }
        if (fake_cuda_leaks() != 0)
            fail_msg("call %d: leaks after '%s'", call, e.message);
        if (c.calls < (size_t)call)
            break;
    }
    assert_true(failed > 100);
    assert_int_equal(whole_life(&n, b, &e), 0);
    block_close(b);
    random_scene_release(&s);
    network_release(&n);
}

/* A model that does not fit takes nothing from one that does. */
static void test_a_model_survives_that_another_does_not_fit(void **state)
{
    (void)state;
    struct network small, large;
    struct random_scene s;
    struct engine *x;
    struct engine_model *m, *none;
    struct err e;
    random_network(&small, &(struct network_sizes){7, 2, 7, 3, false}, 1);
    random_network(&large, &(struct network_sizes){512, 64, 11, 3, false}, 2);
    random_scene_init(&s, 1, 3, small.K, 0, 3);
    struct block *expected = run_scene(&cuda_engine, PRECISION_FP16, &small, &s);
    struct block *b = random_scene_block(&s, &small, 0, 0, 1, 3, 1);
    struct engine_options options = {.precision = PRECISION_FP16, .memory = SOME_MEMORY};
    assert_int_equal(cuda_engine.open(&x, &options, &e), 0);
    assert_int_equal(cuda_engine.load(x, &small, &m, &e), 0);
    assert_int_equal(cuda_engine.load(x, &large, &none, &e), -1);
    expect_error(&e, ERR_NOMEM, "MB", "a model that does not fit");
    assert_int_equal(cuda_engine.run(x, &(struct engine_task){m, b, NULL}, 1, &e), 0);
    assert_memory_equal(b->logits, expected->logits, 3 * 3 * sizeof(float));
    cuda_engine.unload(x, m);
    cuda_engine.close(x);
    block_close(b);
    block_close(expected);
    random_scene_release(&s);
    network_release(&small);
    network_release(&large);
    assert_int_equal(fake_cuda_leaks(), 0);
}

static void test_what_a_device_cannot_do_is_said(void **state)
{
    (void)state;
    struct engine *x;
    struct err e;
    struct engine_device found;
    size_t count = 1;
    fake_cuda_set("DEVICES", "driver");
    assert_int_equal(cuda_engine.probe(&found, &count, &e), -1);
    expect_error(&e, ERR_DEVICE, "no CUDA driver", "no driver");
    fake_cuda_set("DEVICES", "0");
    count = 1;
    assert_int_equal(cuda_engine.probe(&found, &count, &e), -1);
    expect_error(&e, ERR_DEVICE, "no CUDA device", "no device");
    fake_cuda_set("DEVICES", "1");
    fake_cuda_set("CAPABILITY", "75");
    assert_int_equal(cuda_engine.open(&x, &(struct engine_options){.precision = PRECISION_BF16}, &e), -1);
    expect_error(&e, ERR_REQUEST, "bf16", "bf16 on sm_75");
    fake_cuda_set("CAPABILITY", "90");
    assert_int_equal(cuda_engine.open(&x, &(struct engine_options){.isa = "avx2"}, &e), -1);
    expect_error(&e, ERR_REQUEST, "isa", "isa");
    assert_int_equal(fake_cuda_leaks(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_precision_answers_as_plain_c_does),
        cmocka_unit_test(test_bits_do_not_depend_on_what_else_is_in_the_run),
        cmocka_unit_test(test_samples_go_up_once_and_nothing_is_allocated_by_a_run),
        cmocka_unit_test(test_every_call_may_fail),
        cmocka_unit_test(test_a_model_survives_that_another_does_not_fit),
        cmocka_unit_test(test_what_a_device_cannot_do_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
