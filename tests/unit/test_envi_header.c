/* ENVI headers: what is refused and with what words, and what is odd but lawful. */
#include "scene/envi_header.h"
#include "tests/unit/support/expect.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct envi_rules rules = {.bands_most = 4096, .pixels_most = 10000000000};

#define SIZES  "samples = 4\nlines = 3\nbands = 2\n"
#define LAYOUT "data type = 2\ninterleave = bil\nbyte order = 0\n"
#define GOOD   "ENVI\n" SIZES "header offset = 0\n" LAYOUT

static int parse(struct envi_header *h, const char *text, struct err *e)
{
    *e = (struct err){0};
    return envi_header_parse(h, text, strlen(text), &rules, e);
}

static const struct refused {
    enum err_code code;
    const char *text, *part;
} refused[] = {
    {ERR_FORMAT, "", "first line is not 'ENVI'"},
    {ERR_FORMAT, SIZES LAYOUT, "first line is not 'ENVI'"},
    {ERR_FORMAT, "ENVISAT\n" SIZES LAYOUT, "first line is not 'ENVI'"},
    {ERR_FORMAT, "\nENVI\n" SIZES LAYOUT, "first line is not 'ENVI'"},
    {ERR_INPUT, "ENVI", "does not say 'samples'"},
    {ERR_INPUT, "ENVI\nsamples = 4\nbands = 2\n" LAYOUT, "does not say 'lines'"},
    {ERR_INPUT, "ENVI\nsamples = 4\nlines = 3\n" LAYOUT, "does not say 'bands'"},
    {ERR_INPUT, "ENVI\n" SIZES "interleave = bil\nbyte order = 0\n", "does not say 'data type'"},
    {ERR_INPUT, "ENVI\n" SIZES "data type = 2\nbyte order = 0\n", "does not say 'interleave'"},
    {ERR_INPUT, "ENVI\n" SIZES "data type = 2\ninterleave = bil\n", "does not say 'byte order'"},
    {ERR_INPUT, GOOD "samples = 5\n", "'samples' twice"},
    {ERR_INPUT, GOOD "data_type = 12\n", "'data type' twice"},
    {ERR_INPUT, "ENVI\nsamples = 0\nlines = 3\nbands = 2\n" LAYOUT, "'samples' is '0'; it must be an integer from 1"},
    {ERR_INPUT, "ENVI\nsamples = -4\nlines = 3\nbands = 2\n" LAYOUT, "'samples' is '-4'"},
    {ERR_INPUT, "ENVI\nsamples = 4.0\nlines = 3\nbands = 2\n" LAYOUT, "'samples' is '4.0'"},
    {ERR_INPUT, "ENVI\nsamples =\nlines = 3\nbands = 2\n" LAYOUT, "'samples' is ''"},
    {ERR_INPUT, "ENVI\nsamples = 4x\nlines = 3\nbands = 2\n" LAYOUT, "'samples' is '4x'"},
    {ERR_INPUT, "ENVI\nsamples = 99999999999999999999\nlines = 3\nbands = 2\n" LAYOUT, "'samples'"},
    {ERR_INPUT, "ENVI\nsamples = 4\nlines = 3000000000\nbands = 2\n" LAYOUT, "'lines'"},
    {ERR_LIMIT, "ENVI\nsamples = 4\nlines = 3\nbands = 4097\n" LAYOUT, "4097 bands; at most 4096"},
    {ERR_LIMIT, "ENVI\nsamples = 2000000000\nlines = 2000000000\nbands = 2\n" LAYOUT, "4000000000000000000 pixels"},
    {ERR_LIMIT, "ENVI\nsamples = 2000000\nlines = 3\nbands = 4000\n" LAYOUT, "a line of the ENVI data"},
    {ERR_LIMIT, "ENVI\n" SIZES LAYOUT "header offset = 9223372036854775807\n", "more bytes than a file can have"},
    {ERR_INPUT, "ENVI\n" SIZES LAYOUT "header offset = -1\n", "'header offset' is '-1'"},
    {ERR_INPUT, "ENVI\n" SIZES LAYOUT "header offset = 9223372036854775808\n", "'header offset'"},
    {ERR_INPUT, "ENVI\n" SIZES "data type = 6\ninterleave = bil\nbyte order = 0\n", "complex"},
    {ERR_INPUT, "ENVI\n" SIZES "data type = 9\ninterleave = bil\nbyte order = 0\n", "complex"},
    {ERR_INPUT, "ENVI\n" SIZES "data type = 14\ninterleave = bil\nbyte order = 0\n", "64-bit integers"},
    {ERR_INPUT, "ENVI\n" SIZES "data type = 15\ninterleave = bil\nbyte order = 0\n", "64-bit integers"},
    {ERR_INPUT, "ENVI\n" SIZES "data type = 7\ninterleave = bil\nbyte order = 0\n", "7 is not a type"},
    {ERR_INPUT, "ENVI\n" SIZES "data type = 2\ninterleave = bsx\nbyte order = 0\n", "'interleave' is 'bsx'"},
    {ERR_INPUT, "ENVI\n" SIZES "data type = 2\ninterleave = bil\nbyte order = 2\n", "'byte order' is '2'"},
    {ERR_INPUT, GOOD "file type = ENVI Classification\n", "'ENVI Classification'; only 'ENVI Standard'"},
    {ERR_INPUT, GOOD "file type = ENVI Spectral Library\n", "'ENVI Spectral Library'"},
    {ERR_INPUT, GOOD "file compression = 1\n", "compressed"},
    {ERR_INPUT, GOOD "major frame offsets = {0, 16}\n", "'major frame offsets' are not 0"},
    {ERR_INPUT, GOOD "minor frame offsets = {8, 0}\n", "'minor frame offsets' are not 0"},
    {ERR_INPUT, GOOD "wavelength = {400, 500, 600}\n", "'wavelength' lists 3 values for 2 bands"},
    {ERR_INPUT, GOOD "wavelength = {400}\n", "'wavelength' lists 1 values for 2 bands"},
    {ERR_INPUT, GOOD "wavelength = {400, abc}\n", "'wavelength' holds 'abc' where number 2 should be"},
    {ERR_INPUT, GOOD "wavelength = {400,, 500}\n", "'wavelength' holds '' where number 2 should be"},
    {ERR_INPUT, GOOD "wavelength = {400, 1e999}\n", "'wavelength' holds '1e999'"},
    {ERR_INPUT, GOOD "wavelength = {400,\n500\n", "never closes the brace of 'wavelength'"},
    {ERR_INPUT, GOOD "description = {", "never closes the brace of 'description'"},
    {ERR_INPUT, GOOD "fwhm = {1, 2, 3}\n", "'fwhm' lists 3"},
    {ERR_INPUT, GOOD "bbl = {1}\n", "'bbl' lists 1"},
    {ERR_INPUT, GOOD "data gain values = {1, 2, 3}\n", "'data gain values' lists 3"},
    {ERR_INPUT, GOOD "data offset values = {1}\n", "'data offset values' lists 1"},
    {ERR_INPUT, GOOD "data ignore value = {0, 1}\n", "'data ignore value' must be one number"},
    {ERR_INPUT, GOOD "data ignore value = none\n", "'data ignore value' holds 'none'"},
    {ERR_INPUT, GOOD "reflectance scale factor = ten\n", "'reflectance scale factor' holds 'ten'"},
    {ERR_INPUT, GOOD "data ignore value = 0x10\n", "'data ignore value' holds '0x10'"},
};

