#include "scene/spectral.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMED_MOST = 3 }; /* so many wavelengths are named in a message */

/* Where the package tells no FWHM; and what a change of units may round away. In nm. */
static const double DEFAULT_REACH = 5, SLACK = 1e-6;

static double reach_of(const struct package *p, int b)
{
    bool known = p->fwhm_nm != NULL && isfinite(p->fwhm_nm[b]) && p->fwhm_nm[b] > 0;
    return known ? p->fwhm_nm[b] / 2 : DEFAULT_REACH;
}

/* The nearest band of the cube to nm, at most reach away; a tie goes to the lower band; -1: none. */
static int nearest(const struct cube_description *d, double nm, double reach)
{
    int best = -1;
    double least = INFINITY;
    for (int i = 0; i < d->bands; i++) {
        const struct cube_band *b = &d->band[i];
        double away = fabs(b->wavelength_nm - nm);
        if (!b->alpha && !b->bad && away <= reach + SLACK && away < least - SLACK) {
            least = away;
            best = i;
        }
    }
    return best;
}

struct range {
    double least, most; /* least > most: empty */
};

static void widen(struct range *r, double nm)
{
    r->least = fmin(r->least, nm);
    r->most = fmax(r->most, nm);
}

static struct range range_of_model(const struct package *p)
{
    struct range r = {INFINITY, -INFINITY};
    for (int b = 0; p->wavelengths_nm != NULL && b < p->preprocess.B; b++)
        widen(&r, p->wavelengths_nm[b]);
    return r;
}

/* Of the bands that may be matched. */
static struct range range_of_cube(const struct cube_description *d)
{
    struct range r = {INFINITY, -INFINITY};
    for (int i = 0; i < d->bands; i++)
        if (!d->band[i].alpha && !d->band[i].bad && !isnan(d->band[i].wavelength_nm))
            widen(&r, d->band[i].wavelength_nm);
    return r;
}

/* "; the model's range is 400.0 to 2500.0 nm, the cube's 410.0 to 900.0 nm", as far as they are known. */
static void show_ranges(char *out, size_t size, const struct package *p, const struct cube_description *d)
{
    struct range model = range_of_model(p), cube = range_of_cube(d);
    int used = 0;
    out[0] = '\0';
    if (model.least <= model.most)
        used = snprintf(out, size, "; the model's range is %.1f to %.1f nm", model.least, model.most);
    if (cube.least <= cube.most && used >= 0 && (size_t)used < size)
        snprintf(out + used, size - (size_t)used, "%s %.1f to %.1f nm",
                 used > 0 ? ", the cube's" : "; the cube's range is", cube.least, cube.most);
}

/* Some of the package's bands have no band of the cube near enough: says how many, which, and both ranges. */
static int refuse_uncovered(const struct spectral_match *m, const struct package *p, const struct cube_description *d,
                            int missing, struct err *e)
{
    char names[96] = "", ranges[128];
    size_t used = 0;
    int named = 0;
    for (int b = 0; b < m->B && named < NAMED_MOST; b++) {
        if (m->picked[b] >= 0)
            continue;
        int n = snprintf(names + used, sizeof names - used, "%s%.1f", named == 0 ? "" : ", ", p->wavelengths_nm[b]);
        used = n > 0 && (size_t)n < sizeof names - used ? used + (size_t)n : used;
        named++;
    }
    show_ranges(ranges, sizeof ranges, p, d);
    return err_set(e, ERR_INPUT,
                   "the cube's wavelengths do not cover the model's: no good band near %d of %d (%s%s nm)%s", missing,
                   m->B, names, missing > named ? ", ..." : "", ranges);
}

static int match_by_wavelength(struct spectral_match *m, const struct package *p, const struct cube_description *d,
                               struct err *e)
{
    int missing = 0;
    for (int b = 0; b < m->B; b++) {
        m->picked[b] = nearest(d, p->wavelengths_nm[b], reach_of(p, b));
        missing += m->picked[b] < 0;
    }
    m->by_wavelength = true;
    return missing == 0 ? 0 : refuse_uncovered(m, p, d, missing, e);
}

