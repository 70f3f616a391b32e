#include "scene/wavelength.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

double wavelength_unit(const char *name)
{
    static const struct {
        const char *name;
        double nm;
    } units[] = {
        {"nanometers", 1},    {"nanometer", 1},    {"nanometres", 1},    {"nanometre", 1},     {"nm", 1},
        {"micrometers", 1e3}, {"micrometer", 1e3}, {"micrometres", 1e3}, {"micrometre", 1e3},  {"microns", 1e3},
        {"micron", 1e3},      {"um", 1e3},         {"\xc2\xb5m", 1e3},   {"\xce\xbcm", 1e3},   {"\xb5m", 1e3},
        {"millimeters", 1e6}, {"millimeter", 1e6}, {"millimetres", 1e6}, {"millimetre", 1e6},  {"mm", 1e6},
        {"centimeters", 1e7}, {"centimeter", 1e7}, {"centimetres", 1e7}, {"centimetre", 1e7},  {"cm", 1e7},
        {"meters", 1e9},      {"meter", 1e9},      {"metres", 1e9},      {"metre", 1e9},       {"m", 1e9},
        {"angstroms", 0.1},   {"angstrom", 0.1},   {"wavenumber", NAN},  {"wavenumbers", NAN}, {"cm-1", NAN},
        {"1/cm", NAN},        {"index", NAN},      {"ghz", NAN},         {"mhz", NAN},         {"hz", NAN},
        {"thz", NAN},         {"gigahertz", NAN},  {"megahertz", NAN},
    };
    if (name == NULL)
        return 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcasecmp(name, units[i].name) == 0)
            return units[i].nm;
    return 0;
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
