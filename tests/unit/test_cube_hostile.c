/* TIFFs that lie, are cut or damaged, and files beside them that want to be read. */
#include "base/file.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/random.h"
#include "tests/unit/support/tiff_file.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct tiff_form plain = {.columns = 20, .lines = 13, .bands = 4, .type = GDT_Int16};

static void test_claims_above_a_limit_are_refused(void **state)
{
    static const struct cube_limits tight = {.pixels = 259, .bands = 3, .inflation = 1000};
    static const struct cube_limits three = {.pixels = 260, .bands = 3, .inflation = 1000};
    struct tiff_form f = plain;
    (void)state;
    tiff_file_refused(&f, &three, ERR_LIMIT, "4 bands; at most 3");
    f.bands = 3;
    tiff_file_refused(&f, &tight, ERR_LIMIT, "260 pixels; at most 259");
    f = (struct tiff_form){
        .columns = 1000000,
        .lines = 1000000,
        .bands = 1,
        .type = GDT_Byte,
        .empty = true,
        .options = OPTIONS("SPARSE_OK=YES", "TILED=YES", "BLOCKXSIZE=32768", "BLOCKYSIZE=32768", "BIGTIFF=YES")};
    tiff_file_refused(&f, &cube_limits_default, ERR_LIMIT, "1000000000000 pixels");
    f.columns = f.lines = 90000;
    tiff_file_refused(&f, &cube_limits_default, ERR_LIMIT, "times its length");
    f = (struct tiff_form){.columns = 2000,
                           .lines = 2000,
                           .bands = 48,
                           .type = GDT_Int16,
                           .empty = true,
                           .options = OPTIONS("COMPRESS=ZSTD", "INTERLEAVE=PIXEL")};
    tiff_file_refused(&f, &cube_limits_default, ERR_LIMIT, "times its length");
}

/* 300 MB in one block, with all bands of a pixel together; each band by itself is small enough. */
static void test_blocks_that_take_too_much_memory_are_refused(void **state)
{
    static const struct cube_limits lenient = {.pixels = 1 << 30, .bands = 4096, .inflation = 1e9};
    struct tiff_form f = {
        .columns = 1024,
        .lines = 1024,
        .bands = 150,
        .type = GDT_Int16,
        .empty = true,
        .options = OPTIONS("SPARSE_OK=YES", "TILED=YES", "BLOCKXSIZE=1024", "BLOCKYSIZE=1024", "INTERLEAVE=PIXEL")};
    (void)state;
    tiff_file_refused(&f, &lenient, ERR_LIMIT, "blocks of 1024 x 1024 pixels, 314572800 bytes each");
    struct scratch s;
    struct cube *c;
    struct err e;
    f.options = OPTIONS("SPARSE_OK=YES", "TILED=YES", "BLOCKXSIZE=1024", "BLOCKYSIZE=1024", "INTERLEAVE=BAND");
    scratch_open(&s);
    const struct cube_files files = {.data = tiff_file_write(&s, "cube.tif", &f)};
    assert_int_equal(cube_open(&c, &files, &lenient, &e), 0);
    cube_close(c);
    scratch_close(&s);
}

struct tag {
    uint16_t id, type;
    uint32_t count, value;
};

static uint8_t *put(uint8_t *to, const void *bytes, size_t length)
{
    memcpy(to, bytes, length);
    return to + length;
}

static uint8_t *put_directory(uint8_t *to, const struct tag *tags, uint16_t count, uint32_t next)
{
    to = put(to, &count, sizeof count);
    to = put(to, tags, count * sizeof *tags);
    return put(to, &next, sizeof next);
}

/* 16 x 16 bytes, and a mask in one tile of side x side that is not there: GDAL writes no such file. */
static const char *write_masked(struct scratch *s, uint32_t side)
{
    enum { SHORT = 3, LONG = 4, FIRST = 8, SECOND = FIRST + 2 + 8 * 12 + 4, SAMPLES = 512 };
    const struct tag image[] = {{256, LONG, 1, 16}, {257, LONG, 1, 16},      {258, SHORT, 1, 8}, {259, SHORT, 1, 1},
                                {262, SHORT, 1, 1}, {273, LONG, 1, SAMPLES}, {278, LONG, 1, 16}, {279, LONG, 1, 256}};
    const struct tag mask[] = {{254, LONG, 1, 4},    {256, LONG, 1, 16}, {257, LONG, 1, 16}, {258, SHORT, 1, 1},
                               {259, SHORT, 1, 8},   {262, SHORT, 1, 4}, {277, SHORT, 1, 1}, {322, LONG, 1, side},
                               {323, LONG, 1, side}, {324, LONG, 1, 0},  {325, LONG, 1, 0}};
    uint8_t bytes[SAMPLES + 256] = "II*\0\x08\0\0";
    assert_ptr_equal(put_directory(bytes + FIRST, image, 8, SECOND), bytes + SECOND);
    put_directory(bytes + SECOND, mask, 11, 0);
    return scratch_write(s, "cube.tif", bytes, sizeof bytes);
}

