/* query.h - what a request asks for, from key/value text, over HTTP and on the command line alike.
 *
 * One table row per key: name, whether this build serves it, how it is parsed, help. The command line makes its options
 * from the same table (`nodata_rule` is `--nodata-rule`). Threading: plain data.
 */
#pragma once
#include "base/err.h"
#include "scene/spectral.h"
#include "scene/validity.h"
#include <stdbool.h>
#include <stddef.h>

enum result_format { FORMAT_UNSET, FORMAT_JSON, FORMAT_GEOTIFF, FORMAT_NPY };

struct window {
    int column, line, columns, lines;
};

struct query {
    char model[256]; /* "": not given */
    enum result_format format;
    bool has_window;
    struct window window;
    bool has_normalization;
    enum normalization normalization;
    struct spectral_options spectral; /* bands, scale */
    struct nodata_options nodata;     /* nodata, nodata_rule */
    bool labels;                      /* default true; labels=0 leaves the rows out of the JSON */
    double deadline_s;                /* 0: none */
    unsigned long long given;         /* bit i: row i of the table was given; a key given twice is an error */
};

struct query_key {
    const char *name;  /* "nodata_rule" */
    const char *value; /* "auto|any|all", for help */
    const char *help;
    int (*parse)(struct query *q, const char *text, size_t length, struct err *e);
};
extern const struct query_key query_keys[];
extern const size_t query_key_count;

void query_init(struct query *q);

/* Sets one key from text[0..length) (already decoded). ERR_REQUEST: an unknown key (with the keys there are), given
 * twice, unparsable, not finite, out of range. */
int query_set(struct query *q, const char *key, const char *text, size_t length, struct err *e);

const char *result_format_name(enum result_format f); /* "json" */
