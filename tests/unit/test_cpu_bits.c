/* The same bits for a pixel however the scene is cut, whoever computes it, and whatever else is in the run. */
#include "cpu/cpu.h"
#include "cpu/isa.h"
#include "cpu/pack.h"
#include "cpu/work.h"
#include "tests/unit/support/engine_run.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/random_block.h"
#include "tests/unit/support/random_network.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The pixels of a block against those of the whole scene, bit for bit. */
static void expect_same_bits(const struct block *part, const struct block *whole, const char *how)
{
    size_t N = (size_t)part->N;
    for (int y = 0; y < part->lines; y++)
        for (int x = 0; x < part->columns; x++) {
            size_t i = (size_t)y * (size_t)part->columns + (size_t)x;
            size_t j = (size_t)(part->line + y) * (size_t)whole->columns + (size_t)(part->column + x);
            if (part->labels[i] != whole->labels[j] ||
                memcmp(part->confidence + i, whole->confidence + j, sizeof(float)) != 0 ||
                memcmp(part->logits + i * N, whole->logits + j * N, N * sizeof(float)) != 0)
                fail_msg("%s: other bits at line %d, column %d", how, part->line + y, part->column + x);
        }
}

/* One scene and what the engine makes of it as one block on one thread. */
struct reference {
    struct network n;
    struct random_scene s;
    struct block *whole;
};

static void open_reference(struct reference *r, const struct network_sizes *sizes, uint64_t seed)
{
    random_network(&r->n, sizes, seed);
    random_scene_init(&r->s, 22, 37, sizes->K, 25, seed + 1);
    struct engine *x = engine_run_open(&cpu_engine, 1, 0);
    struct engine_model *m = engine_run_load(&cpu_engine, x, &r->n);
    r->whole = random_scene_block(&r->s, &r->n, 0, 0, r->s.lines, r->s.columns, 1);
    engine_run(&cpu_engine, x, &(struct engine_task){m, r->whole, NULL}, 1);
    cpu_engine.unload(x, m);
    cpu_engine.close(x);
}

static void close_reference(struct reference *r)
{
    block_close(r->whole);
    random_scene_release(&r->s);
    network_release(&r->n);
}

enum { MOST_TASKS = 64 };

/* Cuts a window of the scene into blocks of so many lines, as tasks behind the `count` that there are. */
static size_t add_tasks(struct engine_task tasks[MOST_TASKS], size_t count, struct reference *r, struct engine_model *m,
                        int column, int columns, int lines)
{
    for (int line = 0; line < r->s.lines; line += lines) {
        int n = lines < r->s.lines - line ? lines : r->s.lines - line;
        assert_true(count < MOST_TASKS);
        tasks[count++] = (struct engine_task){m, random_scene_block(&r->s, &r->n, line, column, n, columns, 1), NULL};
    }
    return count;
}

static void check_tasks(struct engine_task *tasks, size_t count, const struct engine_model *m,
                        const struct block *whole, const char *how)
{
    for (size_t i = 0; i < count; i++)
        if (tasks[i].model == m)
            expect_same_bits(tasks[i].block, whole, how);
}

static void close_tasks(struct engine_task *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        block_close(tasks[i].block);
}

static const struct network_sizes SHARED = {20, 6, 7, 4, false}, ATTENDED = {18, 5, 9, 3, true};

/* Under a sanitizer, one of so many cuts is enough. */
static size_t stride(size_t full)
{
    return getenv("SPECTRAD_TEST_SAMPLE") == NULL ? 1 : full;
}

