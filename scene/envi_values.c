#include "scene/envi_values.h"
#include "base/number.h"
#include "base/text.h"
#include "scene/wavelength.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int envi_bad_value(const struct envi_field *f, const char *what, struct err *e)
{
    char shown[64];
    return err_set(e, ERR_INPUT, "the ENVI header's '%s' is '%s'; it must be %s", f->key,
                   text_show(shown, sizeof shown, f->value, strlen(f->value)), what);
}

int envi_required(const struct envi_text *t, const char *key, const struct envi_field **field, struct err *e)
{
    if (envi_text_find(t, key, field, e) != 0)
        return -1;
    return *field != NULL ? 0 : err_set(e, ERR_INPUT, "the ENVI header does not say '%s'", key);
}

int envi_integer(const struct envi_text *t, const char *key, long long min, long long max, const long long *fallback,
                 long long *value, struct err *e)
{
    const struct envi_field *f;
    char what[80];
    if (fallback == NULL ? envi_required(t, key, &f, e) != 0 : envi_text_find(t, key, &f, e) != 0)
        return -1;
    if (f == NULL) {
        *value = *fallback;
        return 0;
    }
    if (number_integer(f->value, strlen(f->value), min, max, value))
        return 0;
    snprintf(what, sizeof what, "an integer from %lld to %lld", min, max);
    return envi_bad_value(f, what, e);
}

/* Also the words by which programs write a number that is none. */
static bool parse_number(const char *text, size_t length, double *value)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {{"nan", NAN},      {"+nan", NAN},      {"-nan", NAN},
                 {"inf", INFINITY}, {"+inf", INFINITY}, {"-inf", -INFINITY}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (length == strlen(words[i].word) && strncasecmp(text, words[i].word, length) == 0) {
            *value = words[i].value;
            return true;
        }
    return number_double(text, length, value);
}

/* Parses f's list into values, which has room for it. */
static int parse_list(const struct envi_field *f, double *values, size_t *count, struct err *e)
{
    const char *at = f->value;
    for (;;) {
        at += strspn(at, " ");
        size_t length = strcspn(at, " ,");
        char shown[40];
        if (length == 0 && *at == '\0') /* a comma may follow the last number */
            return 0;
        if (!parse_number(at, length, &values[*count]))
            return err_set(e, ERR_INPUT, "the ENVI header's '%s' holds '%s' where number %zu should be", f->key,
                           text_show(shown, sizeof shown, at, length), *count + 1);
        ++*count;
        at += length;
        at += strspn(at, " ");
        if (*at == ',')
            at++;
    }
}

int envi_numbers(const struct envi_text *t, const char *key, double **values, size_t *count, struct err *e)
{
    const struct envi_field *f;
    *values = NULL;
    *count = 0;
    if (envi_text_find(t, key, &f, e) != 0)
        return -1;
    if (f == NULL || f->value[0] == '\0')
        return 0;
    /* A number and what parts it from the next take two bytes. */
    *values = malloc((strlen(f->value) / 2 + 1) * sizeof **values);
    if (*values == NULL)
        return err_nomem(e);
    if (parse_list(f, *values, count, e) == 0)
        return 0;
    free(*values);
    *values = NULL;
    return -1;
}

/* A list with one number for each band, or none: *values NULL. */
static int per_band(const struct envi_header *h, const struct envi_text *t, const char *key, double **values,
                    struct err *e)
{
    size_t count;
    if (envi_numbers(t, key, values, &count, e) != 0)
        return -1;
    if (*values == NULL || count == (size_t)h->bands)
        return 0;
    free(*values);
    *values = NULL;
    return err_set(e, ERR_INPUT, "the ENVI header's '%s' lists %zu values for %d bands", key, count, h->bands);
}

