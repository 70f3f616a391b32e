/* Which files make a cube: found on the command line, told apart by content, refused with what they look like. */
#include "tests/unit/support/envi_file.h"
#include "tests/unit/support/expect.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char header[] = "ENVI\nsamples = 2\nlines = 1\nbands = 1\ndata type = 1\ninterleave = bsq\n";
static const char data[] = {7, (char)0x81};
static const char tiff[] = {'I', 'I', '*', 0, 8, 0, 0, 0};

/* From `given`, the pair is found as `data_name` and `header_name` (NULL: none). */
static void expect_found(struct scratch *s, const char *given, const char *data_name, const char *header_name)
{
    char *found_data, *found_header;
    struct err e;
    char path[128];
    snprintf(path, sizeof path, "%s", scratch_path(s, given));
    if (cube_find_files(path, &found_data, &found_header, &e) != 0)
        fail_msg("%s: %s", given, e.message);
    assert_string_equal(found_data, scratch_path(s, data_name));
    if (header_name == NULL)
        assert_null(found_header);
    else
        assert_string_equal(found_header, scratch_path(s, header_name));
    free(found_data);
    free(found_header);
}

static void expect_not_found(struct scratch *s, const char *given, enum err_code code, const char *part)
{
    char *found_data, *found_header;
    struct err e = {0};
    char path[128];
    snprintf(path, sizeof path, "%s", scratch_path(s, given));
    assert_int_equal(cube_find_files(path, &found_data, &found_header, &e), -1);
    expect_error(&e, code, part, given);
    assert_null(found_data);
    assert_null(found_header);
}

