#include "scene/label_raster.h"
#include <cpl_conv.h>
#include <cpl_string.h>
#include <gdal.h>
#include <math.h>
#include <ogr_srs_api.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

/* GDAL reports a full disk as any other failure. */
static int write_failed(const char *path, size_t length, struct err *e)
{
    struct statvfs s;
    char *folder = strdup(path);
    char *slash = folder == NULL ? NULL : strrchr(folder, '/');
    if (slash != NULL)
        *slash = '\0';
    bool full = slash != NULL && statvfs(folder, &s) == 0 && (uint64_t)s.f_bavail * s.f_frsize < length;
    free(folder);
    return err_set(e, full ? ERR_SPACE : ERR_IO,
                   full ? "there is no space left for the label map" : "the label map cannot be written");
}

static CPLErr set_colors(GDALRasterBandH band, const struct package *p)
{
    GDALColorTableH table = GDALCreateColorTable(GPI_RGB);
    GDALSetColorEntry(table, 255, &(GDALColorEntry){0, 0, 0, 255}); /* the table's length */
    GDALSetColorEntry(table, 0, &(GDALColorEntry){0, 0, 0, 0});
    for (int i = 0; i < p->network.N; i++) {
        const struct package_class *k = &p->classes[i];
        GDALSetColorEntry(table, k->id, &(GDALColorEntry){k->red, k->green, k->blue, 255});
    }
    CPLErr failed = GDALSetRasterColorTable(band, table);
    GDALDestroyColorTable(table);
    return failed;
}

static CPLErr set_names(GDALRasterBandH band, const struct package *p)
{
    const char *by_id[257] = {"unclassified"};
    char **list = NULL;
    int last = 0;
    for (int i = 0; i < p->network.N; i++) {
        by_id[p->classes[i].id] = p->classes[i].name;
        last = p->classes[i].id > last ? p->classes[i].id : last;
    }
    for (int i = 0; i <= last; i++)
        list = CSLAddString(list, by_id[i] == NULL ? "" : by_id[i]);
    CPLErr failed = GDALSetRasterCategoryNames(band, list);
    CSLDestroy(list);
    return failed;
}

/* The scene's ground control points, counted from the map's first pixel. */
static CPLErr set_gcps(GDALDatasetH map, const struct label_place *place, OGRSpatialReferenceH srs)
{
    const struct cube_description *d = place->scene;
    GDAL_GCP *list = calloc(d->gcp_count, sizeof *list);
    if (list == NULL)
        return CE_Failure;
    GDALInitGCPs((int)d->gcp_count, list);
    for (size_t i = 0; i < d->gcp_count; i++) {
        list[i].dfGCPPixel = d->gcps[i].pixel - place->column;
        list[i].dfGCPLine = d->gcps[i].line - place->line;
        list[i].dfGCPX = d->gcps[i].x;
        list[i].dfGCPY = d->gcps[i].y;
        list[i].dfGCPZ = d->gcps[i].z;
    }
    CPLErr failed = GDALSetGCPs2(map, (int)d->gcp_count, list, srs);
    GDALDeinitGCPs((int)d->gcp_count, list);
    free(list);
    return failed;
}

static CPLErr set_place(GDALDatasetH map, const struct label_place *place)
{
    const struct cube_description *d = place->scene;
    CPLErr failed = CE_None;
    OGRSpatialReferenceH srs = NULL;
    if (d->crs != NULL) {
        srs = OSRNewSpatialReference(NULL);
        OSRSetAxisMappingStrategy(srs, OAMS_TRADITIONAL_GIS_ORDER);
        if (OSRSetFromUserInput(srs, d->crs) != OGRERR_NONE) {
            OSRDestroySpatialReference(srs);
            srs = NULL;
        }
    }
    if (d->has_geotransform) {
        double g[6];
        memcpy(g, d->geotransform, sizeof g);
        g[0] += place->column * g[1] + place->line * g[2];
        g[3] += place->column * g[4] + place->line * g[5];
        failed = GDALSetGeoTransform(map, g);
        if (failed == CE_None && srs != NULL)
            failed = GDALSetSpatialRef(map, srs);
    } else if (d->gcp_count > 0) {
        failed = set_gcps(map, place, srs);
    } else if (srs != NULL) {
        failed = GDALSetSpatialRef(map, srs);
    }
    if (srs != NULL)
        OSRDestroySpatialReference(srs);
    return failed;
}

