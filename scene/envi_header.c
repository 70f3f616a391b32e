#include "scene/envi_header.h"
#include "base/number.h"
#include "base/text.h"
#include "scene/envi_text.h"
#include "scene/envi_values.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int parse_data_type(struct envi_header *h, const struct envi_text *t, struct err *e)
{
    static const struct {
        int code;
        enum sample_type type;
    } types[] = {
        {1, SAMPLE_UINT8},   {2, SAMPLE_INT16},   {3, SAMPLE_INT32},   {4, SAMPLE_FLOAT32},
        {5, SAMPLE_FLOAT64}, {12, SAMPLE_UINT16}, {13, SAMPLE_UINT32},
    };
    long long code;
    if (envi_integer(t, "data type", 0, INT_MAX, NULL, &code, e) != 0)
        return -1;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].code == code) {
            h->data_type = (int)code;
            h->type = types[i].type;
            return 0;
        }
    const char *what = code == 6 || code == 9     ? "complex numbers, which cannot be classified"
                       : code == 14 || code == 15 ? "64-bit integers; convert the cube to float or to 32-bit integers"
                                                  : "not a type of ENVI's";
    return err_set(e, ERR_INPUT, "the ENVI header's 'data type' %lld is %s (1, 2, 3, 4, 5, 12 and 13 can be read)",
                   code, what);
}

static int parse_interleave(struct envi_header *h, const struct envi_text *t, struct err *e)
{
    static const char *const names[] = {[ENVI_BSQ] = "bsq", [ENVI_BIL] = "bil", [ENVI_BIP] = "bip"};
    const struct envi_field *f;
    if (envi_required(t, "interleave", &f, e) != 0)
        return -1;
    for (int i = 0; i < 3; i++)
        if (strcasecmp(f->value, names[i]) == 0) {
            h->interleave = (enum envi_interleave)i;
            return 0;
        }
    return envi_bad_value(f, "bsq, bil or bip", e);
}

static int parse_byte_order(struct envi_header *h, const struct envi_text *t, struct err *e)
{
    static const long long little = 0;
    long long order;
    if (envi_integer(t, "byte order", 0, 1, sample_size(h->type) == 1 ? &little : NULL, &order, e) != 0)
        return -1;
    h->big_endian = order == 1;
    return 0;
}

static int parse_file_type(struct envi_header *h, const struct envi_text *t, const struct envi_rules *rules,
                           struct err *e)
{
    const struct envi_field *f;
    char shown[64];
    if (envi_text_find(t, "file type", &f, e) != 0)
        return -1;
    if (f == NULL || f->value[0] == '\0' || strcasecmp(f->value, "ENVI Standard") == 0 ||
        strcasecmp(f->value, "ENVI") == 0)
        return 0;
    h->classification = strcasecmp(f->value, "ENVI Classification") == 0;
    if (h->classification && rules->classification)
        return 0;
    return err_set(e, ERR_INPUT, "the ENVI header's 'file type' is '%s'; only 'ENVI Standard' is a cube",
                   text_show(shown, sizeof shown, f->value, strlen(f->value)));
}

/* What is lawful in ENVI's format, but not read here: compressed data, gaps between lines or bands. */
static int refuse_layouts(const struct envi_text *t, struct err *e)
{
    static const long long none = 0;
    static const char *const gaps[] = {"major frame offsets", "minor frame offsets"};
    long long compression;
    if (envi_integer(t, "file compression", 0, INT_MAX, &none, &compression, e) != 0)
        return -1;
    if (compression != 0)
        return err_set(e, ERR_INPUT, "the ENVI data is compressed ('file compression = %lld'); send it uncompressed",
                       compression);
    for (int i = 0; i < 2; i++) {
        double *offsets;
        size_t n;
        if (envi_numbers(t, gaps[i], &offsets, &n, e) != 0)
            return -1;
        bool gap = false;
        for (size_t k = 0; k < n; k++)
            gap = gap || offsets[k] != 0;
        free(offsets);
        if (gap)
            return err_set(e, ERR_INPUT, "the ENVI header's '%s' are not 0; export the cube without them", gaps[i]);
    }
    return 0;
}

/* GDAL counts a line's bytes in an int, where bands lie within the line. */
static int check_sizes(const struct envi_header *h, const struct envi_rules *rules, struct err *e)
{
    uint64_t pixels = (uint64_t)h->samples * (uint64_t)h->lines, all;
    uint64_t line = (uint64_t)h->samples * sample_size(h->type), lines = (uint64_t)h->bands * line;
    if (h->bands > rules->bands_most)
        return err_set(e, ERR_LIMIT, "the cube has %d bands; at most %d are read", h->bands, rules->bands_most);
    if (pixels > rules->pixels_most)
        return err_set(e, ERR_LIMIT, "the cube has %llu pixels; at most %llu are read", (unsigned long long)pixels,
                       (unsigned long long)rules->pixels_most);
    if ((h->interleave == ENVI_BSQ ? line : lines) > INT_MAX)
        return err_set(e, ERR_LIMIT, "a line of the ENVI data has more than %d bytes", INT_MAX);
    if (__builtin_mul_overflow(lines, (uint64_t)h->lines, &all) || all > INT64_MAX - h->offset)
        return err_set(e, ERR_LIMIT, "the ENVI header describes more bytes than a file can have");
    return 0;
}