static void check_cuts(struct reference *r, int threads, uint64_t memory)
{
    static const struct {
        int column, columns, lines;
    } cuts[] = {{0, 37, 22}, {0, 37, 1}, {0, 37, 5}, {0, 37, 16}, {11, 7, 22}, {24, 13, 9}, {20, 1, 2}};
    struct engine *x = engine_run_open(&cpu_engine, threads, memory);
    struct engine_model *m = engine_run_load(&cpu_engine, x, &r->n);
    struct engine_info info;
    cpu_engine.describe(x, &info);
    assert_true(memory == 0 || info.memory <= memory);
    for (size_t i = 0; i < COUNT(cuts); i += stride(3)) {
        struct engine_task tasks[MOST_TASKS];
        char how[96];
        size_t count = add_tasks(tasks, 0, r, m, cuts[i].column, cuts[i].columns, cuts[i].lines);
        engine_run(&cpu_engine, x, tasks, count);
        snprintf(how, sizeof how, "%d threads, %d lines, columns %d+%d", threads, cuts[i].lines, cuts[i].column,
                 cuts[i].columns);
        check_tasks(tasks, count, m, r->whole, how);
        close_tasks(tasks, count);
    }
    cpu_engine.unload(x, m);
    cpu_engine.close(x);
}

static void test_same_bits_for_every_cut_and_thread_count(void **state)
{
    (void)state;
    for (int form = 0; form < 2; form++) {
        struct reference r;
        open_reference(&r, form ? &ATTENDED : &SHARED, 300);
        for (int threads = 3; threads >= 1; threads -= (int)stride(3))
            check_cuts(&r, threads, 0);
        close_reference(&r);
    }
}

/* What the engine needs for strips of at most so many columns in each thread. */
static uint64_t memory_for(const struct network *n, int threads, size_t columns)
{
    struct engine *x = engine_run_open(&cpu_engine, threads, 0);
    struct engine_model *m = engine_run_load(&cpu_engine, x, n);
    struct engine_info info;
    struct packed packed;
    struct err e;
    cpu_engine.describe(x, &info);
    assert_int_equal(pack_network(&packed, n, isa_runnable(0), &e), 0);
    size_t saved = work_size(&packed, WORK_MOST_COLUMNS) - work_size(&packed, columns);
    pack_release(&packed);
    cpu_engine.unload(x, m);
    cpu_engine.close(x);
    return info.memory - (uint64_t)threads * saved * sizeof(float);
}

/* Little memory narrows the strips; they still leave no seams. */
static void test_same_bits_in_narrow_strips(void **state)
{
    (void)state;
    static const size_t columns[] = {1, 2, 5, 16};
    struct reference r;
    open_reference(&r, &SHARED, 310);
    for (size_t i = 0; i < COUNT(columns); i += stride(3))
        check_cuts(&r, 3, memory_for(&r.n, 3, columns[i]));
    close_reference(&r);
}

static void test_same_bits_beside_blocks_of_other_models(void **state)
{
    (void)state;
    struct reference a, b;
    open_reference(&a, &SHARED, 320);
    open_reference(&b, &ATTENDED, 330);
    for (int threads = 3; threads >= 1; threads -= (int)stride(3)) {
        struct engine *x = engine_run_open(&cpu_engine, threads, 0);
        struct engine_model *ma = engine_run_load(&cpu_engine, x, &a.n), *mb = engine_run_load(&cpu_engine, x, &b.n);
        struct engine_task tasks[MOST_TASKS];
        size_t count = add_tasks(tasks, 0, &a, ma, 3, 34, 6);
        count = add_tasks(tasks, count, &b, mb, 0, 20, 6);
        for (size_t i = 1; i < count / 2; i += 2) { /* the models take turns */
            struct engine_task t = tasks[i];
            tasks[i] = tasks[count - i];
            tasks[count - i] = t;
        }
        engine_run(&cpu_engine, x, tasks, count);
        check_tasks(tasks, count, ma, a.whole, "beside another model");
        check_tasks(tasks, count, mb, b.whole, "beside another model");
        close_tasks(tasks, count);
        cpu_engine.unload(x, ma);
        cpu_engine.unload(x, mb);
        cpu_engine.close(x);
    }
    close_reference(&a);
    close_reference(&b);
}

