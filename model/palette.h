/* palette.h - colours for classes whose package names none.
 * Threading: pure function.
 */
#pragma once
#include <stdint.h>

/* The colour of the class at `index` >= 0 of a package: 20 colours that differ in hue and in lightness, then the same
 * darker and darker. */
void palette_color(int index, uint8_t rgb[3]);
