/* What GDAL can open: two names of a source, as long as it is open, for reading. */
#include "scene/cube.h"
#include "scene/gdal_source.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/scratch.h"
#include <cpl_vsi.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char bytes[] = "0123456789";

/* GDAL sees "23456789". */
static struct gdal_source *open_source(struct scratch *s, const char *header)
{
    struct gdal_source *source;
    struct err e;
    int fd = open(scratch_write(s, "data", bytes, 10), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(gdal_source_open(&source, fd, 2, 8, header, &e), 0);
    return source;
}

static bool opens(const struct gdal_source *source, const char *more, const char *access)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s", gdal_source_name(source), more);
    VSILFILE *f = VSIFOpenL(name, access);
    VSIStatBufL status;
    if (strcmp(access, "rb") == 0)
        assert_int_equal(VSIStatL(name, &status) == 0, f != NULL);
    if (f != NULL)
        VSIFCloseL(f);
    return f != NULL;
}

static void test_only_its_two_names_open_and_only_for_reading(void **state)
{
    static const char *const others[] = {".aux.xml", ".ovr", ".msk", ".hd",     ".hdr.aux.xml",
                                         "/",        "x",    ".HDR", "/../data"};
    struct scratch s;
    (void)state;
    scratch_open(&s);
    struct gdal_source *alone = open_source(&s, NULL), *pair = open_source(&s, "ENVI");
    assert_true(opens(alone, "", "rb") && opens(pair, "", "rb") && opens(pair, ".hdr", "rb"));
    assert_false(opens(alone, ".hdr", "rb"));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(opens(pair, others[i], "rb"));
    assert_false(opens(pair, "", "rb+") || opens(pair, "", "wb") || opens(pair, ".hdr", "ab") ||
                 opens(pair, ".new", "wb"));
    assert_int_not_equal(strcmp(gdal_source_name(alone), gdal_source_name(pair)), 0);
    char name[128];
    snprintf(name, sizeof name, "%s", gdal_source_name(alone));
    gdal_source_close(alone);
    assert_null(VSIFOpenL(name, "rb"));
    assert_true(opens(pair, "", "rb"));
    gdal_source_close(pair);
    scratch_close(&s);
}

static void test_data_and_header_read_as_files_do(void **state)
{
    struct scratch s;
    char got[16] = "";
    (void)state;
    scratch_open(&s);
    struct gdal_source *source = open_source(&s, "ENVI\nx = 1\n");
    VSILFILE *f = VSIFOpenL(gdal_source_name(source), "rb");
    assert_int_equal(VSIFReadL(got, 1, 3, f), 3);
    assert_memory_equal(got, "234", 3);
    assert_int_equal(VSIFSeekL(f, 0, SEEK_END), 0);
    assert_int_equal(VSIFTellL(f), 8);
    assert_int_equal(VSIFSeekL(f, 5, SEEK_SET), 0);
    assert_int_equal(VSIFReadL(got, 2, 4, f), 1); /* three bytes are left: one whole item */
    assert_memory_equal(got, "789", 3);
    assert_true(VSIFEofL(f));
    assert_int_equal(VSIFSeekL(f, 100, SEEK_SET), 0);
    assert_false(VSIFEofL(f));
    assert_int_equal(VSIFReadL(got, 1, 1, f), 0);
    assert_int_equal(gdal_source_failure(source), 0); /* reading beyond the end is no fault of the file's */
    VSIFCloseL(f);
    char name[128];
    snprintf(name, sizeof name, "%s.hdr", gdal_source_name(source));
    f = VSIFOpenL(name, "rb");
    assert_int_equal(VSIFReadL(got, 1, 16, f), 11);
    assert_memory_equal(got, "ENVI\nx = 1\n", 11);
    VSIFCloseL(f);
    gdal_source_close(source);
    scratch_close(&s);
}

static void test_a_file_that_became_shorter_is_remembered(void **state)
{
    struct scratch s;
    char got[8];
    (void)state;
    scratch_open(&s);
    struct gdal_source *source = open_source(&s, NULL);
    VSILFILE *f = VSIFOpenL(gdal_source_name(source), "rb");
    assert_int_equal(truncate(scratch_path(&s, "data"), 5), 0);
    assert_int_equal(VSIFReadL(got, 1, 8, f), 3);
    assert_int_not_equal(gdal_source_failure(source), 0);
    VSIFCloseL(f);
    gdal_source_close(source);
    scratch_close(&s);
}

int main(void)
{
    scene_init(16 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_its_two_names_open_and_only_for_reading),
        cmocka_unit_test(test_data_and_header_read_as_files_do),
        cmocka_unit_test(test_a_file_that_became_shorter_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