static void test_a_mask_in_blocks_that_take_too_much_memory_is_refused(void **state)
{
    struct scratch s;
    struct cube *c;
    struct err e = {0};
    (void)state;
    scratch_open(&s);
    struct cube_files files = {.data = write_masked(&s, 16384)};
    if (cube_open(&c, &files, &cube_limits_default, &e) != 0)
        fail_msg("%s", e.message);
    assert_true(cube_describe(c)->has_mask);
    cube_close(c);
    files.data = write_masked(&s, 65536);
    assert_int_equal(cube_open(&c, &files, &cube_limits_default, &e), -1);
    expect_error(&e, ERR_LIMIT, "mask is cut into blocks of 65536 x 65536 pixels, 4294967296 bytes each", "the TIFF");
    assert_null(c);
    scratch_close(&s);
}

static void test_complex_samples_are_refused(void **state)
{
    static const GDALDataType types[] = {GDT_CInt16, GDT_CInt32, GDT_CFloat32, GDT_CFloat64};
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct tiff_form f = plain;
        f.type = types[i];
        f.empty = true;
        tiff_file_refused(&f, &cube_limits_default, ERR_INPUT, "complex");
    }
}

/* Strips that were never written are the file's nodata, without an error. */
static void test_missing_strips_are_nodata(void **state)
{
    static const int first = 0;
    struct tiff_form f = {.columns = 300,
                          .lines = 300,
                          .bands = 1,
                          .type = GDT_Int16,
                          .empty = true,
                          .options = OPTIONS("SPARSE_OK=YES")};
    struct scratch s;
    struct err e;
    int16_t samples[300];
    (void)state;
    scratch_open(&s);
    struct cube *c = tiff_file_open(&s, &f);
    assert_int_equal(cube_read(c, &first, 1, 0, 150, 300, 1, samples, 300, NULL, 0, NULL, &e), 0);
    for (int i = 0; i < 300; i++)
        assert_int_equal(samples[i], 0);
    cube_close(c);
    scratch_close(&s);
}

/* Opens and reads all; 0 if that went well, and then *right says whether the samples are those that were written. */
static int read_whole(const char *path, bool *right, struct err *e)
{
    static const int all[] = {0, 1, 2, 3};
    int16_t samples[13 * 4 * 20];
    struct cube *c;
    *right = true;
    if (cube_open(&c, &(struct cube_files){.data = path}, &cube_limits_default, e) != 0)
        return -1;
    const struct cube_description *d = cube_describe(c);
    int result = 0;
    if (d->columns != 20 || d->lines != 13 || d->bands != 4 || d->type != SAMPLE_INT16)
        *right = false;
    else
        result = cube_read(c, all, 4, 0, 0, 20, 13, samples, 20, NULL, 0, NULL, e);
    for (int i = 0; result == 0 && *right && i < 13 * 4 * 20; i++)
        *right = samples[i] == tiff_file_value(i / 80, i / 20 % 4, i % 20);
    cube_close(c);
    return result;
}

static const char *const *const kinds[] = {
    OPTIONS("BLOCKYSIZE=1"),
    OPTIONS("INTERLEAVE=BAND", "BLOCKYSIZE=5"),
    OPTIONS("COMPRESS=DEFLATE", "PREDICTOR=2", "BLOCKYSIZE=2"),
    OPTIONS("TILED=YES", "BLOCKXSIZE=16", "BLOCKYSIZE=16", "COMPRESS=LZW"),
};

static uint8_t *made(struct scratch *s, const char *const *options, size_t *length)
{
    struct tiff_form f = plain;
    struct err e;
    uint8_t *bytes;
    f.options = options;
    assert_int_equal(file_read(&bytes, length, tiff_file_write(s, "whole.tif", &f), 1 << 24, &e), 0);
    return bytes;
}

