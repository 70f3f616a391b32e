/* metrics.h - what the daemon has counted so far, and the text format of Prometheus (0.0.4).
 *
 * Own writer: the C client library of Prometheus is not packaged in Debian, and the format is a line a value.
 * Threading: any thread; one lock, innermost.
 */
#pragma once
#include "base/err.h"
#include "proto/result.h"
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

enum { METRICS_ROUTES = 8, METRICS_STATUSES = 600, METRICS_BUCKETS = 16 };

struct histogram {
    uint64_t counts[METRICS_BUCKETS + 1]; /* the last: above every bound */
    double sum;
};

enum metrics_stage {
    STAGE_REQUEST,
    STAGE_UPLOAD,
    STAGE_QUEUE,
    STAGE_READ,
    STAGE_COMPUTE,
    STAGE_ENCODE,
    METRICS_STAGES
};

struct metrics {
    pthread_mutex_t lock;
    /* All by lock. */
    uint64_t requests[METRICS_ROUTES][METRICS_STATUSES];
    uint64_t rejected[ERR_USAGE + 1];
    uint64_t received, sent; /* bytes of bodies */
    uint64_t pixels[2];      /* valid, invalid; of finished requests */
    struct histogram seconds[METRICS_STAGES];
};

void metrics_init(struct metrics *m);
void metrics_release(struct metrics *m);

/* A request ended: route < METRICS_ROUTES, its status, bytes of its body and of its answer. */
void metrics_request(struct metrics *m, size_t route, int status, uint64_t received, uint64_t sent);

/* A request got a problem for an answer, or none since its client left. */
void metrics_rejected(struct metrics *m, enum err_code why);

/* A classification succeeded. */
void metrics_classified(struct metrics *m, const struct result_timing *t, uint64_t valid, uint64_t invalid);

/* Writes what was counted; route_name gives the label of each route. */
void metrics_write(struct metrics *m, FILE *out, const char *(*route_name)(size_t route));

/* "# HELP", "# TYPE" of one metric; then its lines. */
void metrics_head(FILE *out, const char *name, const char *type, const char *help);
void metrics_value(FILE *out, const char *name, double value);

/* Writes text as a label's value, escaped. */
void metrics_label(FILE *out, const char *text);
