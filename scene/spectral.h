/* spectral.h - which bands of a cube feed a package, and by what factor.
 *
 * Model notes, "What comes before the network", steps 1 and 2.
 * Threading: pure functions.
 */
#pragma once
#include "base/err.h"
#include "model/package.h"
#include "scene/cube.h"

enum band_rule { BANDS_AUTO, BANDS_INDEX, BANDS_WAVELENGTH };

struct spectral_options {
    enum band_rule bands;
    bool has_scale; /* `scale=`: multiplies every DN, instead of what the file declares */
    double scale;
};

struct spectral_match {
    int B;
    int *picked;    /* (B) band of the cube, from 0 */
    double *gain;   /* (B) */
    double *offset; /* (B) */
    bool by_wavelength;
    char scaling[64]; /* "band scale 0.0001", "reflectance scale factor 10000", "request 0.0001", "none", ... */
};

/* AUTO: by wavelength where both have them, else by index if the counts are equal. Errors: ERR_INPUT with what to do:
 * "expected 204 bands, got 198", or which wavelengths are not covered and what the cube's range is. */
int spectral_match_init(struct spectral_match *m, const struct package *p, const struct cube_description *d,
                        const struct spectral_options *o, struct err *e);
void spectral_match_release(struct spectral_match *m);