static int match_by_index(struct spectral_match *m, const struct package *p, const struct cube_description *d,
                          struct err *e)
{
    int plain = 0;
    for (int i = 0; i < d->bands; i++) {
        if (d->band[i].alpha)
            continue;
        if (plain < m->B)
            m->picked[plain] = i;
        plain++;
    }
    if (plain == m->B)
        return 0;
    char ranges[128];
    show_ranges(ranges, sizeof ranges, p, d);
    return err_set(e, ERR_INPUT, "expected %d bands, got %d%s", m->B, plain, ranges);
}

static int match_bands(struct spectral_match *m, const struct package *p, const struct cube_description *d,
                       enum band_rule rule, struct err *e)
{
    bool possible = p->wavelengths_nm != NULL && d->has_wavelengths;
    if (rule == BANDS_WAVELENGTH && !possible)
        return err_set(e, ERR_INPUT, "bands=wavelength: the %s has no wavelengths; use bands=index or auto",
                       p->wavelengths_nm == NULL ? "model" : "cube");
    if (possible && rule != BANDS_INDEX)
        return match_by_wavelength(m, p, d, e);
    return match_by_index(m, p, d, e);
}

static void set_all(struct spectral_match *m, double gain, double offset)
{
    for (int b = 0; b < m->B; b++) {
        m->gain[b] = gain;
        m->offset[b] = offset;
    }
}

static int scale_by_band(struct spectral_match *m, const struct cube_description *d, struct err *e)
{
    bool same = true;
    for (int b = 0; b < m->B; b++) {
        const struct cube_band *from = &d->band[m->picked[b]];
        if (!isfinite(from->gain) || from->gain == 0 || !isfinite(from->offset))
            return err_set(
                e, ERR_INPUT,
                "band %d declares the scale %g and the offset %g, which cannot be applied; give scale= yourself",
                m->picked[b] + 1, from->gain, from->offset);
        m->gain[b] = from->gain;
        m->offset[b] = from->offset;
        same = same && from->gain == m->gain[0] && from->offset == m->offset[0];
    }
    if (!same)
        snprintf(m->scaling, sizeof m->scaling, "band scale and offset, not the same for all");
    else if (m->offset[0] == 0)
        snprintf(m->scaling, sizeof m->scaling, "band scale %.10g", m->gain[0]);
    else
        snprintf(m->scaling, sizeof m->scaling, "band scale %.10g and offset %.10g", m->gain[0], m->offset[0]);
    return 0;
}

/* Exactly one of the file's two scalings, unless the package or the request says otherwise. */
static int choose_scaling(struct spectral_match *m, const struct package *p, const struct cube_description *d,
                          const struct spectral_options *o, struct err *e)
{
    set_all(m, 1, 0);
    snprintf(m->scaling, sizeof m->scaling, "none");
    if (o->has_scale) {
        set_all(m, o->scale, 0);
        snprintf(m->scaling, sizeof m->scaling, "request %.10g", o->scale);
        return 0;
    }
    if (p->scaling_none)
        return 0;
    if (d->has_band_scale)
        return scale_by_band(m, d, e);
    if (!d->has_reflectance_scale_factor)
        return 0;
    double factor = d->reflectance_scale_factor;
    if (!isfinite(factor) || factor == 0)
        return err_set(e, ERR_INPUT,
                       "the file's reflectance scale factor is %g, which cannot be applied; give scale= yourself",
                       factor);
    set_all(m, 1 / factor, 0);
    snprintf(m->scaling, sizeof m->scaling, "reflectance scale factor %.10g", factor);
    return 0;
}

int spectral_match_init(struct spectral_match *m, const struct package *p, const struct cube_description *d,
                        const struct spectral_options *o, struct err *e)
{
    *m = (struct spectral_match){.B = p->preprocess.B};
    m->picked = calloc((size_t)m->B, sizeof *m->picked);
    m->gain = calloc((size_t)m->B, sizeof *m->gain);
    m->offset = calloc((size_t)m->B, sizeof *m->offset);
    int result = -1;
    if (m->picked == NULL || m->gain == NULL || m->offset == NULL)
        err_nomem(e);
    else if (match_bands(m, p, d, o->bands, e) == 0)
        result = choose_scaling(m, p, d, o, e);
    if (result != 0)
        spectral_match_release(m);
    return result;
}

void spectral_match_release(struct spectral_match *m)
{
    free(m->picked);
    free(m->gain);
    free(m->offset);
    *m = (struct spectral_match){0};
}
