#include "scene/cube_internal.h"
#include "scene/gdal_setup.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int CPL_STDCALL go_on(double fraction, const char *message, void *cancel)
{
    (void)fraction;
    (void)message;
    return cancel == NULL || !atomic_load((const atomic_bool *)cancel);
}

static bool is_canceled(const atomic_bool *cancel)
{
    return cancel != NULL && atomic_load(cancel);
}

static bool has_failed(const struct cube *c, CPLErr result)
{
    return result != CE_None || gdal_trouble()->failures > 0 || gdal_source_failure(c->source) != 0;
}

/* A file can end early, or its compressed data be damaged, without anybody knowing before it is read. */
static int blame(const struct cube *c, int line, const atomic_bool *cancel, struct err *e)
{
    int failure = gdal_source_failure(c->source);
    if (is_canceled(cancel))
        return err_set(e, ERR_CANCELED, "canceled");
    if (gdal_trouble_is_memory())
        return err_set(e, ERR_LIMIT, "the file needs more memory than there is");
    if (failure != 0 && failure != ENODATA)
        return err_set(e, ERR_IO, "the cube cannot be read: %s", strerror(failure));
    return err_set(e, ERR_INPUT, "the file is truncated or damaged near line %d of %d; send it again", line + 1,
                   c->d.lines);
}

static GDALRasterIOExtraArg watching(const atomic_bool *cancel)
{
    GDALRasterIOExtraArg extra;
    INIT_RASTERIO_EXTRA_ARG(extra);
    extra.pfnProgress = go_on;
    extra.pProgressData = (void *)(uintptr_t)cancel;
    return extra;
}

/* One line of signed bytes that came as 0..255. */
static void restore_sign(int16_t *samples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        samples[i] = (int8_t)samples[i];
}

static int read_mask(struct cube *c, int column, int line, int columns, int lines, uint8_t *mask, size_t stride,
                     const atomic_bool *cancel, struct err *e)
{
    GDALRasterIOExtraArg extra = watching(cancel);
    if (c->mask != NULL) {
        CPLErr result = GDALRasterIOEx(c->mask, GF_Read, column, line, columns, lines, mask, columns, lines, GDT_Byte,
                                       1, (GSpacing)stride, &extra);
        if (has_failed(c, result))
            return blame(c, line, cancel, e);
    }
    for (int k = 0; k < lines; k++) {
        uint8_t *row = mask + (size_t)k * stride;
        for (int i = 0; i < columns; i++)
            row[i] = c->mask == NULL || row[i] != 0 ? 255 : 0;
    }
    return 0;
}

/* What one cube_read is about. */
struct reading {
    int *list; /* (B) bands as GDAL counts them */
    int B;
    int column, line; /* of samples' first */
    char *samples;    /* (lines, B, stride) */
    size_t stride;
    const atomic_bool *cancel;
};

static int read_piece(struct cube *c, const struct reading *r, int column, int line, int columns, int lines,
                      struct err *e)
{
    GSpacing size = (GSpacing)sample_size(c->d.type), band = size * (GSpacing)r->stride, row = band * r->B;
    GDALRasterIOExtraArg extra = watching(r->cancel);
    char *to = r->samples + (line - r->line) * row + (column - r->column) * size;
    CPLErr result = GDALDatasetRasterIOEx(c->dataset, GF_Read, column, line, columns, lines, to, columns, lines,
                                          c->sample, r->B, r->list, size, row, band, &extra);
    return has_failed(c, result) ? blame(c, line, r->cancel, e) : 0;
}

/* Of from..end, the part that lies in the block of `block` lines or columns that holds `from`. */
static int part_of_block(int from, int end, int block)
{
    int left = block - from % block;
    return end - from < left ? end - from : left;
}

/* Where a block holds all bands, GDAL would go through all blocks once for each band, and where they do not fit its
 * cache decode each block that often. So one block after the other; else all at once. */
static int read_samples(struct cube *c, const struct reading *r, int columns, int lines, struct err *e)
{
    if (strcmp(c->d.interleave, "PIXEL") != 0 || r->B == 1)
        return read_piece(c, r, r->column, r->line, columns, lines, e);
    int right = r->column + columns, bottom = r->line + lines, high, wide;
    for (int line = r->line; line < bottom; line += high) {
        high = part_of_block(line, bottom, c->d.block_lines);
        for (int column = r->column; column < right; column += wide) {
            wide = part_of_block(column, right, c->d.block_columns);
            if (read_piece(c, r, column, line, wide, high, e) != 0)
                return -1;
        }
    }
    return 0;
}

int cube_read(struct cube *c, const int *picked, int B, int column, int line, int columns, int lines, void *samples,
              size_t stride, uint8_t *mask, size_t mask_stride, const atomic_bool *cancel, struct err *e)
{
    assert(B > 0 && columns > 0 && lines > 0 && column >= 0 && line >= 0 && columns <= c->d.columns - column &&
           lines <= c->d.lines - line && stride >= (size_t)columns);
    struct reading r = {.B = B, .column = column, .line = line, .samples = samples, .stride = stride, .cancel = cancel};
    r.list = malloc((size_t)B * sizeof *r.list);
    if (r.list == NULL)
        return err_nomem(e);
    for (int i = 0; i < B; i++)
        r.list[i] = picked[i] + 1;
    gdal_trouble_forget();
    int result = read_samples(c, &r, columns, lines, e);
    free(r.list);
    if (result != 0)
        return -1;
    for (size_t row = 0; c->signed_bytes && row < (size_t)lines * (size_t)B; row++)
        restore_sign((int16_t *)samples + row * stride, (size_t)columns);
    return mask == NULL ? 0 : read_mask(c, column, line, columns, lines, mask, mask_stride, cancel, e);
}
