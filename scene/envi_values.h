/* envi_values.h - values of an ENVI header's fields: numbers, lists, what belongs to each band. For envi_header.c.
 * Threading: pure functions.
 */
#pragma once
#include "scene/envi_header.h"
#include "scene/envi_text.h"

/* The field, which must be there. */
int envi_required(const struct envi_text *t, const char *key, const struct envi_field **field, struct err *e);

/* An integer in min..max; *fallback where the key is missing, an error where fallback is NULL. */
int envi_integer(const struct envi_text *t, const char *key, long long min, long long max, const long long *fallback,
                 long long *value, struct err *e);

/* All numbers of a value, parted by commas or blanks, "nan" and "inf" among them; *values is for free(), NULL and 0
 * where the key is missing or holds none. */
int envi_numbers(const struct envi_text *t, const char *key, double **values, size_t *count, struct err *e);

/* ERR_INPUT: "the ENVI header's 'KEY' is 'VALUE'; it must be WHAT". Returns -1. */
int envi_bad_value(const struct envi_field *f, const char *what, struct err *e);

/* Fills what follows the layout in *h: scaling, nodata, bands, georeference. */
int envi_values_parse(struct envi_header *h, const struct envi_text *t, struct err *e);
