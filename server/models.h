/* models.h - the packages that the daemon serves: found, opened, loaded into the engines, warmed up.
 *
 * Threading: filled at start by one thread, read-only afterwards.
 */
#pragma once
#include "base/err.h"
#include "pipeline/classify.h"
#include "server/config.h"
#include <stddef.h>

struct models {
    struct model *items; /* in the order of their names */
    size_t count;
};

/* Opens every package of the paths: a folder means the *.safetensors in it. None found, or no such folder, is no error:
 * reason[size] says it of each such path, "" if every path gave something. Errors: ERR_INPUT for a package that cannot
 * be used, with its base name; for two of one name; ERR_IO for a file named that cannot be read; ERR_NOMEM. *m is for
 * models_close also on failure.
 */
int models_open(struct models *m, const struct path_list *paths, char *reason, size_t size, struct err *e);
void models_close(struct models *m);

/* ERR_USAGE: there are models, and none has the configured name ("": none is configured). */
int models_check_default(const struct models *m, const char *name, struct err *e);

/* Loads a package into every engine, and classifies one pixel with it, so that what fails fails now. */
int models_load(struct model *model, struct scheduler *s, struct err *e);

/* The model named, else the only one, else the one called fallback ("": none). Errors: ERR_NOT_FOUND (no such name,
 * with those there are), ERR_REQUEST (several and none named). */
int models_choose(const struct models *m, const char *name, const char *fallback, const struct model **out,
                  struct err *e);

/* { "models": [ ... ] }, malloc'ed; NULL when out of memory. */
char *models_json(const struct models *m);
