#include "cpu/isa.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* __builtin_cpu_supports asks the processor and the operating system, which must save the wide registers. */
#if defined(__x86_64__)
static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

static bool has_baseline(void)
{
    return true;
}

static const struct {
    const struct kernels *kernels;
    bool (*runs_here)(void);
} tables[] = {
#if defined(__x86_64__)
    {&kernels_avx512, has_avx512},
    {&kernels_avx2, has_avx2},
    {&kernels_sse2, has_baseline},
#elif defined(__aarch64__)
    {&kernels_neon, has_baseline},
#endif
};

static const char *const names[] = {"sse2", "avx2", "avx512", "neon"};

const struct kernels *isa_runnable(size_t index)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (tables[i].runs_here() && index-- == 0)
            return tables[i].kernels;
    return NULL;
}

int isa_select(const char *name, const struct kernels **out, struct err *e)
{
    char runnable[64] = "";
    const struct kernels *k;
    *out = NULL;
    for (size_t i = 0; (k = isa_runnable(i)) != NULL; i++) {
        size_t used = strlen(runnable);
        snprintf(runnable + used, sizeof runnable - used, "%s%s", used == 0 ? "" : ", ", k->isa);
        if (*out == NULL && (name == NULL || strcmp(name, "auto") == 0 || strcmp(name, k->isa) == 0))
            *out = k;
    }
    if (*out != NULL)
        return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return err_set(e, ERR_REQUEST, "this machine cannot run %s; choose one of auto, %s", name, runnable);
    return err_set(e, ERR_REQUEST, "unknown instruction set; choose one of auto, %s", runnable);
}
