#include "scene/area.h"
#include <cpl_conv.h>
#include <math.h>
#include <ogr_srs_api.h>

/* Snyder's q over (1 - e^2): the authalic function of latitude. Area between two parallels and two meridians is
 * b^2/2 times the difference of q times the difference of longitude. */
static double authalic(double latitude, double e)
{
    double s = sin(latitude);
    if (e < 1e-9)
        return 2 * s; /* the sphere: the limit of both terms */
    return s / (1 - e * e * s * s) + atanh(e * s) / e;
}

static double clamp_latitude(double latitude)
{
    return fmax(-M_PI / 2, fmin(M_PI / 2, latitude));
}

static bool geographic(OGRSpatialReferenceH srs, const struct label_place *place, int lines, double *area,
                       const char **why)
{
    const double *g = place->scene->geotransform;
    OGRErr failed = OGRERR_NONE;
    double a = OSRGetSemiMajor(srs, &failed), inverse = OSRGetInvFlattening(srs, &failed);
    double unit = OSRGetAngularUnits(srs, NULL);
    if (g[2] != 0 || g[4] != 0) {
        *why = "the scene is rotated in a geographic CRS";
        return false;
    }
    if (failed != OGRERR_NONE || !(a > 0) || !(unit > 0)) {
        *why = "the CRS does not tell its ellipsoid";
        return false;
    }
    double f = inverse == 0 ? 0 : 1 / inverse, b = a * (1 - f), e = sqrt(f * (2 - f));
    for (int k = 0; k < lines; k++) {
        double top = clamp_latitude((g[3] + (place->line + k) * g[5]) * unit);
        double bottom = clamp_latitude((g[3] + (place->line + k + 1) * g[5]) * unit);
        area[k] = b * b / 2 * fabs(g[1] * unit) * fabs(authalic(top, e) - authalic(bottom, e));
    }
    return true;
}

static bool projected(OGRSpatialReferenceH srs, const struct label_place *place, int lines, double *area,
                      const char **why)
{
    const double *g = place->scene->geotransform;
    double unit = OSRGetLinearUnits(srs, NULL), cell = fabs(g[1] * g[5] - g[2] * g[4]) * unit * unit;
    if (!(unit > 0) || !isfinite(cell)) {
        *why = "the CRS does not tell its unit";
        return false;
    }
    for (int k = 0; k < lines; k++)
        area[k] = cell;
    return true;
}

bool area_of_pixels(const struct label_place *place, int lines, double *area, const char **why)
{
    const struct cube_description *d = place->scene;
    bool known = false;
    if (d->crs == NULL || !d->has_geotransform) {
        *why = d->crs == NULL ? "the scene has no CRS" : "the scene has no geotransform";
        return false;
    }
    OGRSpatialReferenceH srs = OSRNewSpatialReference(NULL);
    if (srs == NULL || OSRSetFromUserInput(srs, d->crs) != OGRERR_NONE)
        *why = "the scene's CRS cannot be read";
    else if (OSRIsProjected(srs))
        known = projected(srs, place, lines, area, why);
    else if (OSRIsGeographic(srs))
        known = geographic(srs, place, lines, area, why);
    else
        *why = "the scene's CRS is neither projected nor geographic";
    if (srs != NULL)
        OSRDestroySpatialReference(srs);
    return known;
}