static void test_a_canceled_block_is_skipped_and_others_are_not(void **state)
{
    (void)state;
    struct reference r;
    open_reference(&r, &SHARED, 350);
    struct engine *x = engine_run_open(&cpu_engine, 2, 0);
    struct engine_model *m = engine_run_load(&cpu_engine, x, &r.n);
    struct engine_task tasks[MOST_TASKS];
    atomic_bool yes = true, no = false;
    size_t count = add_tasks(tasks, 0, &r, m, 0, 37, 7);
    struct affine_map nothing = {.B = r.n.K, .K = r.n.K, .diagonal = 1};
    for (size_t i = 0; i < count; i++)
        tasks[i].canceled = i == 2 ? &yes : &no;
    tasks[2].block->map = &nothing; /* crashes if it is used */
    engine_run(&cpu_engine, x, tasks, count);
    check_tasks(tasks, 2, m, r.whole, "before a canceled block");
    check_tasks(tasks + 3, count - 3, m, r.whole, "behind a canceled block");
    close_tasks(tasks, count);
    cpu_engine.unload(x, m);
    cpu_engine.close(x);
    close_reference(&r);
}

static void test_labels_are_the_same_without_logits(void **state)
{
    (void)state;
    struct reference r;
    open_reference(&r, &SHARED, 360);
    struct engine *x = engine_run_open(&cpu_engine, 2, 0);
    struct engine_model *m = engine_run_load(&cpu_engine, x, &r.n);
    struct block *b = random_scene_block(&r.s, &r.n, 0, 0, r.s.lines, r.s.columns, 0);
    size_t pixels = (size_t)r.s.lines * (size_t)r.s.columns;
    assert_null(b->logits);
    engine_run(&cpu_engine, x, &(struct engine_task){m, b, NULL}, 1);
    assert_memory_equal(b->labels, r.whole->labels, pixels);
    assert_memory_equal(b->confidence, r.whole->confidence, pixels * sizeof(float));
    block_close(b);
    cpu_engine.unload(x, m);
    cpu_engine.close(x);
    close_reference(&r);
}

/* The network is the caller's again after load; a model that goes leaves the others alone. */
static void test_models_come_and_go(void **state)
{
    (void)state;
    struct reference r;
    open_reference(&r, &SHARED, 370);
    struct engine *x = engine_run_open(&cpu_engine, 2, 0);
    struct network other, copy;
    random_network(&other, &ATTENDED, 371);
    random_network(&copy, &SHARED, 370);
    struct engine_model *big = engine_run_load(&cpu_engine, x, &other), *m = engine_run_load(&cpu_engine, x, &copy);
    network_release(&other);
    memset(copy.storage, 0xff, (size_t)(copy.full_connection.bias + copy.N - copy.storage) * sizeof(float));
    network_release(&copy);
    for (int round = 0; round < 2; round++) {
        struct engine_task tasks[MOST_TASKS];
        size_t count = add_tasks(tasks, 0, &r, m, 0, 37, 22);
        engine_run(&cpu_engine, x, tasks, count);
        check_tasks(tasks, count, m, r.whole, "after others came and went");
        close_tasks(tasks, count);
        cpu_engine.unload(x, big);
        big = NULL;
    }
    cpu_engine.unload(x, m);
    struct engine_info info, empty;
    cpu_engine.describe(x, &info);
    m = engine_run_load(&cpu_engine, x, &r.n);
    cpu_engine.unload(x, m);
    cpu_engine.describe(x, &empty);
    assert_true(info.memory == empty.memory);
    cpu_engine.close(x);
    close_reference(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits_for_every_cut_and_thread_count),
        cmocka_unit_test(test_same_bits_in_narrow_strips),
        cmocka_unit_test(test_same_bits_beside_blocks_of_other_models),
        cmocka_unit_test(test_a_canceled_block_is_skipped_and_others_are_not),
        cmocka_unit_test(test_labels_are_the_same_without_logits),
        cmocka_unit_test(test_models_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
