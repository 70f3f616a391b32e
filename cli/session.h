/* session.h - what classify and bench share at start: the engine options of the command line, and a scheduler
 * with one package loaded. Threading: one thread.
 */
#pragma once
#include "base/err.h"
#include "base/option.h"
#include "engine/scheduler.h"
#include "pipeline/classify.h"

/* The engine's part of a subcommand's settings. */
struct engine_settings {
    char *device;    /* "auto", "cpu", "cuda:0" */
    char *precision; /* "fp32" */
    char *isa;       /* "auto" */
    long long threads;
};

/* Rows for a table whose settings struct has a struct engine_settings at `at`. */
#define ENGINE_OPTION_ROWS(at)                                                                                         \
    {.name = "device",                                                                                                 \
     .type = OPTION_STRING,                                                                                            \
     .offset = (at) + offsetof(struct engine_settings, device),                                                        \
     .value = "NAME",                                                                                                  \
     .fallback = "auto",                                                                                               \
     .help = "engine: auto, cpu, or cpu-plain (the slow, readable reference)"},                                        \
        {.name = "precision",                                                                                          \
         .type = OPTION_STRING,                                                                                        \
         .offset = (at) + offsetof(struct engine_settings, precision),                                                 \
         .value = "NAME",                                                                                              \
         .fallback = "fp32",                                                                                           \
         .help = "arithmetic of the engine: fp32"},                                                                    \
        {.name = "threads",                                                                                            \
         .type = OPTION_INTEGER,                                                                                       \
         .offset = (at) + offsetof(struct engine_settings, threads),                                                   \
         .value = "N",                                                                                                 \
         .fallback = "0",                                                                                              \
         .min = 0,                                                                                                     \
         .max = 1024,                                                                                                  \
         .help = "threads of the CPU engine; 0: as many as the process may use"},                                      \
    {                                                                                                                  \
        .name = "isa", .type = OPTION_STRING, .offset = (at) + offsetof(struct engine_settings, isa), .value = "NAME", \
        .fallback = "auto", .help = "instruction set of the CPU engine: auto, sse2, avx2, avx512, neon"                \
    }

struct session {
    struct scheduler *scheduler;
    struct model model;
};

/* Opens the package, the engines and the scheduler, loads the package. path: given by the user, so messages may bear
 * it. */
int session_open(struct session *s, const char *package, const struct engine_settings *settings,
                 const struct engine_backend *const *engines, struct err *e);
void session_close(struct session *s);

/* engine_options of the settings. ERR_REQUEST for an unknown precision. */
int session_engine_options(const struct engine_settings *settings, struct engine_options *o, struct err *e);