static int parse_layout(struct envi_header *h, const struct envi_text *t, const struct envi_rules *rules, struct err *e)
{
    static const long long none = 0;
    long long samples, lines, bands, offset;
    if (envi_integer(t, "samples", 1, INT_MAX, NULL, &samples, e) != 0 ||
        envi_integer(t, "lines", 1, INT_MAX, NULL, &lines, e) != 0 ||
        envi_integer(t, "bands", 1, INT_MAX, NULL, &bands, e) != 0 ||
        envi_integer(t, "header offset", 0, LLONG_MAX, &none, &offset, e) != 0)
        return -1;
    h->samples = (int)samples;
    h->lines = (int)lines;
    h->bands = (int)bands;
    h->offset = (uint64_t)offset;
    if (parse_file_type(h, t, rules, e) != 0 || refuse_layouts(t, e) != 0 || parse_data_type(h, t, e) != 0 ||
        parse_interleave(h, t, e) != 0 || parse_byte_order(h, t, e) != 0)
        return -1;
    return check_sizes(h, rules, e);
}

int envi_header_parse(struct envi_header *h, const char *bytes, size_t length, const struct envi_rules *rules,
                      struct err *e)
{
    struct envi_text t;
    *h = (struct envi_header){0};
    if (length > ENVI_HEADER_MOST)
        return err_set(e, ERR_TOO_LARGE, "the ENVI header has %zu bytes; at most %d are read", length,
                       (int)ENVI_HEADER_MOST);
    if (envi_text_parse(&t, bytes, length, e) != 0)
        return -1;
    int result = parse_layout(h, &t, rules, e);
    if (result == 0)
        result = envi_values_parse(h, &t, e);
    envi_text_release(&t);
    if (result != 0)
        envi_header_release(h);
    return result;
}

void envi_header_release(struct envi_header *h)
{
    free(h->gain);
    free(h->offsets);
    free(h->wavelength_nm);
    free(h->fwhm_nm);
    free(h->bad);
    free(h->map_info);
    free(h->projection_info);
    free(h->coordinate_system);
    free(h->geo_points);
    *h = (struct envi_header){0};
}

uint64_t envi_header_data_bytes(const struct envi_header *h)
{
    return (uint64_t)h->samples * (uint64_t)h->lines * (uint64_t)h->bands * sample_size(h->type);
}

int envi_header_check_length(const struct envi_header *h, uint64_t file_bytes, struct err *e)
{
    uint64_t expected = h->offset + envi_header_data_bytes(h);
    if (expected == file_bytes)
        return 0;
    const char *how = file_bytes < expected ? "truncated" : "too long";
    return err_set(
        e, ERR_INPUT,
        "the ENVI data is %s: the header describes %d samples x %d lines x %d bands of %zu bytes after an offset "
        "of %llu, which makes %llu bytes, and the data has %llu",
        how, h->samples, h->lines, h->bands, sample_size(h->type), (unsigned long long)h->offset,
        (unsigned long long)expected, (unsigned long long)file_bytes);
}

static void write_text(FILE *out, const char *key, const char *text)
{
    if (text != NULL)
        fprintf(out, "%s = {%s}\n", key, text);
}

int envi_header_write(const struct envi_header *h, char **text, struct err *e)
{
    static const char *const names[] = {[ENVI_BSQ] = "bsq", [ENVI_BIL] = "bil", [ENVI_BIP] = "bip"};
    size_t length;
    *text = NULL;
    FILE *out = open_memstream(text, &length);
    if (out == NULL)
        return err_nomem(e);
    fprintf(out,
            "ENVI\nsamples = %d\nlines = %d\nbands = %d\nheader offset = 0\nfile type = ENVI Standard\n"
            "data type = %d\ninterleave = %s\nbyte order = %d\n",
            h->samples, h->lines, h->bands, h->data_type, names[h->interleave], h->big_endian ? 1 : 0);
    write_text(out, "map info", h->map_info);
    write_text(out, "projection info", h->projection_info);
    write_text(out, "coordinate system string", h->coordinate_system);
    write_text(out, "geo points", h->geo_points);
    bool failed = ferror(out);
    if (fclose(out) == 0 && !failed)
        return 0;
    free(*text);
    *text = NULL;
    return err_nomem(e);
}