static void test_malformed_header_is_refused_with_the_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct envi_header h;
        struct err e;
        if (parse(&h, refused[i].text, &e) == 0)
            fail_msg("accepted: %s", refused[i].text);
        expect_error(&e, refused[i].code, refused[i].part, refused[i].text);
        assert_null(h.wavelength_nm);
    }
}

static const char *const odd[] = {
    "ENVI  \t\n" SIZES LAYOUT,
    "\xef\xbb\xbf"
    "ENVI\n" SIZES LAYOUT,
    "ENVI\r\nsamples = 4\r\nlines = 3\r\nbands = 2\r\ndata type = 2\r\ninterleave = bil\r\nbyte order = 0\r\n",
    "ENVI\rsamples = 4\rlines = 3\rbands = 2\rdata type = 2\rinterleave = bil\rbyte order = 0",
    "ENVI\n  SAMPLES=4\nLines   =3\nbAnDs= 2 \ndata   type\t=\t2\nInterleave = BIL\nbyte_order = 0\n",
    GOOD "samples = 4\n", /* twice, the same */
    GOOD "; samples = 5\n  ; lines = 7\n; a brace = {that never ends\n",
    GOOD "a line without a sign\n\n= \n=nothing\nunknown = {1, 2}\n",
    GOOD "description = {\n  samples = 9\n  lines = 9}\n",
    GOOD "description = {a {nested} brace}\nband names = {\n a,\n b}\n",
    GOOD "description = {}\nwavelength = {}\n",
    GOOD "file type = envi standard\nfile compression = 0\nmajor frame offsets = {0, 0}\n",
    GOOD "default bands = {red, 70, -1}\n",
    GOOD "x start = -17\nsensor type = Unknown\nclasses = 3\n",
    "ENVI\n" SIZES "data type = +2\ninterleave = bil\nbyte order = 00\nheader offset = 0\n",
};