/* However much is cut off, there is an error: at opening or at reading. */
static void test_a_cut_tiff_is_never_read_as_something_else(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        struct scratch s;
        size_t length;
        int late = 0;
        scratch_open(&s);
        uint8_t *bytes = made(&s, kinds[k], &length);
        for (size_t cut = 4; cut < length; cut += 1 + length / 97) {
            struct err e = {0};
            bool right;
            if (read_whole(scratch_write(&s, "cube.tif", bytes, cut), &right, &e) == 0)
                fail_msg("kind %zu cut to %zu of %zu bytes was read", k, cut, length);
            assert_true(e.code == ERR_INPUT || e.code == ERR_LIMIT);
            late += strstr(e.message, "truncated or damaged near line ") != NULL;
        }
        assert_true(late > 0);
        free(bytes);
        scratch_close(&s);
    }
}

/* Damage may go unseen in samples that are not compressed, but nothing breaks, and the next good file is read. */
static void test_a_damaged_tiff_harms_nobody(void **state)
{
    struct random r = {77};
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        struct scratch s;
        size_t length;
        scratch_open(&s);
        uint8_t *bytes = made(&s, kinds[k], &length), *copy = malloc(length);
        bool right;
        struct err e = {0};
        for (int i = 0; i < 400; i++) {
            memcpy(copy, bytes, length);
            for (uint64_t n = 1 + random_below(&r, 4); n > 0; n--)
                copy[random_below(&r, i % 2 == 0 && length > 400 ? 400 : length)] = (uint8_t)random_next(&r);
            read_whole(scratch_write(&s, "cube.tif", copy, length), &right, &e);
        }
        assert_int_equal(read_whole(scratch_write(&s, "cube.tif", bytes, length), &right, &e), 0);
        assert_true(right);
        free(bytes);
        free(copy);
        scratch_close(&s);
    }
}

static char trap[160];

static void name_overview(GDALDatasetH d)
{
    GDALSetMetadataItem(d, "OVERVIEW_FILE", trap, "OVERVIEWS");
    GDALSetMetadataItem(d, "OVERVIEW_FILE", trap, NULL);
}

/* A TIFF's metadata may name any file or address as its overview; and sidecars may lie about everything. */
static void test_no_other_file_is_opened(void **state)
{
    static const char *const beside[] = {"cube.tif.aux.xml", "cube.tif.ovr", "cube.tif.msk", "cube.tfw",
                                         "cube.wld",         "cube.tab",     "cube_RPC.TXT", "cube.RPB",
                                         "cube.aux",         "cube.tif.hdr", "cube.hdr"};
    static const int all[] = {0, 1, 2, 3};
    struct scratch s;
    struct err e;
    int16_t samples[13 * 4 * 20];
    char events[4096];
    struct tiff_form f = plain;
    (void)state;
    scratch_open(&s);
    snprintf(trap, sizeof trap, "%s", scratch_write(&s, "trap.tif", "II*\0\x08\0\0\0", 8));
    f.change = name_overview;
    char path[128];
    snprintf(path, sizeof path, "%s", tiff_file_write(&s, "cube.tif", &f));
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++)
        scratch_write(&s, beside[i], "1\n0\n0\n-1\n7\n7\n", 13);
    int watch = inotify_init1(IN_NONBLOCK);
    assert_true(inotify_add_watch(watch, s.folder, IN_OPEN | IN_CREATE | IN_MODIFY) >= 0);
    struct cube *c;
    assert_int_equal(cube_open(&c, &(struct cube_files){.data = path}, &cube_limits_default, &e), 0);
    assert_int_equal(cube_read(c, all, 4, 0, 0, 20, 13, samples, 20, NULL, 0, NULL, &e), 0);
    assert_false(cube_describe(c)->has_geotransform);
    assert_false(cube_describe(c)->has_mask);
    cube_close(c);
    ssize_t got = read(watch, events, sizeof events);
    for (ssize_t at = 0; at < got;) {
        struct inotify_event event;
        memcpy(&event, events + at, sizeof event);
        assert_string_equal(events + at + sizeof event, "cube.tif");
        at += (ssize_t)(sizeof event + event.len);
    }
    assert_true(got > 0);
    close(watch);
    scratch_close(&s);
}

int main(void)
{
    scene_init(16 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims_above_a_limit_are_refused),
        cmocka_unit_test(test_blocks_that_take_too_much_memory_are_refused),
        cmocka_unit_test(test_a_mask_in_blocks_that_take_too_much_memory_is_refused),
        cmocka_unit_test(test_complex_samples_are_refused),
        cmocka_unit_test(test_missing_strips_are_nodata),
        cmocka_unit_test(test_a_cut_tiff_is_never_read_as_something_else),
        cmocka_unit_test(test_a_damaged_tiff_harms_nobody),
        cmocka_unit_test(test_no_other_file_is_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
