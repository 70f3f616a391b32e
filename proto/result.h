/* result.h - the JSON result: plain data in, text out.
 * Threading: pure functions. Shapes: labels (lines, columns) of the window; N classes.
 */
#pragma once
#include "base/err.h"
#include "model/package.h"
#include "proto/query.h"
#include "scene/cube.h"
#include "scene/validity.h"
#include <stdbool.h>
#include <stdint.h>

struct result_class {
    uint64_t pixels;
    double area_m2;         /* NaN: not defined */
    double confidence_mean; /* NaN: no pixels */
};

/* One truth report (api.md, `truth`). precision and the like are NaN where not defined. */
struct result_truth {
    bool present;
    uint64_t pixels, unlabelled, ignored;
    double overall_accuracy, average_accuracy, kappa;
    uint64_t *confusion; /* (N, N): truth row, label column */
};

struct result_timing {
    double upload_s, queue_s, read_s, compute_s, encode_s, total_s;
};

enum { RESULT_WARNINGS = 8 };

struct result {
    char request_id[129];
    const struct cube_description *scene; /* borrowed */
    struct window window;
    int bands_used;
    bool by_wavelength;
    char scaling[64];
    bool has_nodata;
    double nodata;
    const char *nodata_rule; /* "any", "all"; NULL: none */
    struct validity_count pixels;
    const struct package *package; /* borrowed */
    char device[96];               /* the engine: "cpu" */
    const char *precision;
    enum normalization normalization;
    struct result_class *classes; /* (N) */
    const uint8_t *labels;        /* class ids (lines, columns) of the window; NULL: left out */
    struct result_truth truth;
    struct result_timing timing;
    double encode_begun; /* clock_now() when writing began: encode_s and total_s go up to where they are written; 0: as
                          * they stand */
    char warnings[RESULT_WARNINGS][160];
    int warning_count;
};

void result_warn(struct result *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Fills accuracy figures of t from its confusion matrix (N, N) and counts; OA, AA, kappa as the field reports them
 * (Congalton 1991). Not defined: NaN. */
void result_truth_figures(struct result_truth *t, int N);

/* Writes the object of api.md to an open file, so that a large label map never stands in memory as text. Numbers that
 * are not defined are null. Errors: ERR_IO, ERR_SPACE, ERR_NOMEM. */
int result_write_json(const struct result *r, int fd, struct err *e);
