/* wavelength.h - wavelengths in whatever unit a file gives them, as nanometres.
 * Threading: pure functions.
 */
#pragma once
#include <stddef.h>

/* Nanometres per unit of that name ("Nanometers", "um", "Micrometres", "Angstroms", ...); 0 where the magnitude has to
 * tell (NULL, "", "Unknown"); NaN where the values are no wavelengths ("Index") or the unit is not known. Negative for
 * a unit of 1/wavelength ("Wavenumber", "GHz"): nanometres times that unit. */
double wavelength_unit(const char *name);

/* The unit of values (n) whose unit is not told: 1000 (micrometres) where all lie in 0.1..100, 1 (nanometres) in
 * 100..100,000; NaN where neither fits or the values merely count 1, 2, 3. NaN among the values is passed over. */
double wavelength_guess_unit(const double *values, size_t n);

/* Converts one band from a unit that is not 0 or NaN to nanometres; what is no positive number becomes NaN. fwhm may be
 * NULL. */
void wavelength_convert(double unit, double *wavelength, double *fwhm);