/* One number, or none. */
static int single(const struct envi_text *t, const char *key, bool *has, double *value, struct err *e)
{
    double *values;
    size_t count;
    if (envi_numbers(t, key, &values, &count, e) != 0)
        return -1;
    *has = count == 1;
    if (*has)
        *value = values[0];
    free(values);
    return count <= 1 ? 0 : err_set(e, ERR_INPUT, "the ENVI header's '%s' must be one number", key);
}

static int parse_wavelengths(struct envi_header *h, const struct envi_text *t, struct err *e)
{
    const struct envi_field *unit;
    size_t n = (size_t)h->bands;
    if (per_band(h, t, "wavelength", &h->wavelength_nm, e) != 0 || per_band(h, t, "fwhm", &h->fwhm_nm, e) != 0 ||
        envi_text_find(t, "wavelength units", &unit, e) != 0)
        return -1;
    double nm = unit == NULL ? 0 : wavelength_unit(unit->value);
    if (nm == 0 && h->wavelength_nm != NULL)
        nm = wavelength_guess_unit(h->wavelength_nm, n);
    if (h->wavelength_nm == NULL || isnan(nm)) {
        free(h->wavelength_nm);
        free(h->fwhm_nm);
        h->wavelength_nm = h->fwhm_nm = NULL;
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        wavelength_convert(nm, &h->wavelength_nm[i], h->fwhm_nm == NULL ? NULL : &h->fwhm_nm[i]);
    return 0;
}

static int parse_bad_bands(struct envi_header *h, const struct envi_text *t, struct err *e)
{
    double *bbl;
    if (per_band(h, t, "bbl", &bbl, e) != 0)
        return -1;
    if (bbl == NULL)
        return 0;
    h->bad = calloc((size_t)h->bands, sizeof *h->bad);
    for (int i = 0; h->bad != NULL && i < h->bands; i++)
        h->bad[i] = bbl[i] == 0;
    free(bbl);
    return h->bad != NULL ? 0 : err_nomem(e);
}

/* Only for looking at the cube: what is wrong with it is passed over. */
static void parse_default_bands(struct envi_header *h, const struct envi_text *t)
{
    double *bands;
    size_t count;
    if (envi_numbers(t, "default bands", &bands, &count, NULL) != 0)
        return;
    for (size_t i = 0; i < 3 && (count == 3 || count == 1); i++) {
        double band = bands[count == 3 ? i : 0];
        h->default_bands[i] = band >= 1 && band <= h->bands ? (int)band : 0;
    }
    free(bands);
}

static int copy_text(const struct envi_text *t, const char *key, char **text, struct err *e)
{
    const struct envi_field *f;
    if (envi_text_find(t, key, &f, e) != 0)
        return -1;
    if (f == NULL || f->value[0] == '\0' || !f->braces)
        return 0;
    *text = strdup(f->value);
    if (*text == NULL)
        return err_nomem(e);
    for (char *c = *text; *c != '\0'; c++)
        if (*c == '{' || *c == '}')
            *c = ' ';
    return 0;
}

int envi_values_parse(struct envi_header *h, const struct envi_text *t, struct err *e)
{
    if (single(t, "data ignore value", &h->has_ignore_value, &h->ignore_value, e) != 0 ||
        single(t, "reflectance scale factor", &h->has_reflectance_scale_factor, &h->reflectance_scale_factor, e) != 0 ||
        per_band(h, t, "data gain values", &h->gain, e) != 0 ||
        per_band(h, t, "data offset values", &h->offsets, e) != 0 || parse_wavelengths(h, t, e) != 0 ||
        parse_bad_bands(h, t, e) != 0)
        return -1;
    parse_default_bands(h, t);
    if (copy_text(t, "map info", &h->map_info, e) != 0 ||
        copy_text(t, "projection info", &h->projection_info, e) != 0 ||
        copy_text(t, "coordinate system string", &h->coordinate_system, e) != 0)
        return -1;
    return copy_text(t, "geo points", &h->geo_points, e);
}