static void test_either_file_names_the_pair(void **state)
{
    static const char *const pairs[][2] = {
        {"a.img", "a.hdr"},     {"b.bip", "b.bip.hdr"}, {"c", "c.hdr"},       {"D.DAT", "D.HDR"},
        {"e.f.raw", "e.f.hdr"}, {"g.bsq", "g.bsq.HDR"}, {".bil", ".bil.hdr"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct scratch s;
        scratch_open(&s);
        scratch_write(&s, pairs[i][0], data, sizeof data);
        scratch_write(&s, pairs[i][1], header, sizeof header - 1);
        expect_found(&s, pairs[i][0], pairs[i][0], pairs[i][1]);
        expect_found(&s, pairs[i][1], pairs[i][0], pairs[i][1]);
        scratch_close(&s);
    }
}

/* A header that follows the whole name beats one that replaces the ending: a.img.hdr can belong to no other file. */
static void test_header_behind_the_whole_name_comes_first(void **state)
{
    struct scratch s;
    (void)state;
    scratch_open(&s);
    scratch_write(&s, "a.img", data, sizeof data);
    scratch_write(&s, "a.hdr", header, sizeof header - 1);
    scratch_write(&s, "a.img.hdr", header, sizeof header - 1);
    expect_found(&s, "a.img", "a.img", "a.img.hdr");
    scratch_close(&s);
}

static void test_a_tiff_needs_no_header_whatever_its_name(void **state)
{
    struct scratch s;
    (void)state;
    scratch_open(&s);
    scratch_write(&s, "a.img", tiff, sizeof tiff);
    scratch_write(&s, "a.hdr", header, sizeof header - 1);
    expect_found(&s, "a.img", "a.img", NULL);
    scratch_close(&s);
}

static void test_the_missing_half_is_named(void **state)
{
    struct scratch s;
    (void)state;
    scratch_open(&s);
    scratch_write(&s, "a.img", data, sizeof data);
    scratch_write(&s, "b.hdr", header, sizeof header - 1);
    scratch_write(&s, "c.csv", "a,b\n", 4);
    expect_not_found(&s, "a.img", ERR_INPUT, "looked for a.img.hdr and a.hdr");
    expect_not_found(&s, "b.hdr", ERR_INPUT, "looked for b without an ending");
    expect_not_found(&s, "c.csv", ERR_FORMAT, "c.csv is neither a TIFF nor an ENVI pair; it looks like text");
    expect_not_found(&s, "nowhere.tif", ERR_IO, "nowhere.tif cannot be read");
    scratch_close(&s);
}

static int open_bytes(struct scratch *s, const void *bytes, size_t length, bool pair, struct err *e)
{
    struct cube *c;
    int result = cube_open(&c, &(struct cube_files){.data = scratch_write(s, "cube", bytes, length), .pair = pair},
                           &cube_limits_default, e);
    assert_true(result == 0 || c == NULL);
    cube_close(c);
    return result;
}

static void test_other_formats_are_named(void **state)
{
    static const struct {
        const char *name;
        size_t length;
        const char *bytes;
    } cases[] = {
        {"an HDF5 or NetCDF-4 file", 12, "\x89HDF\r\n\x1a\n    "},
        {"a PNG image", 12, "\x89PNG\r\n\x1a\n    "},
        {"a JPEG image", 8, "\xff\xd8\xff\xe0    "},
        {"a zip archive", 8, "PK\x03\x04    "},
        {"a MATLAB file", 24, "MATLAB 5.0 MAT-file, Pla"},
        {"a NetCDF file", 8, "CDF\x01    "},
        {"a NumPy file", 8, "\x93NUMPY\x01\0"},
        {"a gzip file", 8, "\x1f\x8b\x08     "},
        {"an empty file", 0, ""},
        {"text", 3, "II*"},
        {"text", 14, "400,0.1\n500,0\n"},
        {"JSON text", 9, " {\"a\": 1}"},
        {"XML or HTML text", 6, "<html>"},
        {"binary data of no known format", 6, "\x01\x02\x00\x04\x05\x06"},
        {"binary data of no known format", 8, "II+\0\0\0\0\0"},
    };
    struct scratch s;
    (void)state;
    scratch_open(&s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e = {0};
        assert_int_equal(open_bytes(&s, cases[i].bytes, cases[i].length, false, &e), -1);
        expect_error(&e, ERR_FORMAT, cases[i].name, cases[i].name);
        expect_error(&e, ERR_FORMAT, "neither a TIFF nor an ENVI pair", cases[i].name);
    }
    scratch_close(&s);
}

static void test_half_an_envi_pair_is_refused(void **state)
{
    struct scratch s;
    struct cube *c;
    struct err e = {0};
    (void)state;
    scratch_open(&s);
    assert_int_equal(open_bytes(&s, data, sizeof data, true, &e), -1);
    expect_error(&e, ERR_INPUT, "without its header", "data alone, in a form");
    assert_int_equal(open_bytes(&s, data, sizeof data, false, &e), -1);
    expect_error(&e, ERR_FORMAT, ".hdr", "data alone, as a body");
    assert_int_equal(open_bytes(&s, "\x89PNG\r\n\x1a\n", 8, true, &e), -1);
    expect_error(&e, ERR_FORMAT, "a PNG image", "a PNG, in a form");
    assert_int_equal(open_bytes(&s, header, sizeof header - 1, false, &e), -1);
    expect_error(&e, ERR_INPUT, "without its data", "a header as the cube");
    char path[128];
    snprintf(path, sizeof path, "%s", scratch_write(&s, "cube.hdr", header, sizeof header - 1));
    assert_int_equal(cube_open(&c, &(struct cube_files){.header = path}, &cube_limits_default, &e), -1);
    expect_error(&e, ERR_INPUT, "without its data", "a header part alone");
    scratch_close(&s);
}

static void test_a_header_that_is_none_is_named(void **state)
{
    struct scratch s;
    struct cube *c;
    struct err e = {0};
    (void)state;
    scratch_open(&s);
    scratch_write(&s, "cube", data, sizeof data);
    scratch_write(&s, "cube.hdr", "\x89PNG\r\n\x1a\n", 8);
    assert_int_equal(envi_file_try(&s, "cube", &c, &e), -1);
    expect_error(&e, ERR_FORMAT, "not an ENVI header", "a PNG as header");
    expect_error(&e, ERR_FORMAT, "a PNG image", "a PNG as header");
    char *large = calloc(1, (1 << 20) + 1);
    scratch_write(&s, "cube.hdr", large, (1 << 20) + 1);
    free(large);
    assert_int_equal(envi_file_try(&s, "cube", &c, &e), -1);
    expect_error(&e, ERR_TOO_LARGE, "1048577 bytes", "a large header");
    scratch_write(&s, "cube", tiff, sizeof tiff);
    scratch_write(&s, "cube.hdr", header, sizeof header - 1);
    assert_int_equal(envi_file_try(&s, "cube", &c, &e), -1);
    expect_error(&e, ERR_INPUT, "a TIFF, which needs no ENVI header", "a TIFF with a header");
    scratch_close(&s);
}

static void test_what_is_no_file_does_not_block(void **state)
{
    struct scratch s;
    struct cube *c;
    struct err e = {0};
    (void)state;
    scratch_open(&s);
    assert_int_equal(mkfifo(scratch_path(&s, "pipe"), 0600), 0);
    assert_int_equal(cube_open(&c, &(struct cube_files){.data = s.path}, &cube_limits_default, &e), -1);
    expect_error(&e, ERR_INPUT, "not a regular file", "a pipe");
    assert_int_equal(cube_open(&c, &(struct cube_files){.data = s.folder}, &cube_limits_default, &e), -1);
    expect_error(&e, ERR_INPUT, "not a regular file", "a folder");
    assert_int_equal(cube_open(&c, &(struct cube_files){.data = scratch_path(&s, "no")}, &cube_limits_default, &e), -1);
    expect_error(&e, ERR_IO, "No such file", "nothing");
    scratch_close(&s);
}

int main(void)
{
    scene_init(16 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_either_file_names_the_pair),
        cmocka_unit_test(test_header_behind_the_whole_name_comes_first),
        cmocka_unit_test(test_a_tiff_needs_no_header_whatever_its_name),
        cmocka_unit_test(test_the_missing_half_is_named),
        cmocka_unit_test(test_other_formats_are_named),
        cmocka_unit_test(test_half_an_envi_pair_is_refused),
        cmocka_unit_test(test_a_header_that_is_none_is_named),
        cmocka_unit_test(test_what_is_no_file_does_not_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
