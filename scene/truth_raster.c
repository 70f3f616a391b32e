#include "scene/cube_internal.h"
#include "scene/label_raster.h"
#include <math.h>
#include <stdlib.h>

static const uint16_t NOT_AN_ID = 65535;

/* A sample as a class id; 0, no truth, where it is nodata. */
static uint16_t to_id(double value, const struct cube_band *band)
{
    if (isnan(value) || (band->has_nodata && value == band->nodata))
        return 0;
    return value >= 0 && value < NOT_AN_ID && value == floor(value) ? (uint16_t)value : NOT_AN_ID;
}

/* One line of any type as class ids. values (columns): scratch. */
static void convert(const struct cube_description *d, const void *samples, int columns, double *values, uint16_t *ids)
{
    sample_to_double(d->type, samples, 1, (size_t)columns, values);
    for (int i = 0; i < columns; i++)
        ids[i] = to_id(values[i], &d->band[0]);
}

static int check(const struct cube_description *d, int columns, int lines, struct err *e)
{
    if (d->bands != 1)
        return err_set(e, ERR_INPUT, "the truth raster has %d bands; it must have one, of class ids", d->bands);
    if (d->columns != columns || d->lines != lines)
        return err_set(e, ERR_INPUT,
                       "the truth raster has %d columns and %d lines; the scene, and so its truth, has %d and %d",
                       d->columns, d->lines, columns, lines);
    return 0;
}

int label_raster_read_truth(const char *path, int scene_columns, int scene_lines, int column, int line, int columns,
                            int lines, uint16_t **labels, struct err *e)
{
    static const int first = 0;
    struct cube *c = NULL;
    char *data = NULL, *header = NULL;
    void *samples = NULL;
    double *values = NULL;
    int result = -1;
    *labels = NULL;
    if (cube_find_files(path, &data, &header, e) != 0 ||
        cube_open_any(&c, &(struct cube_files){data, header, true}, &cube_limits_default, true, e) != 0) {
        err_prefix(e, "the truth raster");
        goto done;
    }
    const struct cube_description *d = cube_describe(c);
    if (check(d, scene_columns, scene_lines, e) != 0)
        goto done;
    samples = malloc((size_t)columns * sample_size(d->type));
    values = malloc((size_t)columns * sizeof *values);
    *labels = malloc((size_t)columns * (size_t)lines * sizeof **labels);
    if (samples == NULL || values == NULL || *labels == NULL) {
        err_nomem(e);
        goto done;
    }
    for (int k = 0; k < lines; k++) {
        if (cube_read(c, &first, 1, column, line + k, columns, 1, samples, (size_t)columns, NULL, 0, NULL, e) != 0) {
            err_prefix(e, "the truth raster");
            goto done;
        }
        convert(d, samples, columns, values, *labels + (size_t)k * (size_t)columns);
    }
    result = 0;
done:
    if (result != 0) {
        free(*labels);
        *labels = NULL;
    }
    free(samples);
    free(values);
    free(data);
    free(header);
    cube_close(c);
    return result;
}
