/* The queue before the workers: order, places, withdrawal; and what of it the drain waits for. */
#include "server/connections.h"
#include "server/request.h"
#include "server/workers.h"
#include "tests/unit/support/expect.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

enum { MANY = 200 };
static sem_t gate, done;
static struct request *order[MANY];
static atomic_int performed;

static void perform(struct request *r)
{
    sem_wait(&gate);
    order[atomic_fetch_add(&performed, 1)] = r;
    sem_post(&done);
}

static struct workers *opened(int threads, int most)
{
    struct workers *w;
    struct err e;
    sem_init(&gate, 0, 0);
    sem_init(&done, 0, 0);
    atomic_store(&performed, 0);
    assert_int_equal(workers_open(&w, threads, most, perform, &e), 0);
    return w;
}

static void wait_running(struct workers *w, int running)
{
    struct workers_load load;
    do
        workers_load(w, &load);
    while (load.running != running);
}

static void test_one_worker_keeps_the_order(void **state)
{
    (void)state;
    static struct request r[MANY];
    struct workers *w = opened(1, MANY);
    for (int i = 0; i < MANY; i++)
        workers_submit(w, &r[i]);
    for (int i = 0; i < MANY; i++)
        sem_post(&gate);
    for (int i = 0; i < MANY; i++)
        sem_wait(&done);
    for (int i = 0; i < MANY; i++)
        assert_ptr_equal(order[i], &r[i]);
    workers_close(w);
}

static void test_places_are_bounded_and_come_back(void **state)
{
    (void)state;
    struct err e = {0};
    struct workers_load load;
    struct workers *w = opened(1, 2);
    assert_int_equal(workers_admit(w, &e), 0);
    assert_int_equal(workers_admit(w, &e), 0);
    assert_int_equal(workers_admit(w, &e), -1);
    assert_int_equal(e.code, ERR_BUSY);
    workers_dismiss(w);
    assert_int_equal(workers_admit(w, &e), 0);
    workers_load(w, &load);
    assert_int_equal(load.held, 2);
    workers_close(w);
}

static void test_who_waits_can_be_withdrawn_who_runs_cannot(void **state)
{
    (void)state;
    static struct request r[4];
    struct workers_load load;
    struct workers *w = opened(1, 4);
    for (int i = 0; i < 4; i++)
        workers_submit(w, &r[i]);
    wait_running(w, 1);
    assert_false(workers_withdraw(w, &r[0]));
    assert_true(workers_withdraw(w, &r[3])); /* the last: the end of the queue moves */
    assert_true(workers_withdraw(w, &r[1]));
    assert_false(workers_withdraw(w, &r[1]));
    workers_submit(w, &r[1]);
    workers_load(w, &load);
    assert_int_equal(load.queued, 2);
    for (int i = 0; i < 3; i++)
        sem_post(&gate);
    for (int i = 0; i < 3; i++)
        sem_wait(&done);
    assert_ptr_equal(order[0], &r[0]);
    assert_ptr_equal(order[1], &r[2]);
    assert_ptr_equal(order[2], &r[1]);
    assert_false(workers_withdraw(w, &r[1]));
    workers_close(w);
}

static void test_closing_performs_what_was_submitted(void **state)
{
    (void)state;
    static struct request r[8];
    struct workers *w = opened(3, 8);
    for (int i = 0; i < 8; i++)
        sem_post(&gate);
    for (int i = 0; i < 8; i++)
        workers_submit(w, &r[i]);
    workers_close(w);
    assert_int_equal(atomic_load(&performed), 8);
}

static void *submit_many(void *arg)
{
    struct workers *w = arg;
    static struct request r[4][MANY / 4];
    static atomic_int next;
    struct request *mine = r[atomic_fetch_add(&next, 1)];
    for (int i = 0; i < MANY / 4; i++)
        workers_submit(w, &mine[i]);
    return NULL;
}

static void test_many_threads_submit_at_once(void **state)
{
    (void)state;
    pthread_t threads[4];
    struct workers *w = opened(4, MANY);
    for (int i = 0; i < MANY; i++)
        sem_post(&gate);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, submit_many, w), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    workers_close(w);
    assert_int_equal(atomic_load(&performed), MANY);
}

static void resume_nothing(void *handle)
{
    (void)handle;
}

/* What the drain waits for: between the worker's dismissal and the answer no place is taken any more. */
static void test_a_request_is_unanswered_from_its_body_to_its_answer(void **state)
{
    (void)state;
    static struct request r;
    struct connections cs;
    connections_init(&cs, resume_nothing);
    struct connection *c = connection_open(&cs, -1, NULL);
    assert_int_equal(connections_unanswered(&cs), 0);
    connection_enter(&cs, c, CONNECTION_BODY);
    assert_int_equal(connections_unanswered(&cs), 1);
    assert_true(connection_hold(&cs, c, &r));
    assert_int_equal(connections_unanswered(&cs), 1);
    connections_resume(&cs, c);
    assert_int_equal(connections_unanswered(&cs), 1);
    connection_enter(&cs, c, CONNECTION_IDLE);
    assert_int_equal(connections_unanswered(&cs), 0);
    connection_close(&cs, c);
    connections_release(&cs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_worker_keeps_the_order),
        cmocka_unit_test(test_places_are_bounded_and_come_back),
        cmocka_unit_test(test_who_waits_can_be_withdrawn_who_runs_cannot),
        cmocka_unit_test(test_closing_performs_what_was_submitted),
        cmocka_unit_test(test_many_threads_submit_at_once),
        cmocka_unit_test(test_a_request_is_unanswered_from_its_body_to_its_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