static void test_odd_header_is_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct envi_header h;
        struct err e;
        if (parse(&h, odd[i], &e) != 0)
            fail_msg("%s: refused: %s", odd[i], e.message);
        if (h.samples != 4 || h.lines != 3 || h.bands != 2 || h.type != SAMPLE_INT16 || h.interleave != ENVI_BIL ||
            h.big_endian || h.offset != 0)
            fail_msg("%s: misunderstood", odd[i]);
        assert_int_equal(envi_header_data_bytes(&h), 48);
        envi_header_release(&h);
    }
}

static void test_every_data_type_and_interleave(void **state)
{
    static const struct {
        int code;
        enum sample_type type;
    } types[] = {{1, SAMPLE_UINT8},   {2, SAMPLE_INT16},   {3, SAMPLE_INT32},  {4, SAMPLE_FLOAT32},
                 {5, SAMPLE_FLOAT64}, {12, SAMPLE_UINT16}, {13, SAMPLE_UINT32}};
    static const char *const names[] = {[ENVI_BSQ] = "bsq", [ENVI_BIL] = "BIL", [ENVI_BIP] = "Bip"};
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
        for (int i = 0; i < 3; i++) {
            struct envi_header h;
            struct err e;
            char text[200];
            snprintf(text, sizeof text, "ENVI\n" SIZES "data type = %d\ninterleave = %s\nbyte order = 1\n",
                     types[t].code, names[i]);
            assert_int_equal(parse(&h, text, &e), 0);
            assert_int_equal(h.type, types[t].type);
            assert_int_equal(h.interleave, i);
            assert_true(h.big_endian);
            envi_header_release(&h);
        }
}

static void test_lists_run_over_lines_with_comments_and_odd_blanks(void **state)
{
    struct envi_header h;
    struct err e;
    (void)state;
    assert_int_equal(parse(&h,
                           GOOD "wavelength units = Micrometers\nwavelength = {\r\n\t0.5 ,\r\n; 0.6,\r\n\r\n  .75,}\r\n"
                                "fwhm={5e-3 , 1.E-2}\nbbl = { 0\n1 }\ndata gain values = {1e-4,nan}\n"
                                "data offset values = {0,-0.5}\ndata ignore value = -9999.00\n"
                                "reflectance scale factor = 10000.000\ndefault bands = {2, 1, 2}\n",
                           &e),
                     0);
    assert_float_equal(h.wavelength_nm[0], 500, 1e-9);
    assert_float_equal(h.wavelength_nm[1], 750, 1e-9);
    assert_float_equal(h.fwhm_nm[0], 5, 1e-9);
    assert_float_equal(h.fwhm_nm[1], 10, 1e-9);
    assert_true(h.bad[0] && !h.bad[1]);
    assert_true(h.gain[0] == 1e-4 && isnan(h.gain[1]) && h.offsets[1] == -0.5);
    assert_true(h.has_ignore_value && h.ignore_value == -9999);
    assert_true(h.has_reflectance_scale_factor && h.reflectance_scale_factor == 10000);
    assert_true(h.default_bands[0] == 2 && h.default_bands[1] == 1 && h.default_bands[2] == 2);
    envi_header_release(&h);
}

static void test_width_of_a_wavenumber_is_that_of_its_wavelength(void **state)
{
    struct envi_header h;
    struct err e;
    (void)state;
    assert_int_equal(
        parse(&h, GOOD "wavelength units = Wavenumber\nwavelength = {25000, 20000}\nfwhm = {625, -1}\n", &e), 0);
    assert_float_equal(h.fwhm_nm[0], 10, 1e-9); /* 25000 cm-1 +- 312.5 is 400 nm +- 5 */
    assert_true(isnan(h.fwhm_nm[1]));
    envi_header_release(&h);
}

