/* peak.c - the FMA rate of the machine, measured: what every speed of the CPU engine is divided by. */
#include "cpu/peak.h"
#include "base/clock.h"
#include "cpu/cores.h"
#include "cpu/isa.h"
#include "cpu/pool.h"
#include <stdatomic.h>

struct burn {
    const struct kernels *kernels;
    double until;
    _Atomic double flops; /* of all threads */
};

static void burn(void *argument, int thread)
{
    enum { ROUNDS = 100000 }; /* a fraction of a millisecond between two looks at the clock */
    struct burn *b = argument;
    volatile float sink;
    double flops = 0;
    (void)thread;
    do
        flops += b->kernels->burn(ROUNDS, &sink);
    while (clock_now() < b->until);
    double before = atomic_load(&b->flops);
    while (!atomic_compare_exchange_weak(&b->flops, &before, before + flops))
        ;
}

double cpu_fma_peak_gflops(const char *isa, int threads, double seconds)
{
    const struct kernels *k;
    struct pool *pool;
    struct err e;
    if (isa_select(isa, &k, &e) != 0 || pool_open(&pool, threads > 0 ? threads : cores_available(), &e) != 0)
        return 0;
    struct burn warm = {k, clock_now() + seconds / 10, 0}; /* the clock rate settles first */
    pool_run(pool, burn, &warm);
    double begin = clock_now();
    struct burn measured = {k, begin + seconds * 9 / 10, 0};
    pool_run(pool, burn, &measured);
    double taken = clock_now() - begin;
    pool_close(pool);
    return atomic_load(&measured.flops) / taken * 1e-9;
}
