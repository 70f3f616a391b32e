/* gdal_setup.h - GDAL under restrictions, and what it complains of.
 *
 * scene_init (cube.h) sets it up. GDAL's own text holds paths and a stranger's words: it goes to the log alone; callers
 * learn that something failed, and of what kind.
 * Threading: gdal_trouble is per thread; scene_init may be called by any, and acts once.
 */
#pragma once
#include "base/err.h"

/* What GDAL reported on this thread since gdal_trouble_forget. */
struct gdal_trouble {
    int failures; /* CE_Failure and worse */
    int warnings;
    int number;       /* CPLE_... of the first failure */
    int system_error; /* errno when the first failure was reported; a hint only */
};

void gdal_trouble_forget(void);
const struct gdal_trouble *gdal_trouble(void);

/* ERR_NOMEM if the first failure was lack of memory, else ERR_INPUT: how a failed open or read is to be blamed. */
enum err_code gdal_trouble_blame(void);