static void test_wavelength_units(void **state)
{
    static const struct {
        const char *text;
        double first; /* nm; 0: not wavelengths */
    } cases[] = {
        {"wavelength = {400, 500}\n", 400},
        {"wavelength = {0.4, 2.5}\n", 400},
        {"wavelength = {0.4, 500}\n", 0},
        {"wavelength = {1, 2}\n", 0},
        {"wavelength units = Unknown\nwavelength = {0.4, 2.5}\n", 400},
        {"wavelength units = unknown\nwavelength = {400, 2500}\n", 400},
        {"wavelength units = nm\nwavelength = {400, 500}\n", 400},
        {"wavelength units = Nanometers\nwavelength = {0.4, 0.5}\n", 0.4},
        {"wavelength units = MICROMETERS\nwavelength = {0.4, 0.5}\n", 400},
        {"wavelength units = um\nwavelength = {0.4, 0.5}\n", 400},
        {"wavelength units = \xc2\xb5m\nwavelength = {0.4, 0.5}\n", 400},
        {"wavelength units = micrometres\nwavelength = {0.4, 0.5}\n", 400},
        {"wavelength units = Angstroms\nwavelength = {4000, 5000}\n", 400},
        {"wavelength units = mm\nwavelength = {0.0004, 0.0005}\n", 400},
        {"wavelength units = m\nwavelength = {4e-7, 5e-7}\n", 400},
        {"wavelength units = Wavenumber\nwavelength = {25000, 20000}\n", 400},
        {"wavelength units = GHz\nwavelength = {749481.145, 500000}\n", 400},
        {"wavelength units = MHz\nwavelength = {749481145, 500000000}\n", 400},
        {"wavelength units = Index\nwavelength = {400, 500}\n", 0},
        {"fwhm = {5, 5}\n", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct envi_header h;
        struct err e;
        char text[400];
        snprintf(text, sizeof text, GOOD "%s", cases[i].text);
        if (parse(&h, text, &e) != 0)
            fail_msg("%s: %s", cases[i].text, e.message);
        double first = h.wavelength_nm == NULL ? 0 : h.wavelength_nm[0];
        if (fabs(first - cases[i].first) > 1e-9)
            fail_msg("%s: %g nm, not %g", cases[i].text, first, cases[i].first);
        assert_null(h.fwhm_nm);
        envi_header_release(&h);
    }
}

static void test_a_wavelength_that_is_none_is_not_known(void **state)
{
    struct envi_header h;
    struct err e;
    (void)state;
    assert_int_equal(parse(&h, GOOD "wavelength units = nm\nwavelength = {500, 0}\nfwhm = {-1, nan}\n", &e), 0);
    assert_true(h.wavelength_nm[0] == 500 && isnan(h.wavelength_nm[1]) && isnan(h.fwhm_nm[0]) && isnan(h.fwhm_nm[1]));
    envi_header_release(&h);
}

static void test_very_long_lists(void **state)
{
    struct envi_header h;
    struct err e;
    size_t used = 0, size = 200000;
    char *text = malloc(size);
    (void)state;
    used += (size_t)snprintf(text, size, "ENVI\nsamples = 1\nlines = 1\nbands = 4096\n" LAYOUT "wavelength = {");
    for (int i = 0; i < 4096; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%.6f", i == 0 ? "" : ",\n  ", 400 + 0.5 * i);
    snprintf(text + used, size - used, "}\n");
    assert_int_equal(parse(&h, text, &e), 0);
    assert_true(h.wavelength_nm[4095] == 400 + 0.5 * 4095);
    envi_header_release(&h);
    free(text);
}

static void test_header_above_a_mebibyte_is_too_large(void **state)
{
    struct envi_header h;
    struct err e;
    char *text = malloc(ENVI_HEADER_MOST + 1);
    (void)state;
    memset(text, '\n', ENVI_HEADER_MOST + 1);
    memcpy(text, GOOD, strlen(GOOD));
    assert_int_equal(envi_header_parse(&h, text, ENVI_HEADER_MOST, &rules, &e), 0);
    envi_header_release(&h);
    assert_int_equal(envi_header_parse(&h, text, ENVI_HEADER_MOST + 1, &rules, &e), -1);
    expect_error(&e, ERR_TOO_LARGE, "at most 1048576", "one byte too many");
    free(text);
}

static void test_nul_byte_is_refused(void **state)
{
    struct envi_header h;
    struct err e;
    char text[] = GOOD "band names = {a}\n";
    (void)state;
    text[sizeof GOOD + 3] = '\0';
    assert_int_equal(envi_header_parse(&h, text, sizeof text - 1, &rules, &e), -1);
    expect_error(&e, ERR_INPUT, "NUL", "a NUL byte");
}

static void test_classification_is_read_only_where_it_may_be(void **state)
{
    static const char text[] = GOOD "file type = ENVI Classification\nclasses = 3\n";
    struct envi_rules lenient = rules;
    struct envi_header h;
    struct err e;
    (void)state;
    lenient.classification = true;
    assert_int_equal(envi_header_parse(&h, text, strlen(text), &lenient, &e), 0);
    assert_true(h.classification);
    envi_header_release(&h);
}

static void test_data_length_must_be_exact(void **state)
{
    struct envi_header h;
    struct err e;
    (void)state;
    assert_int_equal(parse(&h, "ENVI\n" SIZES LAYOUT "header offset = 100\n", &e), 0);
    assert_int_equal(envi_header_check_length(&h, 148, &e), 0);
    assert_int_equal(envi_header_check_length(&h, 147, &e), -1);
    expect_error(&e, ERR_INPUT, "truncated", "one byte short");
    expect_error(&e, ERR_INPUT, "148 bytes, and the data has 147", "one byte short");
    assert_int_equal(envi_header_check_length(&h, 149, &e), -1);
    expect_error(&e, ERR_INPUT, "too long", "one byte over");
    envi_header_release(&h);
}

/* What GDAL gets holds nothing of the stranger's but the georeference. */
static void test_header_for_gdal_says_the_layout_and_the_place(void **state)
{
    struct envi_header h, again;
    struct err e;
    char *text;
    (void)state;
    assert_int_equal(parse(&h,
                           GOOD
                           "map info = {UTM, 1, 1, 500000, 4000000, 30, 30,\n 11, North}\nheader offset = 0\n"
                           "coordinate system string = {PROJCS[\"a{b}c\"]}\ndescription = {secret}\nfwhm = {1, 2}\n"
                           "rpc info = {1, 2}\ngeo points = {}\n",
                           &e),
                     0);
    h.offset = 77;
    assert_int_equal(envi_header_write(&h, &text, &e), 0);
    assert_non_null(strstr(text, "map info = {UTM, 1, 1, 500000, 4000000, 30, 30, 11, North}\n"));
    assert_non_null(strstr(text, "coordinate system string = {PROJCS[\"a b c\"]}\n"));
    assert_non_null(strstr(text, "header offset = 0\n"));
    assert_null(strstr(text, "secret"));
    assert_null(strstr(text, "fwhm"));
    assert_null(strstr(text, "rpc"));
    assert_null(strstr(text, "geo points"));
    assert_int_equal(parse(&again, text, &e), 0);
    assert_true(again.samples == 4 && again.lines == 3 && again.bands == 2 && again.data_type == 2 &&
                again.interleave == ENVI_BIL);
    envi_header_release(&again);
    envi_header_release(&h);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed_header_is_refused_with_the_key),
        cmocka_unit_test(test_odd_header_is_understood),
        cmocka_unit_test(test_every_data_type_and_interleave),
        cmocka_unit_test(test_lists_run_over_lines_with_comments_and_odd_blanks),
        cmocka_unit_test(test_width_of_a_wavenumber_is_that_of_its_wavelength),
        cmocka_unit_test(test_wavelength_units),
        cmocka_unit_test(test_a_wavelength_that_is_none_is_not_known),
        cmocka_unit_test(test_very_long_lists),
        cmocka_unit_test(test_header_above_a_mebibyte_is_too_large),
        cmocka_unit_test(test_nul_byte_is_refused),
        cmocka_unit_test(test_classification_is_read_only_where_it_may_be),
        cmocka_unit_test(test_data_length_must_be_exact),
        cmocka_unit_test(test_header_for_gdal_says_the_layout_and_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
