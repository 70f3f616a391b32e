/* gdal_setup.h - GDAL under restrictions, and what it complains of.
 *
 * scene_init (cube.h) sets it up. GDAL's own text holds paths and a stranger's words: it goes to the log alone; callers
 * learn that something failed, and of what kind.
 * Threading: gdal_trouble is per thread; scene_init may be called by any, and acts once.
 */
#pragma once
#include <stdbool.h>

/* What GDAL reported on this thread since gdal_trouble_forget. */
struct gdal_trouble {
    int failures; /* CE_Failure and worse */
    int warnings;
    int number;       /* CPLE_... of the first failure */
    int system_error; /* errno when the first failure was reported; a hint only */
};

void gdal_trouble_forget(void);
const struct gdal_trouble *gdal_trouble(void);

/* True if the first failure was lack of memory: with a stranger's file rather its claims than the machine's state. */
bool gdal_trouble_is_memory(void);
