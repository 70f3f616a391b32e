#include "scene/spectral.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the package has no FWHM; and what a change of units may round away. All in nm. */
static const double DEFAULT_TOLERANCE = 5, SLACK = 1e-6;

static int allocate(struct spectral_match *m, int B, struct err *e)
{
    *m = (struct spectral_match){.B = B};
    m->picked = calloc((size_t)B, sizeof *m->picked);
    m->gain = calloc((size_t)B, sizeof *m->gain);
    m->offset = calloc((size_t)B, sizeof *m->offset);
    if (m->picked != NULL && m->gain != NULL && m->offset != NULL)
        return 0;
    return err_nomem(e);
}

void spectral_match_release(struct spectral_match *m)
{
    free(m->picked);
    free(m->gain);
    free(m->offset);
    *m = (struct spectral_match){0};
}

static int count_measured(const struct cube_description *d)
{
    int n = 0;
    for (int i = 0; i < d->bands; i++)
        n += !d->band[i].alpha;
    return n;
}

static bool candidate(const struct cube_band *b)
{
    return !b->alpha && !b->bad && isfinite(b->wavelength_nm);
}

/* The nearest candidate to a package's band, the lower of two equally near; -1 if none is within its tolerance. */
static int nearest(const struct cube_description *d, double wavelength, double tolerance)
{
    int best = -1;
    double distance = tolerance + SLACK;
    for (int i = 0; i < d->bands; i++) {
        if (!candidate(&d->band[i]))
            continue;
        double x = fabs(d->band[i].wavelength_nm - wavelength);
        if (best < 0 ? x <= distance : x < distance - SLACK) {
            best = i;
            distance = x;
        }
    }
    return best;
}

static void range_of(const struct cube_description *d, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (int i = 0; i < d->bands; i++)
        if (candidate(&d->band[i])) {
            *low = fmin(*low, d->band[i].wavelength_nm);
            *high = fmax(*high, d->band[i].wavelength_nm);
        }
}

/* Names up to three of the package's bands that the cube has nothing for, and both ranges. */
static int not_covered(const struct package *p, const struct cube_description *d, const int *picked, struct err *e)
{
    char list[80] = "";
    size_t used = 0;
    int missing = 0;
    double low, high, want_low = INFINITY, want_high = -INFINITY;
    range_of(d, &low, &high);
    for (int b = 0; b < p->preprocess.B; b++) {
        want_low = fmin(want_low, p->wavelengths_nm[b]);
        want_high = fmax(want_high, p->wavelengths_nm[b]);
        if (picked[b] >= 0)
            continue;
        if (missing++ < 3)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%.2f", used == 0 ? "" : ", ",
                                     p->wavelengths_nm[b]);
    }
    if (low > high)
        return err_set(e, ERR_INPUT,
                       "no band of the cube has a wavelength that may be used: all are marked bad (bbl = 0)");
    return err_set(
        e, ERR_INPUT,
        "the cube's wavelengths do not cover the model's: nothing near enough for %d of %d bands (%s%s nm); the "
        "model needs %.2f to %.2f nm, the cube has %.2f to %.2f nm; bands=index takes them by number where the "
        "counts are equal",
        missing, p->preprocess.B, list, missing > 3 ? ", ..." : "", want_low, want_high, low, high);
}

static int pick_by_wavelength(struct spectral_match *m, const struct package *p, const struct cube_description *d,
                              struct err *e)
{
    bool covered = true;
    m->by_wavelength = true;
    for (int b = 0; b < m->B; b++) {
        double tolerance = p->fwhm_nm != NULL ? p->fwhm_nm[b] / 2 : DEFAULT_TOLERANCE;
        m->picked[b] = nearest(d, p->wavelengths_nm[b], tolerance);
        covered = covered && m->picked[b] >= 0;
    }
    return covered ? 0 : not_covered(p, d, m->picked, e);
}

