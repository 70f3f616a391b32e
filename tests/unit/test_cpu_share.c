/* Threads divide a run: every line of every column goes to exactly one of them, and none waits while another has
 * plenty. */
#include "cpu/pool.h"
#include "cpu/share.h"
#include "tests/unit/support/expect.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH = 20, MOST_THREADS = 8 };

static int width(const struct engine_model *m)
{
    (void)m;
    return WIDTH;
}

struct run {
    struct share *share;
    struct block blocks[3];
    struct engine_task tasks[3];
    size_t count;
    atomic_int *visits; /* of each pixel of each block, one behind the other */
    atomic_int lines[MOST_THREADS], too_wide;
    int slow; /* this thread takes its time; -1: none */
};

static size_t pixels_before(const struct run *r, size_t task)
{
    size_t n = 0;
    for (size_t i = 0; i < task; i++)
        n += (size_t)r->blocks[i].lines * (size_t)r->blocks[i].columns;
    return n;
}

static void visit(void *argument, int thread)
{
    struct run *r = argument;
    struct piece p;
    while (share_next(r->share, thread, &p)) {
        const struct block *b = p.task->block;
        size_t first = pixels_before(r, (size_t)(p.task - r->tasks));
        int before = p.line - 1;
        if (p.columns > WIDTH || p.columns < 1)
            atomic_fetch_add(&r->too_wide, 1);
        for (int line; (line = share_line(r->share, thread)) >= 0; before = line) {
            if (line != before + 1 || line >= p.line + p.lines)
                atomic_fetch_add(&r->too_wide, 1);
            for (int c = p.column; c < p.column + p.columns; c++)
                atomic_fetch_add(&r->visits[first + (size_t)(line * b->columns + c)], 1);
            atomic_fetch_add(&r->lines[thread], 1);
            if (thread == r->slow)
                usleep(20000);
        }
    }
}

static void run(struct run *r, int threads, size_t count, const int shapes[][2])
{
    struct pool *pool;
    struct err e;
    r->count = count;
    for (size_t i = 0; i < count; i++) {
        r->blocks[i] = (struct block){.lines = shapes[i][0], .columns = shapes[i][1]};
        r->tasks[i] = (struct engine_task){.block = &r->blocks[i]};
    }
    size_t pixels = pixels_before(r, count);
    r->visits = calloc(pixels, sizeof *r->visits);
    assert_non_null(r->visits);
    assert_int_equal(share_open(&r->share, threads, &e), 0);
    assert_int_equal(pool_open(&pool, threads, &e), 0);
    for (int round = 1; round <= 3; round++) {
        share_begin(r->share, r->tasks, count, width);
        pool_run(pool, visit, r);
        for (size_t i = 0; i < pixels; i++)
            assert_int_equal(atomic_load(&r->visits[i]), round);
    }
    assert_int_equal(atomic_load(&r->too_wide), 0);
    pool_close(pool);
    share_close(r->share);
    free(r->visits);
}

static void test_every_pixel_goes_to_one_thread(void **state)
{
    (void)state;
    static const int shapes[][3][2] = {
        {{40, 150}, {1, 1}, {7, 19}},
        {{1, 1}, {1, 1}, {1, 1}},
        {{3, 500}, {200, 3}, {2, 20}},
        {{1, 21}, {90, 1}, {5, 40}},
    };
    for (int threads = 1; threads <= MOST_THREADS; threads++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (size_t count = 0; count <= 3; count++) {
                struct run r = {.slow = -1};
                run(&r, threads, count, shapes[i]);
            }
}

/* One strip of 60 lines: whoever takes it first, the slow thread is left with few of them. */
static void test_a_slow_thread_is_relieved(void **state)
{
    (void)state;
    struct run r = {.slow = 0};
    run(&r, 3, 1, (const int[][2]){{60, 4}});
    assert_int_equal(atomic_load(&r.lines[0]) + atomic_load(&r.lines[1]) + atomic_load(&r.lines[2]), 3 * 60);
    assert_true(atomic_load(&r.lines[0]) < 3 * 20);
}

/* A block of one line is cut into columns, so that all have some. */
static void test_a_short_block_is_cut_into_narrow_strips(void **state)
{
    (void)state;
    struct share *s;
    struct err e;
    struct piece p;
    struct block b = {.lines = 1, .columns = 33};
    struct engine_task t = {.block = &b};
    int pieces = 0;
    assert_int_equal(share_open(&s, 4, &e), 0);
    share_begin(s, &t, 1, width);
    while (share_next(s, 0, &p)) {
        assert_in_range(p.columns, 8, 9);
        pieces++;
    }
    assert_int_equal(pieces, 4);
    share_close(s);
    share_close(NULL);
}

/* A strip that ends early leaves its lines; the next run must not hand out lines of a block that is gone. */
static void test_lines_that_a_canceled_run_left_are_not_shared(void **state)
{
    (void)state;
    struct share *s;
    struct err e;
    struct piece p;
    struct block b = {.lines = 60, .columns = 4};
    struct engine_task t = {.block = &b};
    assert_int_equal(share_open(&s, 2, &e), 0);
    share_begin(s, &t, 1, width);
    assert_true(share_next(s, 0, &p));
    assert_int_equal(share_line(s, 0), 0); /* canceled here: 59 lines are left */
    share_begin(s, &t, 0, width);
    assert_false(share_next(s, 1, &p));
    share_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pixel_goes_to_one_thread),
        cmocka_unit_test(test_a_slow_thread_is_relieved),
        cmocka_unit_test(test_a_short_block_is_cut_into_narrow_strips),
        cmocka_unit_test(test_lines_that_a_canceled_run_left_are_not_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
