#include "scene/wavelength.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Nanometres a second. */
#define LIGHT 299792458e9

double wavelength_unit(const char *name)
{
    static const struct {
        const char *name;
        double nm;
    } units[] = {
        {"nanometers", 1},
        {"nanometer", 1},
        {"nanometres", 1},
        {"nanometre", 1},
        {"nm", 1},
        {"micrometers", 1e3},
        {"micrometer", 1e3},
        {"micrometres", 1e3},
        {"micrometre", 1e3},
        {"microns", 1e3},
        {"micron", 1e3},
        {"um", 1e3},
        {"\xc2\xb5m", 1e3},
        {"\xce\xbcm", 1e3},
        {"\xb5m", 1e3},
        {"millimeters", 1e6},
        {"millimeter", 1e6},
        {"millimetres", 1e6},
        {"millimetre", 1e6},
        {"mm", 1e6},
        {"centimeters", 1e7},
        {"centimeter", 1e7},
        {"centimetres", 1e7},
        {"centimetre", 1e7},
        {"cm", 1e7},
        {"meters", 1e9},
        {"meter", 1e9},
        {"metres", 1e9},
        {"metre", 1e9},
        {"m", 1e9},
        {"angstroms", 0.1},
        {"angstrom", 0.1},
        {"index", NAN},
        {"wavenumber", -1e7},
        {"wavenumbers", -1e7},
        {"cm-1", -1e7},
        {"1/cm", -1e7},
        {"hz", -LIGHT},
        {"mhz", -LIGHT / 1e6},
        {"megahertz", -LIGHT / 1e6},
        {"ghz", -LIGHT / 1e9},
        {"gigahertz", -LIGHT / 1e9},
        {"thz", -LIGHT / 1e12},
    };
    if (name == NULL)
        return 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcasecmp(name, units[i].name) == 0)
            return units[i].nm;
    return name[0] == '\0' || strcasecmp(name, "unknown") == 0 ? 0 : NAN;
}

double wavelength_guess_unit(const double *values, size_t n)
{
    double least = INFINITY, most = -INFINITY;
    bool counts = n > 1;
    for (size_t i = 0; i < n; i++) {
        counts = counts && values[i] == (double)(i + 1);
        if (isnan(values[i]))
            continue;
        least = fmin(least, values[i]);
        most = fmax(most, values[i]);
    }
    if (counts || least > most)
        return NAN;
    if (least >= 0.1 && most <= 100)
        return 1000;
    return least >= 100 && most <= 100000 ? 1 : NAN;
}

static double positive(double v)
{
    return isfinite(v) && v > 0 ? v : NAN;
}

void wavelength_convert(double unit, double *wavelength, double *fwhm)
{
    double value = positive(*wavelength), width = fwhm == NULL ? NAN : positive(*fwhm);
    *wavelength = unit < 0 ? -unit / value : value * unit;
    if (fwhm != NULL) /* d(nm) = |unit| d(value) / value^2 */
        *fwhm = unit < 0 ? -unit * width / (value * value) : width * unit;
}
