#include "scene/area.h"
#include "scene/crs.h"
#include <math.h>

/* Area between the equator and latitude phi (radians) on the ellipsoid with semi-axes a and b, per radian of longitude
 * (Snyder, Map Projections: A Working Manual, USGS 1395, 1987, equation 3-12: a^2 q / 2). */
static double area_from_equator(double a, double b, double phi)
{
    double e2 = 1 - (b / a) * (b / a), s = sin(phi);
    if (e2 < 1e-12) /* a sphere: the limit of what follows */
        return a * a * s;
    double e = sqrt(e2);
    double q = (1 - e2) * (s / (1 - e2 * s * s) + atanh(e * s) / e);
    return a * a * q / 2;
}

static const char *geographic_areas(const struct label_place *place, OGRSpatialReferenceH srs, int lines, double *area)
{
    const double *g = place->scene->geotransform;
    double radians = OSRGetAngularUnits(srs, NULL), a = OSRGetSemiMajor(srs, NULL), b = OSRGetSemiMinor(srs, NULL);
    if (g[2] != 0 || g[4] != 0)
        return "the grid of latitudes and longitudes is rotated";
    if (!(radians > 0 && a > 0 && b > 0 && b <= a))
        return "the ellipsoid of the coordinate reference system is not known";
    double step = g[5] * radians, width = fabs(g[1] * radians);
    double top = (g[3] + place->line * g[5]) * radians, bottom = top + lines * step;
    /* A grid of cell centres may reach half a cell beyond the poles. */
    if (fmax(fabs(top), fabs(bottom)) > M_PI_2 + fabs(step))
        return "the latitudes go beyond the poles";
    double before = area_from_equator(a, b, fmax(-M_PI_2, fmin(M_PI_2, top)));
    for (int k = 0; k < lines; k++) {
        double edge = (g[3] + (place->line + k + 1) * g[5]) * radians;
        double after = area_from_equator(a, b, fmax(-M_PI_2, fmin(M_PI_2, edge)));
        area[k] = width * fabs(after - before);
        before = after;
    }
    return NULL;
}

static const char *projected_areas(const struct label_place *place, OGRSpatialReferenceH srs, int lines, double *area)
{
    const double *g = place->scene->geotransform;
    double meters = OSRGetLinearUnits(srs, NULL);
    double pixel = fabs(g[1] * g[5] - g[2] * g[4]) * meters * meters;
    if (!(pixel > 0 && isfinite(pixel)))
        return "the pixels of the geotransform have no area";
    for (int k = 0; k < lines; k++)
        area[k] = pixel;
    return NULL;
}

bool area_of_pixels(const struct label_place *place, int lines, double *area, const char **why)
{
    const struct cube_description *s = place->scene;
    OGRSpatialReferenceH srs = s->crs == NULL ? NULL : crs_from_text(s->crs);
    *why = NULL;
    if (s->crs == NULL)
        *why = "the scene has no coordinate reference system";
    else if (!s->has_geotransform)
        *why = s->gcp_count > 0 ? "the scene is placed by control points, without a geotransform"
                                : "the scene has no geotransform";
    else if (srs == NULL)
        *why = "the coordinate reference system cannot be understood";
    else if (OSRIsProjected(srs))
        *why = projected_areas(place, srs, lines, area);
    else if (OSRIsGeographic(srs) && !OSRIsDerivedGeographic(srs))
        *why = geographic_areas(place, srs, lines, area);
    else
        *why = "the coordinate reference system is neither projected nor geographic";
    if (srs != NULL)
        OSRRelease(srs);
    return *why == NULL;
}
