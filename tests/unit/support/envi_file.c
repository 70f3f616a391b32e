#include "tests/unit/support/envi_file.h"
#include "tests/unit/support/expect.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int sizes[] = {[1] = 1, [2] = 2, [3] = 4, [4] = 4, [5] = 8, [12] = 2, [13] = 4};

double envi_file_value(int data_type, int line, int band, int sample)
{
    int v = (line * 37 + band * 11 + sample * 3) % 120 + 1;
    switch (data_type) {
    case 2:
        return (v % 3 == 0 ? -200 : 200) * v;
    case 3:
        return (v % 3 == 0 ? -1.0e7 : 1.0e7) * v;
    case 4:
    case 5:
        return (v % 3 == 0 ? -0.25 : 0.25) * v;
    case 12:
        return 500 * v;
    case 13:
        return 3.0e7 * v;
    }
    return v;
}

/* Bytes of a value as the file has them; returns how many. */
static int encode(unsigned char out[8], const struct envi_form *f, double value)
{
    int size = sizes[f->data_type];
    int64_t integer = (int64_t)value;
    float single = (float)value;
    if (f->data_type == 5)
        memcpy(out, &value, 8);
    else if (f->data_type == 4)
        memcpy(out, &single, 4);
    else
        memcpy(out, &integer, (size_t)size); /* little-endian: the low bytes come first */
    for (int i = 0; f->big_endian && i < size / 2; i++) {
        unsigned char t = out[i];
        out[i] = out[size - 1 - i];
        out[size - 1 - i] = t;
    }
    return size;
}

static void write_data(FILE *out, const struct envi_form *f)
{
    int n[3] = {f->lines, f->bands, f->samples}; /* line, band, sample */
    static const struct {
        const char *name;
        int axis[3]; /* slowest first */
    } orders[] = {{"bsq", {1, 0, 2}}, {"bil", {0, 1, 2}}, {"bip", {0, 2, 1}}};
    const int *axis = NULL;
    for (int i = 0; i < 3; i++)
        if (strcmp(orders[i].name, f->interleave) == 0)
            axis = orders[i].axis;
    assert_non_null(axis);
    int at[3];
    for (at[axis[0]] = 0; at[axis[0]] < n[axis[0]]; at[axis[0]]++)
        for (at[axis[1]] = 0; at[axis[1]] < n[axis[1]]; at[axis[1]]++)
            for (at[axis[2]] = 0; at[axis[2]] < n[axis[2]]; at[axis[2]]++) {
                unsigned char bytes[8];
                int size = encode(bytes, f, envi_file_value(f->data_type, at[0], at[1], at[2]));
                assert_int_equal(fwrite(bytes, 1, (size_t)size, out), size);
            }
}

void envi_file_write(struct scratch *s, const char *name, const struct envi_form *f)
{
    char header[128];
    snprintf(header, sizeof header, "%s.hdr", name);
    FILE *out = fopen(scratch_path(s, header), "w");
    assert_non_null(out);
    fprintf(out,
            "ENVI\nsamples = %d\nlines = %d\nbands = %d\nheader offset = %lld\nfile type = ENVI Standard\n"
            "data type = %d\ninterleave = %s\nbyte order = %d\n%s",
            f->samples, f->lines, f->bands, f->offset, f->data_type, f->interleave, f->big_endian,
            f->more == NULL ? "" : f->more);
    assert_int_equal(fclose(out), 0);
    out = fopen(scratch_path(s, name), "wb");
    assert_non_null(out);
    assert_int_equal(fseeko(out, f->offset, SEEK_SET), 0);
    write_data(out, f);
    assert_int_equal(fclose(out), 0);
}

int envi_file_try(struct scratch *s, const char *name, struct cube **c, struct err *e)
{
    char data[128], header[136];
    snprintf(data, sizeof data, "%s", scratch_path(s, name));
    snprintf(header, sizeof header, "%s.hdr", data);
    return cube_open(c, &(struct cube_files){.data = data, .header = header}, &cube_limits_default, e);
}

struct cube *envi_file_open(struct scratch *s, const char *name)
{
    struct cube *c;
    struct err e;
    if (envi_file_try(s, name, &c, &e) != 0)
        fail_msg("%s: %s", name, e.message);
    return c;
}