static int pick_by_index(struct spectral_match *m, const struct package *p, const struct cube_description *d,
                         struct err *e)
{
    int found = count_measured(d), b = 0;
    if (found != m->B)
        return err_set(e, ERR_INPUT, "expected %d bands, got %d; %s", m->B, found,
                       p->wavelengths_nm == NULL ? "the model has no wavelengths, so the counts must be equal"
                       : d->has_wavelengths      ? "bands=auto or bands=wavelength picks them by wavelength"
                                                 : "declare the cube's wavelengths to have the bands picked by them");
    for (int i = 0; i < d->bands; i++)
        if (!d->band[i].alpha)
            m->picked[b++] = i;
    return 0;
}

static int pick(struct spectral_match *m, const struct package *p, const struct cube_description *d,
                enum band_rule rule, struct err *e)
{
    if (rule == BANDS_WAVELENGTH && p->wavelengths_nm == NULL)
        return err_set(e, ERR_INPUT, "bands=wavelength is asked for, but the model has no wavelengths");
    if (rule == BANDS_WAVELENGTH && !d->has_wavelengths)
        return err_set(e, ERR_INPUT,
                       "bands=wavelength is asked for, but the cube does not declare a wavelength for every band");
    if (rule != BANDS_INDEX && p->wavelengths_nm != NULL && d->has_wavelengths)
        return pick_by_wavelength(m, p, d, e);
    return pick_by_index(m, p, d, e);
}

/* GDAL's scale and offset of the picked bands. */
static int scale_by_band(struct spectral_match *m, const struct cube_description *d, struct err *e)
{
    bool equal = true;
    for (int b = 0; b < m->B; b++) {
        const struct cube_band *k = &d->band[m->picked[b]];
        if (k->gain == 0 || !isfinite(k->gain) || !isfinite(k->offset))
            return err_set(
                e, ERR_INPUT,
                "band %d declares the scale %g and the offset %g, which cannot be applied; correct the file or "
                "give scale=",
                m->picked[b] + 1, k->gain, k->offset);
        m->gain[b] = k->gain;
        m->offset[b] = k->offset;
        equal = equal && k->gain == m->gain[0] && k->offset == m->offset[0];
    }
    if (!equal)
        snprintf(m->scaling, sizeof m->scaling, "band scale and offset, of each band");
    else if (m->offset[0] != 0)
        snprintf(m->scaling, sizeof m->scaling, "band scale %g offset %g", m->gain[0], m->offset[0]);
    else
        snprintf(m->scaling, sizeof m->scaling, "band scale %g", m->gain[0]);
    return 0;
}

static void scale_by(struct spectral_match *m, double gain)
{
    for (int b = 0; b < m->B; b++) {
        m->gain[b] = gain;
        m->offset[b] = 0;
    }
}

/* Exactly one of: the request's, none, the bands', ENVI's factor. */
static int scale(struct spectral_match *m, const struct package *p, const struct cube_description *d,
                 const struct spectral_options *o, struct err *e)
{
    if (o->has_scale) {
        scale_by(m, o->scale);
        snprintf(m->scaling, sizeof m->scaling, "request %g", o->scale);
    } else if (p->scaling_none || (!d->has_band_scale && d->reflectance_scale_factor == 0)) {
        scale_by(m, 1);
        snprintf(m->scaling, sizeof m->scaling, "none");
    } else if (d->has_band_scale) {
        return scale_by_band(m, d, e);
    } else {
        if (!isfinite(d->reflectance_scale_factor))
            return err_set(e, ERR_INPUT,
                           "the header's reflectance scale factor is not finite; correct it or give scale=");
        scale_by(m, 1 / d->reflectance_scale_factor);
        snprintf(m->scaling, sizeof m->scaling, "reflectance scale factor %g", d->reflectance_scale_factor);
    }
    return 0;
}

int spectral_match_init(struct spectral_match *m, const struct package *p, const struct cube_description *d,
                        const struct spectral_options *o, struct err *e)
{
    if (allocate(m, p->preprocess.B, e) == 0 && pick(m, p, d, o->bands, e) == 0 && scale(m, p, d, o, e) == 0)
        return 0;
    spectral_match_release(m);
    return -1;
}
