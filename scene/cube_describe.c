#include "base/number.h"
#include "scene/crs.h"
#include "scene/cube_internal.h"
#include "scene/gdal_setup.h"
#include "scene/tiff_check.h"
#include "scene/wavelength.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* GDAL's type, the one that samples are read as, and ours. 64-bit integers lose what is above 2^53. */
static int choose_type(struct cube *c, struct err *e)
{
    static const struct {
        GDALDataType file, memory;
        enum sample_type type;
    } types[] = {
        {GDT_Byte, GDT_Byte, SAMPLE_UINT8},
        {GDT_Int16, GDT_Int16, SAMPLE_INT16},
        {GDT_UInt16, GDT_UInt16, SAMPLE_UINT16},
        {GDT_Int32, GDT_Int32, SAMPLE_INT32},
        {GDT_UInt32, GDT_UInt32, SAMPLE_UINT32},
        {GDT_Float32, GDT_Float32, SAMPLE_FLOAT32},
        {GDT_Float64, GDT_Float64, SAMPLE_FLOAT64},
        {GDT_Int64, GDT_Float64, SAMPLE_FLOAT64},
        {GDT_UInt64, GDT_Float64, SAMPLE_FLOAT64},
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
        {GDT_Int8, GDT_Int16, SAMPLE_INT16},
#endif
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 11, 0)
        {GDT_Float16, GDT_Float32, SAMPLE_FLOAT32},
#endif
    };
    GDALRasterBandH first = GDALGetRasterBand(c->dataset, 1);
    GDALDataType file = GDALGetRasterDataType(first);
    const char *pixel = GDALGetMetadataItem(first, "PIXELTYPE", "IMAGE_STRUCTURE");
    c->signed_bytes = file == GDT_Byte && pixel != NULL && strcmp(pixel, "SIGNEDBYTE") == 0;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].file == file) {
            c->sample = c->signed_bytes ? GDT_Int16 : types[i].memory;
            c->d.type = c->signed_bytes ? SAMPLE_INT16 : types[i].type;
            return 0;
        }
    if (GDALDataTypeIsComplex(file))
        return err_set(e, ERR_INPUT, "the cube holds complex numbers, which cannot be classified");
    return err_set(e, ERR_INPUT, "the cube's samples are of a type that cannot be read");
}

static bool number_of(GDALRasterBandH band, const char *key, const char *domain, double *value)
{
    const char *text = GDALGetMetadataItem(band, key, domain);
    if (text == NULL)
        return false;
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t", text[length - 1]) != NULL)
        length--;
    return number_double(text, length, value);
}

static double positive(double value)
{
    return isfinite(value) && value > 0 ? value : NAN;
}

/* GDAL >= 3.10 and STAC's way: micrometres in a domain of their own. */
static bool fill_imagery_wavelength(struct cube_band *b, GDALRasterBandH band)
{
    double um;
    if (!number_of(band, "CENTRAL_WAVELENGTH_UM", "IMAGERY", &um))
        return false;
    b->wavelength_nm = positive(um * 1000);
    if (number_of(band, "FWHM_UM", "IMAGERY", &um))
        b->fwhm_nm = positive(um * 1000);
    return true;
}

/* ENVI's keys on each band, as GDAL's ENVI driver and the EnMAP-Box write them; the unit may be told once, for the
 * whole file. A wavelength whose unit is not told is left in *untold, the others NaN there. */
static void fill_named_wavelength(struct cube_band *b, GDALRasterBandH band, double *untold)
{
    double value;
    if (!number_of(band, "wavelength", NULL, &value))
        return;
    const char *unit = GDALGetMetadataItem(band, "wavelength_units", NULL);
    if (unit == NULL)
        unit = GDALGetMetadataItem(GDALGetBandDataset(band), "wavelength_units", NULL);
    double nm = wavelength_unit(unit);
    if (isnan(nm))
        return;
    if (nm == 0)
        *untold = value;
    b->wavelength_nm = value;
    if (!number_of(band, "fwhm", NULL, &b->fwhm_nm))
        b->fwhm_nm = NAN;
    wavelength_convert(nm == 0 ? 1 : nm, &b->wavelength_nm, &b->fwhm_nm);
}

