#include "scene/label_raster.h"
#include "base/file.h"
#include "scene/crs.h"
#include "scene/gdal_setup.h"
#include <cpl_conv.h>
#include <cpl_string.h>
#include <errno.h>
#include <gdal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
    TILED_FROM = 512,     /* pixels a side: a small map is one that no viewer needs tiles for */
    FULL_BELOW = 1 << 20, /* bytes left: a write that failed then failed for want of space */
};

static bool is_full(const char *path, int system_error)
{
    char *folder = strdup(path);
    char *slash = folder == NULL ? NULL : strrchr(folder, '/');
    struct statvfs s;
    if (slash != NULL)
        slash[slash == folder] = '\0';
    bool full = file_is_full(system_error) || (folder != NULL && statvfs(slash == NULL ? "." : folder, &s) == 0 &&
                                               s.f_bavail * s.f_frsize < FULL_BELOW);
    free(folder);
    return full;
}

static int blame(const char *path, struct err *e)
{
    const struct gdal_trouble *t = gdal_trouble();
    if (t->failures > 0 && t->number == CPLE_OutOfMemory)
        return err_nomem(e);
    if (is_full(path, t->system_error))
        return err_set(e, ERR_SPACE, "the label map cannot be written: no space is left");
    return err_set(e, ERR_IO, "the label map cannot be written");
}

static bool set_colors(GDALRasterBandH band, const struct package *p)
{
    GDALColorTableH table = GDALCreateColorTable(GPI_RGB);
    const GDALColorEntry nothing = {0, 0, 0, 0};
    GDALSetColorEntry(table, 0, &nothing);
    for (int i = 0; i < p->network.N; i++) {
        const struct package_class *k = &p->classes[i];
        const GDALColorEntry color = {k->red, k->green, k->blue, 255};
        GDALSetColorEntry(table, k->id, &color);
    }
    bool done = GDALSetRasterColorTable(band, table) == CE_None;
    GDALDestroyColorTable(table);
    return done;
}

/* Names by id; an id that the package does not use has an empty one. */
static bool set_names(GDALRasterBandH band, const struct package *p)
{
    const char *by_id[256] = {"unclassified"};
    char **names = NULL;
    int most = 0;
    for (int i = 0; i < p->network.N; i++) {
        by_id[p->classes[i].id] = p->classes[i].name;
        most = p->classes[i].id > most ? p->classes[i].id : most;
    }
    for (int id = 0; id <= most; id++)
        names = CSLAddString(names, by_id[id] == NULL ? "" : by_id[id]);
    bool done = GDALSetRasterCategoryNames(band, names) == CE_None;
    CSLDestroy(names);
    return done;
}

/* The scene's control points, counted from the map's corner. */
static bool set_points(GDALDatasetH dataset, const struct label_place *place, OGRSpatialReferenceH srs)
{
    const struct cube_description *s = place->scene;
    static char nothing[] = "";
    GDAL_GCP *points = calloc(s->gcp_count, sizeof *points);
    if (points == NULL)
        return false;
    for (size_t i = 0; i < s->gcp_count; i++)
        points[i] = (GDAL_GCP){.pszId = nothing,
                               .pszInfo = nothing,
                               .dfGCPPixel = s->gcps[i].pixel - place->column,
                               .dfGCPLine = s->gcps[i].line - place->line,
                               .dfGCPX = s->gcps[i].x,
                               .dfGCPY = s->gcps[i].y,
                               .dfGCPZ = s->gcps[i].z};
    bool done = GDALSetGCPs2(dataset, (int)s->gcp_count, points, srs) == CE_None;
    free(points);
    return done;
}

static bool set_place(GDALDatasetH dataset, const struct label_place *place)
{
    const struct cube_description *s = place->scene;
    OGRSpatialReferenceH srs = s->crs == NULL ? NULL : crs_from_text(s->crs);
    bool done = true;
    if (s->has_geotransform) {
        double g[6];
        memcpy(g, s->geotransform, sizeof g);
        g[0] += place->column * g[1] + place->line * g[2];
        g[3] += place->column * g[4] + place->line * g[5];
        done = GDALSetGeoTransform(dataset, g) == CE_None;
    }
    if (s->gcp_count > 0)
        done = done && set_points(dataset, place, srs);
    else if (srs != NULL)
        done = done && GDALSetSpatialRef(dataset, srs) == CE_None;
    if (srs != NULL)
        OSRRelease(srs);
    return done;
}

static bool fill(GDALDatasetH dataset, const uint8_t *labels, int lines, int columns, const struct label_place *place,
                 const struct package *p, const struct label_tag *tags, bool names)
{
    GDALRasterBandH band = GDALGetRasterBand(dataset, 1);
    if (!set_colors(band, p) || GDALSetRasterNoDataValue(band, 0) != CE_None || !set_place(dataset, place) ||
        (names && !set_names(band, p)))
        return false;
    for (const struct label_tag *t = tags; t != NULL && t->name != NULL; t++)
        if (t->value[0] != '\0' && GDALSetMetadataItem(dataset, t->name, t->value, NULL) != CE_None)
            return false;
    return GDALRasterIO(band, GF_Write, 0, 0, columns, lines, (void *)(uintptr_t)labels, columns, lines, GDT_Byte, 0,
                        0) == CE_None;
}

static GDALDatasetH create(const char *path, int lines, int columns)
{
    char **options = CSLSetNameValue(NULL, "COMPRESS", "DEFLATE");
    options = CSLSetNameValue(options, "BIGTIFF", "IF_SAFER");
    if (lines >= TILED_FROM && columns >= TILED_FROM)
        options = CSLSetNameValue(options, "TILED", "YES");
    GDALDatasetH dataset = GDALCreate(GDALGetDriverByName("GTiff"), path, columns, lines, 1, GDT_Byte, options);
    CSLDestroy(options);
    return dataset;
}

/* Names that could not be saved are a mere warning to GDAL. */
static bool has_companion(const char *path)
{
    char *companion;
    if (asprintf(&companion, "%s.aux.xml", path) < 0)
        return false;
    struct stat s;
    bool found = stat(companion, &s) == 0 && S_ISREG(s.st_mode);
    free(companion);
    return found;
}

int label_raster_write_geotiff(const char *path, const uint8_t *labels, int lines, int columns,
                               const struct label_place *place, const struct package *p, const struct label_tag *tags,
                               bool names, struct err *e)
{
    gdal_trouble_forget();
    CPLSetThreadLocalConfigOption("GDAL_PAM_ENABLED", names ? "YES" : NULL);
    GDALDatasetH dataset = create(path, lines, columns);
    bool done = dataset != NULL && fill(dataset, labels, lines, columns, place, p, tags, names);
    /* Much is written only now; GDALClose has no result before GDAL 3.7, but complains. */
    if (dataset != NULL)
        GDALClose(dataset);
    CPLSetThreadLocalConfigOption("GDAL_PAM_ENABLED", NULL);
    done = done && gdal_trouble()->failures == 0 && (!names || has_companion(path));
    return done ? 0 : blame(path, e);
}
