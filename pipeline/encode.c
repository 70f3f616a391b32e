#include "base/file.h"
#include "pipeline/classify.h"
#include "proto/accept.h"
#include "scene/label_raster.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

size_t npy_header(char out[128], const char *descr, int lines, int columns, int depth)
{
    char shape[64];
    if (depth > 0)
        snprintf(shape, sizeof shape, "(%d, %d, %d)", lines, columns, depth);
    else
        snprintf(shape, sizeof shape, "(%d, %d)", lines, columns);
    memset(out, ' ', 128);
    memcpy(out, "\x93NUMPY\x01\x00\x76\x00", 10); /* version 1.0, 118 bytes follow */
    int n = snprintf(out + 10, 118, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape);
    out[10 + n] = ' ';
    out[127] = '\n';
    return 128;
}

static int write_npy(const struct classification *c, int fd, struct err *e)
{
    char header[128];
    size_t n = npy_header(header, "|u1", c->result.window.lines, c->result.window.columns, 0);
    if (file_write(fd, header, n, -1, "the result", e) != 0)
        return -1;
    return file_write(fd, c->labels, c->labels_length, -1, "the result", e);
}

static int write_geotiff(const struct classification *c, const char *path, bool names, struct err *e)
{
    const struct result *r = &c->result;
    char model[600];
    snprintf(model, sizeof model, "%s/%s", r->package->name, r->package->version);
    const struct label_tag tags[] = {{"SPECTRAD_VERSION", SPECTRAD_VERSION},
                                     {"SPECTRAD_MODEL", model},
                                     {"SPECTRAD_MODEL_SHA256", r->package->sha256},
                                     {"SPECTRAD_ENGINE", r->device},
                                     {"SPECTRAD_PRECISION", r->precision},
                                     {"SPECTRAD_REQUEST_ID", r->request_id},
                                     {"SPECTRAD_BAND_MATCHING", r->by_wavelength ? "wavelength" : "index"},
                                     {NULL, NULL}};
    struct label_place place = {r->scene, r->window.column, r->window.line};
    return label_raster_write_geotiff(path, c->labels, r->window.lines, r->window.columns, &place, r->package, tags,
                                      names, e);
}

uint64_t classification_most_bytes(enum result_format format, const struct window *w, bool label_rows)
{
    enum {
        HEAD = 1 << 16,
        NPY_HEAD = 128,
        RUN = 6,
        ROW = 3,
        STRIP = 32
    }; /* RUN: "255,1,"; ROW: "[],"; STRIP: its place */
    uint64_t lines = (uint64_t)w->lines, pixels = lines * (uint64_t)w->columns;
    switch (format) {
    case FORMAT_NPY:
        return NPY_HEAD + pixels;
    case FORMAT_GEOTIFF: /* DEFLATE adds at most 5 bytes to 16 KiB that it cannot compress */
        return HEAD + pixels + pixels / 64 + STRIP * lines;
    default:
        return HEAD + (label_rows ? RUN * pixels + ROW * lines : 0);
    }
}

int classification_write(const struct classification *c, enum result_format format, const char *path, bool names,
                         struct err *e)
{
    if (format == FORMAT_GEOTIFF)
        return write_geotiff(c, path, names, e);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_set(e, file_is_full(errno) ? ERR_SPACE : ERR_IO, "the result file cannot be made");
    int result = format == FORMAT_NPY ? write_npy(c, fd, e) : result_write_json(&c->result, fd, e);
    if (file_close(fd, "the result", result == 0 ? e : NULL) != 0)
        result = -1;
    return result;
}