static CPLErr fill(GDALDatasetH map, const uint8_t *labels, int lines, int columns, const struct label_place *place,
                   const struct package *p, const struct label_tag *tags, bool names)
{
    GDALRasterBandH band = GDALGetRasterBand(map, 1);
    CPLErr failed = set_place(map, place);
    for (; failed == CE_None && tags != NULL && tags->name != NULL; tags++)
        if (tags->value[0] != '\0')
            failed = GDALSetMetadataItem(map, tags->name, tags->value, NULL);
    if (failed == CE_None)
        failed = set_colors(band, p);
    if (failed == CE_None)
        failed = GDALSetRasterNoDataValue(band, 0);
    if (failed == CE_None && names)
        failed = set_names(band, p);
    for (int k = 0; failed == CE_None && k < lines; k++) {
        const void *line = labels + (size_t)k * (size_t)columns;
        failed = GDALRasterIO(band, GF_Write, 0, k, columns, 1, (void *)(uintptr_t)line, columns, 1, GDT_Byte, 0, 0);
    }
    return failed;
}

int label_raster_write_geotiff(const char *path, const uint8_t *labels, int lines, int columns,
                               const struct label_place *place, const struct package *p, const struct label_tag *tags,
                               bool names, struct err *e)
{
    static const char *const options[] = {"COMPRESS=DEFLATE", "BIGTIFF=IF_SAFER", NULL};
    size_t length = (size_t)lines * (size_t)columns;
    CPLSetThreadLocalConfigOption("GDAL_PAM_ENABLED", names ? "YES" : "NO");
    CPLErrorReset();
    CPLErr failed = CE_Failure;
    GDALDriverH driver = GDALGetDriverByName("GTiff");
    GDALDatasetH map =
        driver == NULL ? NULL : GDALCreate(driver, path, columns, lines, 1, GDT_Byte, (char **)(uintptr_t)options);
    if (map != NULL) {
        failed = fill(map, labels, lines, columns, place, p, tags, names);
        GDALClose(map); /* writes what is left: its failure shows in the last error alone */
        if (CPLGetLastErrorType() >= CE_Failure)
            failed = CE_Failure;
    }
    CPLSetThreadLocalConfigOption("GDAL_PAM_ENABLED", NULL);
    return failed == CE_None ? 0 : write_failed(path, length, e);
}

static int check_truth(GDALDatasetH truth, int scene_columns, int scene_lines, struct err *e)
{
    int bands = GDALGetRasterCount(truth), columns = GDALGetRasterXSize(truth), lines = GDALGetRasterYSize(truth);
    if (bands != 1)
        return err_set(e, ERR_INPUT, "a truth raster has one band of class ids, this one has %d", bands);
    if (columns != scene_columns || lines != scene_lines)
        return err_set(e, ERR_INPUT, "the truth raster has %d columns and %d lines, the scene has %d and %d", columns,
                       lines, scene_columns, scene_lines);
    if (GDALDataTypeIsComplex(GDALGetRasterDataType(GDALGetRasterBand(truth, 1))))
        return err_set(e, ERR_INPUT, "a truth raster holds class ids, not complex numbers");
    return 0;
}

/* 0: no truth; 65535: no id that a package can have. */
static uint16_t truth_id(double v, bool has_nodata, double nodata)
{
    if (isnan(v) || (has_nodata && v == nodata))
        return 0;
    return v >= 0 && v < UINT16_MAX && v == floor(v) ? (uint16_t)v : UINT16_MAX;
}

int label_raster_read_truth(const char *path, int scene_columns, int scene_lines, int column, int line, int columns,
                            int lines, uint16_t **labels, struct err *e)
{
    static const char *const drivers[] = {"GTiff", "ENVI", NULL};
    int result = -1, has_nodata = 0;
    double *values = NULL, nodata = 0;
    size_t pixels = (size_t)columns * (size_t)lines;
    *labels = NULL;
    GDALDatasetH truth = GDALOpenEx(path, GDAL_OF_RASTER | GDAL_OF_READONLY, drivers, NULL, NULL);
    if (truth == NULL)
        return err_set(e, ERR_INPUT,
                       "the truth raster cannot be opened; give a GeoTIFF or an ENVI raster of class ids");
    if (check_truth(truth, scene_columns, scene_lines, e) != 0)
        goto done;
    values = malloc((size_t)columns * sizeof *values);
    *labels = malloc(pixels * sizeof **labels);
    if (values == NULL || *labels == NULL) {
        err_nomem(e);
        goto done;
    }
    GDALRasterBandH band = GDALGetRasterBand(truth, 1);
    nodata = GDALGetRasterNoDataValue(band, &has_nodata);
    for (int k = 0; k < lines; k++) {
        if (GDALRasterIO(band, GF_Read, column, line + k, columns, 1, values, columns, 1, GDT_Float64, 0, 0) !=
            CE_None) {
            err_set(e, ERR_INPUT, "the truth raster is truncated or damaged near line %d", line + k + 1);
            goto done;
        }
        for (int i = 0; i < columns; i++)
            (*labels)[(size_t)k * (size_t)columns + (size_t)i] = truth_id(values[i], has_nodata != 0, nodata);
    }
    result = 0;
done:
    free(values);
    if (result != 0) {
        free(*labels);
        *labels = NULL;
    }
    GDALClose(truth);
    return result;
}