static void apply_guess(struct cube *c, const double *untold)
{
    double nm = wavelength_guess_unit(untold, (size_t)c->d.bands);
    for (int i = 0; i < c->d.bands; i++)
        if (!isnan(untold[i])) {
            c->band[i].wavelength_nm *= nm;
            c->band[i].fwhm_nm *= nm;
        }
}

static double nodata_of(GDALRasterBandH band, bool *has)
{
    int success = 0;
    double value;
    switch (GDALGetRasterDataType(band)) {
    case GDT_Int64:
        value = (double)GDALGetRasterNoDataValueAsInt64(band, &success);
        break;
    case GDT_UInt64:
        value = (double)GDALGetRasterNoDataValueAsUInt64(band, &success);
        break;
    default:
        value = GDALGetRasterNoDataValue(band, &success);
    }
    *has = success != 0;
    return *has ? value : 0;
}

static void fill_tiff_band(struct cube_band *b, GDALRasterBandH band, double *untold)
{
    double bbl;
    int has;
    b->bad = number_of(band, "bbl", NULL, &bbl) && bbl == 0;
    b->alpha = GDALGetRasterColorInterpretation(band) == GCI_AlphaBand;
    b->gain = GDALGetRasterScale(band, &has);
    b->gain = has ? b->gain : 1;
    b->offset = GDALGetRasterOffset(band, &has);
    b->offset = has ? b->offset : 0;
    b->nodata = nodata_of(band, &b->has_nodata);
    if (!fill_imagery_wavelength(b, band))
        fill_named_wavelength(b, band, untold);
}

static int fill_tiff_bands(struct cube *c, struct err *e)
{
    double *untold = malloc((size_t)c->d.bands * sizeof *untold);
    if (untold == NULL)
        return err_nomem(e);
    for (int i = 0; i < c->d.bands; i++) {
        untold[i] = NAN;
        fill_tiff_band(&c->band[i], GDALGetRasterBand(c->dataset, i + 1), &untold[i]);
    }
    apply_guess(c, untold);
    free(untold);
    return 0;
}

/* GDAL was given a header made from h: it cannot differ, but lists of h's length are read by GDAL's count of bands. */
static int check_agreement(const struct cube_description *d, const struct envi_header *h, struct err *e)
{
    if (d->columns == h->samples && d->lines == h->lines && d->bands == h->bands && d->type == h->type)
        return 0;
    return err_set(e, ERR_INPUT,
                   "the ENVI header can be understood in two ways: as %d samples x %d lines x %d bands of %s, or as "
                   "%d x %d x %d of %s",
                   h->samples, h->lines, h->bands, sample_name(h->type), d->columns, d->lines, d->bands,
                   sample_name(d->type));
}

static void fill_envi_bands(struct cube *c, const struct envi_header *h)
{
    for (int i = 0; i < c->d.bands; i++) {
        struct cube_band *b = &c->band[i];
        b->gain = h->gain != NULL ? h->gain[i] : 1;
        b->offset = h->offsets != NULL ? h->offsets[i] : 0;
        b->bad = h->bad != NULL && h->bad[i];
        b->has_nodata = h->has_ignore_value;
        b->nodata = h->has_ignore_value ? h->ignore_value : 0;
        b->wavelength_nm = h->wavelength_nm != NULL ? h->wavelength_nm[i] : NAN;
        b->fwhm_nm = h->fwhm_nm != NULL ? h->fwhm_nm[i] : NAN;
    }
    c->d.has_reflectance_scale_factor = h->has_reflectance_scale_factor;
    c->d.reflectance_scale_factor = h->has_reflectance_scale_factor ? h->reflectance_scale_factor : 0;
    memcpy(c->d.default_bands, h->default_bands, sizeof c->d.default_bands);
}

static void summarize_bands(struct cube_description *d)
{
    int plain = 0, known = 0;
    for (int i = 0; i < d->bands; i++) {
        d->has_band_scale = d->has_band_scale || d->band[i].gain != 1 || d->band[i].offset != 0;
        if (d->band[i].alpha)
            continue;
        plain++;
        known += !isnan(d->band[i].wavelength_nm);
    }
    d->has_wavelengths = plain > 0 && known == plain;
}

