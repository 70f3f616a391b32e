/* classify.h - the way of one request: cube -> bands -> lines with halo -> blocks -> scheduler -> labels, counts,
 * report.
 *
 * Shared by the daemon and the command line; knows files and engines, not HTTP. Memory is a fixed number of lines
 * whatever the scene; the label map itself (one byte a pixel of the window) lies in an unlinked file, mapped.
 * Threading: one call per request, any number at once.
 */
#pragma once
#include "base/err.h"
#include "engine/scheduler.h"
#include "model/package.h"
#include "proto/query.h"
#include "proto/result.h"
#include "scene/cube.h"
#include <stdatomic.h>
#include <stdbool.h>

/* A package that the scheduler has loaded. */
struct model {
    struct package *package;
    int id; /* scheduler_load */
};

struct classify_request {
    struct scheduler *scheduler;
    const struct model *model;
    const struct query *query;
    struct cube_files files;
    const char *truth;     /* a label raster, or NULL */
    const char *directory; /* where unlinked files may be made */
    struct cube_limits limits;
    double deadline; /* clock_now(); 0: none */
    int logits_fd;   /* float32 (lines, columns, N) is written here from logits_offset on; -1: not asked */
    long long logits_offset;
    uint64_t label_pixels;          /* the JSON leaves the label rows out above so many pixels; 0: never */
    int strip_lines, block_columns; /* 0: chosen by the memory there is; the answer is the same for any */
    const atomic_bool *cancel;      /* may be NULL */
    void (*progress)(void *arg, uint64_t done,
                     uint64_t pixels); /* of the window; may be NULL; from the calling thread */
    void *progress_arg;

    /* Told the window once it is known, before the label map (a byte a pixel, in `directory`) is made: the time to set
     * room aside. -1 with *e ends the run. May be NULL. */
    int (*reserve)(void *arg, const struct window *w, struct err *e);
    void *reserve_arg;

    /* Told the job once it is open, so that another thread can end it (scheduler_job_cancel) while this one waits for
     * the engine, where `cancel` is not looked at; and NULL before it closes. May be NULL. */
    void (*opened)(void *arg, struct scheduler_job *job);
    void *opened_arg;
};

struct classification {
    struct cube *cube;    /* open until classification_release: the result borrows its description */
    struct result result; /* labels point into the map */
    uint8_t *labels;      /* class ids (lines, columns) of the window */
    size_t labels_length;
};

/* Errors: those of cube_open, spectral_match_init, validity, the scheduler; ERR_INPUT for a window outside the scene,
 * for no valid pixel. On -1 nothing needs to be released. */
int classify_run(const struct classify_request *q, struct classification *out, struct err *e);
void classification_release(struct classification *c);

/* Writes a result in a format to `path` (a name that nobody reads yet); names: leave .aux.xml beside a GeoTIFF. */
int classification_write(const struct classification *c, enum result_format format, const char *path, bool names,
                         struct err *e);

/* About the largest file that classification_write makes of such a window, in bytes; label_rows: with JSON's. */
uint64_t classification_most_bytes(enum result_format format, const struct window *w, bool label_rows);

/* The head of a .npy file, version 1.0: out[128]; descr "|u1" or "<f4"; depth 0: two dimensions. Returns 128. */
size_t npy_header(char out[128], const char *descr, int lines, int columns, int depth);
