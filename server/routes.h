/* routes.h - the paths that are served, and what the small ones say.
 *
 * Threading: any thread. None of them waits for an engine.
 */
#pragma once
#include "server/answer.h"
#include <stdbool.h>
#include <stddef.h>

struct service;

struct route {
    const char *path;
    const char *allow;                                /* the methods, as the header Allow has them */
    void (*get)(struct service *s, struct answer *a); /* NULL: POST /classify */
};

/* NULL: no such path. */
const struct route *routes_find(const char *path);
bool route_allows(const struct route *r, const char *method);

/* A small number for a route, less than METRICS_ROUTES; NULL has one too. And back, to a label. */
size_t routes_index(const struct route *r);
const char *routes_label(size_t index);
