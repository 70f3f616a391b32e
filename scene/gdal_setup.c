#include "scene/gdal_setup.h"
#include "base/log.h"
#include "scene/cube.h"
#include <cpl_conv.h>
#include <cpl_error.h>
#include <errno.h>
#include <gdal.h>
#include <ogr_srs_api.h>
#include <pthread.h>
#include <stdlib.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes" /* two of its functions are declared without */
#include <gdal_frmts.h>
#pragma GCC diagnostic pop

/* A hostile file can make GDAL complain for ever: a thread logs so many lines between two gdal_trouble_forget. */
enum { LOGGED_MOST = 8 };

static _Thread_local struct gdal_trouble trouble;

void gdal_trouble_forget(void)
{
    trouble = (struct gdal_trouble){0};
}

const struct gdal_trouble *gdal_trouble(void)
{
    return &trouble;
}

bool gdal_trouble_is_memory(void)
{
    return trouble.failures > 0 && trouble.number == CPLE_OutOfMemory;
}

static void CPL_STDCALL hear(CPLErr class, CPLErrorNum number, const char *message)
{
    int system_error = errno;
    if (class == CE_None || class == CE_Debug)
        return;
    bool failure = class >= CE_Failure;
    if (failure && trouble.failures == 0) {
        trouble.number = (int)number;
        trouble.system_error = system_error;
    }
    int heard = trouble.failures + trouble.warnings;
    *(failure ? &trouble.failures : &trouble.warnings) += 1;
    if (heard < LOGGED_MOST)
        log_event(failure ? LOG_INFO : LOG_DEBUG, "gdal", LOG_STR("text", message),
                  LOG_INT("number", (long long)number));
}

static void set_up(void)
{
    static const char *const options[][2] = {
        {"GDAL_PAM_ENABLED", "NO"}, /* no .aux.xml is read; a label map that wants one turns it on */
        {"GDAL_DISABLE_READDIR_ON_OPEN", "TRUE"},
        {"GDAL_DRIVER_PATH", "disable"}, /* no plugins */
        {"GDAL_PYTHON_DRIVER_PATH", "disable"},
        {"GDAL_NUM_THREADS", "1"},      /* the engine has the cores */
        {"GTIFF_VIRTUAL_MEM_IO", "NO"}, /* a mapped file that shrinks kills the process */
        {"GTIFF_IGNORE_READ_ERRORS", "NO"},
        {"CPL_DEBUG", "OFF"},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        CPLSetConfigOption(options[i][0], options[i][1]);
    setenv("PROJ_DEBUG", "0", 0); /* PROJ writes to standard error, past the handler, of codes that it does not know */
    CPLSetErrorHandler(hear);
    OSRSetPROJEnableNetwork(0);
    /* Not GDALAllRegister: a driver that was never registered cannot be reached by any trick. */
    GDALRegister_GTiff();
    GDALRegister_ENVI();
}

void scene_init(size_t cache_bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up);
    GDALSetCacheMax64((GIntBig)cache_bytes);
}