/* GDAL takes an alpha band for the mask of 2 or 4 bands alone; a warped cube has it behind hundreds. GMF_NODATA: a mask
 * that GDAL derives from NODATA_VALUES is nodata, and validity.h decides about that. */
static void find_mask(struct cube *c)
{
    GDALRasterBandH first = GDALGetRasterBand(c->dataset, 1);
    int flags = GDALGetMaskFlags(first);
    if ((flags & GMF_PER_DATASET) != 0 && (flags & (GMF_NODATA | GMF_ALPHA)) == 0)
        c->mask = GDALGetMaskBand(first);
    for (int i = 0; i < c->d.bands && c->mask == NULL; i++)
        if (c->band[i].alpha)
            c->mask = GDALGetRasterBand(c->dataset, i + 1);
    c->d.has_mask = c->mask != NULL;
}

static int fill_place(struct cube *c, struct err *e)
{
    struct cube_description *d = &c->d;
    d->has_geotransform = GDALGetGeoTransform(c->dataset, d->geotransform) == CE_None;
    for (int i = 0; i < 6; i++) {
        d->has_geotransform = d->has_geotransform && isfinite(d->geotransform[i]);
        d->geotransform[i] += 0.0; /* GDAL's ENVI driver makes -0 of no rotation */
    }
    int count = d->has_geotransform ? 0 : GDALGetGCPCount(c->dataset);
    if (count > 0) {
        const GDAL_GCP *from = GDALGetGCPs(c->dataset);
        c->points = malloc((size_t)count * sizeof *c->points);
        if (c->points == NULL)
            return err_nomem(e);
        for (int i = 0; i < count; i++)
            c->points[i] = (struct cube_point){from[i].dfGCPPixel, from[i].dfGCPLine, from[i].dfGCPX, from[i].dfGCPY,
                                               from[i].dfGCPZ};
        d->gcps = c->points;
        d->gcp_count = (size_t)count;
    }
    d->crs = crs_text(count > 0 ? GDALGetGCPSpatialRef(c->dataset) : GDALGetSpatialRef(c->dataset));
    return 0;
}

static const char *interleave_of(GDALDatasetH dataset)
{
    static const char *const names[] = {"BAND", "LINE", "PIXEL"};
    const char *name = GDALGetMetadataItem(dataset, "INTERLEAVE", "IMAGE_STRUCTURE");
    for (int i = 0; name != NULL && i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            return names[i];
    return names[0];
}

int cube_fill_description(struct cube *c, const struct envi_header *h, const struct cube_limits *limits,
                          uint64_t file_bytes, struct err *e)
{
    struct cube_description *d = &c->d;
    d->driver = h != NULL ? "ENVI" : "GTiff";
    d->columns = GDALGetRasterXSize(c->dataset);
    d->lines = GDALGetRasterYSize(c->dataset);
    d->bands = GDALGetRasterCount(c->dataset);
    d->interleave = interleave_of(c->dataset);
    if (tiff_check_size(c->dataset, limits, file_bytes, e) != 0 || choose_type(c, e) != 0)
        return -1;
    if (h != NULL && check_agreement(d, h, e) != 0)
        return -1;
    GDALGetBlockSize(GDALGetRasterBand(c->dataset, 1), &d->block_columns, &d->block_lines);
    c->band = calloc((size_t)d->bands, sizeof *c->band);
    if (c->band == NULL)
        return err_nomem(e);
    d->band = c->band;
    for (int i = 0; i < d->bands; i++)
        c->band[i].wavelength_nm = c->band[i].fwhm_nm = NAN;
    if (h != NULL)
        fill_envi_bands(c, h);
    else if (fill_tiff_bands(c, e) != 0)
        return -1;
    summarize_bands(d);
    find_mask(c);
    if (c->mask != NULL && tiff_check_mask(c->mask, e) != 0)
        return -1;
    return fill_place(c, e);
}
