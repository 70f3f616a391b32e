#include "scene/tiff_check.h"
#include <string.h>

static int check_block(GDALRasterBandH band, const char *what, struct err *e)
{
    GDALDatasetH dataset = GDALGetBandDataset(band);
    const char *interleave = GDALGetMetadataItem(dataset, "INTERLEAVE", "IMAGE_STRUCTURE");
    bool together = interleave != NULL && strcmp(interleave, "PIXEL") == 0;
    int columns, lines;
    GDALGetBlockSize(band, &columns, &lines);
    uint64_t pixels = (uint64_t)columns * (uint64_t)lines, bytes;
    if (__builtin_mul_overflow(pixels, (uint64_t)GDALGetDataTypeSizeBytes(GDALGetRasterDataType(band)), &bytes))
        bytes = UINT64_MAX;
    if (together && __builtin_mul_overflow(bytes, (uint64_t)GDALGetRasterCount(dataset), &bytes))
        bytes = UINT64_MAX;
    if (bytes <= TIFF_BLOCK_MOST)
        return 0;
    return err_set(e, ERR_LIMIT,
                   "%s is cut into blocks of %d x %d pixels, %llu bytes each; at most %d bytes are decoded at once. "
                   "Write it with smaller tiles or strips",
                   what, columns, lines, (unsigned long long)bytes, (int)TIFF_BLOCK_MOST);
}

int tiff_check_size(GDALDatasetH dataset, const struct cube_limits *limits, uint64_t file_bytes, struct err *e)
{
    int bands = GDALGetRasterCount(dataset);
    if (bands < 1)
        return err_set(e, ERR_INPUT, "the file holds no raster");
    uint64_t pixels = (uint64_t)GDALGetRasterXSize(dataset) * (uint64_t)GDALGetRasterYSize(dataset);
    uint64_t size = (uint64_t)GDALGetDataTypeSizeBytes(GDALGetRasterDataType(GDALGetRasterBand(dataset, 1)));
    if (bands > limits->bands)
        return err_set(e, ERR_LIMIT, "the cube has %d bands; at most %d are read", bands, limits->bands);
    if (pixels > limits->pixels)
        return err_set(e, ERR_LIMIT, "the cube has %llu pixels; at most %llu are read", (unsigned long long)pixels,
                       (unsigned long long)limits->pixels);
    double ratio = (double)pixels * (double)bands * (double)size / (double)file_bytes;
    if (ratio > limits->inflation)
        return err_set(e, ERR_LIMIT, "the file would unpack to %.0f times its length; at most %.0f times is read",
                       ratio, limits->inflation);
    return check_block(GDALGetRasterBand(dataset, 1), "the file", e);
}

int tiff_check_mask(GDALRasterBandH mask, struct err *e)
{
    return check_block(mask, "the file's mask", e);
}
