#include "tests/unit/support/tiff_file.h"
#include "tests/unit/support/expect.h"
#include <stdlib.h>

double tiff_file_value(int line, int band, int column)
{
    return (line * 37 + band * 11 + column * 3) % 120 + 1;
}

static void write_samples(GDALDatasetH dataset, const struct tiff_form *f)
{
    double *row = malloc((size_t)f->columns * sizeof *row);
    for (int b = 0; b < f->bands; b++)
        for (int k = 0; k < f->lines; k++) {
            for (int i = 0; i < f->columns; i++)
                row[i] = tiff_file_value(k, b, i);
            assert_int_equal(GDALRasterIO(GDALGetRasterBand(dataset, b + 1), GF_Write, 0, k, f->columns, 1, row,
                                          f->columns, 1, GDT_Float64, 0, 0),
                             CE_None);
        }
    free(row);
}

const char *tiff_file_write(struct scratch *s, const char *name, const struct tiff_form *f)
{
    GDALDatasetH dataset = GDALCreate(GDALGetDriverByName("GTiff"), scratch_path(s, name), f->columns, f->lines,
                                      f->bands, f->type, (char **)(uintptr_t)f->options);
    assert_non_null(dataset);
    if (!f->empty)
        write_samples(dataset, f);
    if (f->change != NULL)
        f->change(dataset);
    GDALClose(dataset);
    return s->path;
}

struct cube *tiff_file_open(struct scratch *s, const struct tiff_form *f)
{
    struct cube *c;
    struct err e;
    const struct cube_files files = {.data = tiff_file_write(s, "cube.tif", f)};
    if (cube_open(&c, &files, &cube_limits_default, &e) != 0)
        fail_msg("%s", e.message);
    return c;
}

void tiff_file_refused(const struct tiff_form *f, const struct cube_limits *limits, enum err_code code,
                       const char *part)
{
    struct scratch s;
    struct cube *c;
    struct err e = {0};
    scratch_open(&s);
    const struct cube_files files = {.data = tiff_file_write(&s, "cube.tif", f)};
    if (cube_open(&c, &files, limits, &e) == 0)
        fail_msg("accepted, not refused with \"%s\"", part);
    expect_error(&e, code, part, "the TIFF");
    assert_null(c);
    scratch_close(&s);
}
