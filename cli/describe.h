/* describe.h - a cube, a package and how they fit, as one object that is printed as JSON or as text.
 * Threading: pure functions. Every cJSON object returned belongs to the caller; NULL when out of memory.
 */
#pragma once
#include "model/package.h"
#include "scene/cube.h"
#include "scene/spectral.h"
#include "scene/validity.h"
#include <cjson/cJSON.h>
#include <stdio.h>

cJSON *describe_package(const struct package *p);
cJSON *describe_cube(const struct cube_description *d);

/* Adds "fit": bands picked (from 1), how, scaling, nodata. 0, or -1 when out of memory. */
int describe_add_fit(cJSON *object, const struct package *p, const struct spectral_match *m, const struct validity *v);

/* 0, or -1 if the stream failed. Text: one line a member, long lists shortened. */
int describe_print_json(FILE *out, const cJSON *object);
int describe_print_text(FILE *out, const cJSON *object);
