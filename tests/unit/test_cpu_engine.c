/* The CPU engine as a whole: it answers as plain C does, and refuses what it cannot. */
#include "cpu/cpu.h"
#include "tests/unit/support/engine_run.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/random_block.h"
#include "tests/unit/support/random_network.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct network_sizes SMALL = {20, 6, 7, 4, false};

/* Labels may differ where the two best logits are as close as the logits may be apart. */
static void expect_agreement(const struct block *fast, const struct block *plain, const struct random_scene *s,
                             const struct network *n)
{
    const double tolerance = 1e-4;
    for (size_t i = 0; i < (size_t)s->lines * (size_t)s->columns; i++) {
        const float *found = fast->logits + i * (size_t)n->N, *expected = plain->logits + i * (size_t)n->N;
        double best = -INFINITY, second = -INFINITY;
        for (int k = 0; k < n->N; k++) {
            double x = (double)expected[k], apart = fabs((double)found[k] - x);
            if (s->valid[i] ? !(apart <= tolerance * (1 + fabs(x))) : !isnan(found[k]))
                fail_msg("K = %d, C = %d, P = %d, N = %d, pixel %zu (valid: %d), logit %d: %g, expected %g", n->K, n->C,
                         n->P, n->N, i, s->valid[i], k, (double)found[k], x);
            second = x > best ? best : x > second ? x : second;
            best = x > best ? x : best;
        }
        if (s->valid[i] && best - second > 2 * tolerance * (1 + fabs(best)))
            assert_int_equal(fast->labels[i], plain->labels[i]);
        if (s->valid[i])
            assert_true(fabs((double)fast->confidence[i] - (double)plain->confidence[i]) < 1e-3);
        else
            assert_true(fast->labels[i] == 0 && isnan(fast->confidence[i]));
    }
}

static void test_results_agree_with_plain(void **state)
{
    (void)state;
    static const struct {
        struct network_sizes sizes;
        int lines, columns, percent_invalid;
    } cases[] = {
        {{7, 4, 7, 3, false}, 9, 11, 20},  {{8, 24, 7, 4, false}, 5, 13, 50}, {{33, 1, 7, 1, false}, 9, 9, 10},
        {{26, 5, 7, 255, false}, 8, 5, 0}, {{21, 64, 7, 9, false}, 3, 4, 20}, {{204, 24, 7, 8, false}, 2, 3, 20},
        {{20, 6, 9, 5, false}, 11, 7, 30}, {{24, 8, 11, 5, false}, 4, 13, 5}, {{31, 24, 7, 4, true}, 4, 5, 20},
        {{19, 7, 9, 6, true}, 6, 5, 10},   {{7, 3, 11, 2, true}, 5, 5, 30},   {{12, 6, 7, 2, false}, 1, 1, 0},
        {{14, 5, 7, 4, false}, 40, 1, 10}, {{14, 5, 7, 4, false}, 1, 90, 10}, {{10, 4, 7, 3, false}, 24, 30, 97},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct network n;
        struct random_scene s;
        random_network(&n, &cases[i].sizes, 100 + i);
        random_scene_init(&s, cases[i].lines, cases[i].columns, n.K, cases[i].percent_invalid, 200 + i);
        struct block *fast = engine_run_scene(&cpu_engine, 2, &n, &s),
                     *plain = engine_run_scene(&cpu_plain_engine, 1, &n, &s);
        expect_agreement(fast, plain, &s, &n);
        block_close(fast);
        block_close(plain);
        random_scene_release(&s);
        network_release(&n);
    }
}

/* The map has no weights: whoever applies it to this block crashes. */
static void test_a_block_without_valid_pixels_is_not_computed(void **state)
{
    (void)state;
    struct network n;
    struct random_scene s;
    random_network(&n, &SMALL, 340);
    random_scene_init(&s, 12, 40, n.K, 100, 341);
    struct affine_map nothing = {.B = n.K, .K = n.K, .diagonal = 1};
    struct engine *x = engine_run_open(&cpu_engine, 2, 0);
    struct engine_model *m = engine_run_load(&cpu_engine, x, &n);
    struct block *b = random_scene_block(&s, &n, 0, 0, 12, 40, 1);
    b->map = &nothing;
    engine_run(&cpu_engine, x, &(struct engine_task){m, b, NULL}, 1);
    for (size_t i = 0; i < 12 * 40; i++)
        assert_true(b->labels[i] == 0 && isnan(b->confidence[i]) && isnan(b->logits[i * (size_t)n.N]));
    block_close(b);
    cpu_engine.unload(x, m);
    cpu_engine.close(x);
    random_scene_release(&s);
    network_release(&n);
}

static void expect_refusal(const struct engine_options *o, const char *part)
{
    struct engine *x;
    struct err e;
    assert_int_equal(cpu_engine.open(&x, o, &e), -1);
    expect_error(&e, ERR_REQUEST, part, part);
}

static void test_what_the_machine_has_not_is_refused(void **state)
{
    (void)state;
    expect_refusal(&(struct engine_options){.precision = PRECISION_BF16}, "fp32 only, not in bf16");
    expect_refusal(&(struct engine_options){.isa = "mmx"}, "unknown instruction set; choose one of auto, ");
    expect_refusal(&(struct engine_options){.threads = -1}, "threads must be 1 to ");
#if defined(__x86_64__)
    expect_refusal(&(struct engine_options){.isa = "neon"}, "cannot run neon; choose one of auto, ");
#else
    expect_refusal(&(struct engine_options){.isa = "avx2"}, "cannot run avx2; choose one of auto, ");
#endif
}

static void test_a_model_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct network n;
    struct err e;
    struct engine_model *m;
    random_network(&n, &SMALL, 380);
    struct engine *x = engine_run_open(&cpu_engine, 2, 100000);
    assert_int_equal(cpu_engine.load(x, &n, &m, &e), -1);
    expect_error(&e, ERR_NOMEM, "of working memory in each of 2 threads", "100 kB");
    cpu_engine.close(x);
    network_release(&n);
}

static void test_every_isa_answers_as_plain(void **state)
{
    (void)state;
    static const char *const names[] = {"sse2", "avx2", "avx512", "neon"};
    struct network n;
    struct random_scene s;
    struct err e;
    int opened = 0;
    random_network(&n, &SMALL, 390);
    random_scene_init(&s, 7, 9, n.K, 20, 391);
    struct block *plain = engine_run_scene(&cpu_plain_engine, 1, &n, &s);
    for (size_t i = 0; i < COUNT(names); i++) {
        struct engine *x;
        if (cpu_engine.open(&x, &(struct engine_options){.threads = 1, .isa = names[i]}, &e) != 0)
            continue;
        struct engine_model *m = engine_run_load(&cpu_engine, x, &n);
        struct block *b = random_scene_block(&s, &n, 0, 0, s.lines, s.columns, 1);
        struct engine_info info;
        cpu_engine.describe(x, &info);
        assert_string_equal(info.isa, names[i]);
        engine_run(&cpu_engine, x, &(struct engine_task){m, b, NULL}, 1);
        expect_agreement(b, plain, &s, &n);
        block_close(b);
        cpu_engine.unload(x, m);
        cpu_engine.close(x);
        opened++;
    }
    assert_true(opened > 0);
    block_close(plain);
    random_scene_release(&s);
    network_release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results_agree_with_plain),
        cmocka_unit_test(test_every_isa_answers_as_plain),
        cmocka_unit_test(test_a_block_without_valid_pixels_is_not_computed),
        cmocka_unit_test(test_what_the_machine_has_not_is_refused),
        cmocka_unit_test(test_a_model_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
