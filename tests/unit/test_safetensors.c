/* A file that breaks a promise of the format is refused with a sentence, and half-precision values widen exactly. */
#include "model/safetensors.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/package_draft.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The bytes of a file with this header and so many bytes of data; for free(). */
static uint8_t *file_of(const char *header, size_t data, size_t *length)
{
    uint64_t prefix = strlen(header);
    *length = sizeof prefix + prefix + data;
    uint8_t *bytes = calloc(*length, 1);
    assert_non_null(bytes);
    memcpy(bytes, &prefix, sizeof prefix);
    memcpy(bytes + sizeof prefix, header, prefix);
    return bytes;
}

#define GOOD_A "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
#define GOOD_B "\"b\":{\"dtype\":\"F16\",\"shape\":[2,1],\"data_offsets\":[8,12]}"

static const struct {
    const char *header;
    size_t data;
    const char *message;
} malformed[] = {
    {"[" GOOD_A "]", 8, "does not begin with {"},
    {" {" GOOD_A "}", 8, "does not begin with {"},
    {"\xff\xff", 0, "does not begin with {"},
    {"{" GOOD_A, 8, "not valid JSON"},
    {"{" GOOD_A "}}", 8, "not valid JSON"},
    {"{" GOOD_A ",}", 8, "not valid JSON"},
    {"{" GOOD_A "," GOOD_A "}", 8, "\"a\" appears twice"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "appears twice"},
    {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "appears twice"},
    {"{\"__metadata__\":{\"k\":\"a\\u0000b\"}}", 0, "NUL"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "\"k\" is not a string"},
    {"{\"__metadata__\":{\"k\":{}}}", 0, "\"k\" is not a string"},
    {"{\"__metadata__\":null}", 0, "not an object"},
    {"{\"__metadata__\":\"text\"}", 0, "not an object"},
    {"{" GOOD_A "}", 9, "1 bytes at the end of the file"},
    {"{" GOOD_A "}", 7, "do not lie in the file"},
    {"{" GOOD_A "}", 0, "do not lie in the file"},
    {"{}", 1, "1 bytes at the end of the file"},
    {"{\"a\":1}", 0, "tensor a: has no dtype"},
    {"{\"a\":null}", 0, "tensor a: has no dtype"},
    {"{\"a\":[]}", 0, "tensor a: has no dtype"},
    {"{\"a\":{}}", 0, "tensor a: has no dtype"},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "no shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":{\"0\":1},\"data_offsets\":[0,4]}}", 4, "no shape"},
    {"{\"a\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no dtype"},
    {"{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown dtype F33"},
    {"{\"a\":{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown dtype f32"},
    {"{\"a\":{\"DTYPE\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no dtype"},
    {"{\"a\":{\"dtype\":\"\\u001b[31m\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown dtype ?[31m"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "dimension 1 is not"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,0.5],\"data_offsets\":[0,4]}}", 4, "dimension 2 is not"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1e30],\"data_offsets\":[0,4]}}", 4, "dimension 1 is not"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1e999],\"data_offsets\":[0,4]}}", 4, "too large"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[\"1\"],\"data_offsets\":[0,4]}}", 4, "dimension 1 is not"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[[1]],\"data_offsets\":[0,4]}}", 4, "dimension 1 is not"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[01],\"data_offsets\":[0,4]}}", 4, "not valid JSON"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "more than 8 dimensions"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, "overflows"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,1073741824],\"data_offsets\":[0,0]}}", 0, "overflows"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "shape (2) of F32 needs 8 bytes"},
    {"{\"a\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, "shape () of F16 needs 2 bytes"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "do not lie"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "not two positions"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "not two positions"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "not two positions"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0.5,4.5]}}", 8, "not two positions"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":{\"0\":0,\"1\":4}}}", 4, "not two positions"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[18446744073709551612,4]}}", 4, "not two positions"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "behind a hole"},
    {"{" GOOD_A ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}", 16,
     "tensor b: its data begin at 12"},
    {"{" GOOD_A ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "inside another tensor's"},
    {"{" GOOD_A ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "inside another tensor's"},
    {"{\"a\\n\\u001b[31m\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "tensor a??[31m: "},
};

static void test_broken_promises_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        size_t length;
        uint8_t *bytes = file_of(malformed[i].header, malformed[i].data, &length);
        struct safetensors *s;
        struct err e;
        if (safetensors_parse(&s, bytes, length, &e) == 0)
            fail_msg("accepted: %s", malformed[i].header);
        assert_null(s);
        expect_error(&e, ERR_INPUT, malformed[i].message, malformed[i].header);
        free(bytes);
    }
}

static void test_lying_header_lengths_are_refused(void **state)
{
    (void)state;
    static const uint64_t lies[] = {0, 1, 1000, 100000001, 1ull << 63, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        size_t length;
        uint8_t *bytes = file_of("{" GOOD_A "}", 8, &length);
        struct safetensors *s;
        struct err e;
        memcpy(bytes, &lies[i], sizeof lies[i]);
        assert_int_equal(safetensors_parse(&s, bytes, length, &e), -1);
        expect_error(&e, ERR_INPUT, "a header of", "a lie");
        free(bytes);
    }
}

/* Untouched zeros cost nothing; what counts is that nobody looks at them. */
static void test_header_of_more_than_the_format_allows_is_refused(void **state)
{
    (void)state;
    uint64_t header = SAFETENSORS_MAX_HEADER + 1;
    size_t length = sizeof header + header;
    uint8_t *bytes = calloc(length, 1);
    struct safetensors *s;
    struct err e;
    assert_non_null(bytes);
    memcpy(bytes, &header, sizeof header);
    assert_int_equal(safetensors_parse(&s, bytes, length, &e), -1);
    expect_error(&e, ERR_INPUT, "a header of 100000001", "a long header");
    free(bytes);
}

static void test_cut_file_is_refused_at_every_length(void **state)
{
    (void)state;
    size_t length;
    uint8_t *bytes = file_of("{" GOOD_A "," GOOD_B "}", 12, &length);
    for (size_t n = 0; n <= length; n++) {
        uint8_t *cut = malloc(n + (n == 0));
        struct safetensors *s;
        struct err e;
        memcpy(cut, bytes, n);
        assert_int_equal(safetensors_parse(&s, cut, n, &e), n == length ? 0 : -1);
        safetensors_close(s);
        free(cut);
    }
    free(bytes);
}

static void test_tensors_and_metadata_are_found(void **state)
{
    (void)state;
    static const char header[] =
        "{\"z\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[12,20]}," GOOD_B
        ",\"empty\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[8,8]}," GOOD_A
        ",\"__metadata__\":{\"key\":\"value\",\"Key\":\"other\"},\"a.b\":{\"dtype\":\"U8\",\"shape\":[3],"
        "\"data_offsets\":[20,23],\"note\":[1]}}   ";
    size_t length, all;
    uint8_t *bytes = file_of(header, 23, &length);
    struct safetensors *s;
    struct err e;
    assert_int_equal(safetensors_parse(&s, bytes, length, &e), 0);
    assert_int_equal(safetensors_count(s), 5);
    assert_string_equal(safetensors_at(s, 1)->name, "a.b");
    const struct safetensors_tensor *t = safetensors_find(s, "b");
    assert_non_null(t);
    assert_int_equal(t->dtype, ST_F16);
    assert_int_equal(t->dimensions, 2);
    assert_int_equal(t->shape[0], 2);
    assert_int_equal(t->shape[1], 1);
    assert_int_equal(t->count, 2);
    assert_ptr_equal(t->data, bytes + length - 23 + 8);
    assert_int_equal(safetensors_find(s, "z")->count, 1);
    assert_int_equal(safetensors_find(s, "empty")->count, 0);
    assert_null(safetensors_find(s, "B"));
    assert_null(safetensors_find(s, "__metadata__"));
    assert_string_equal(safetensors_metadata(s, "key"), "value");
    assert_null(safetensors_metadata(s, "KEY"));
    assert_ptr_equal(safetensors_bytes(s, &all), bytes);
    assert_int_equal(all, length);
    safetensors_close(s);
    free(bytes);
}

static void test_no_tensor_and_no_metadata_is_a_file(void **state)
{
    (void)state;
    size_t length;
    uint8_t *bytes = file_of("{}", 0, &length);
    struct safetensors *s;
    struct err e;
    assert_int_equal(safetensors_parse(&s, bytes, length, &e), 0);
    assert_int_equal(safetensors_count(s), 0);
    assert_null(safetensors_find(s, "a"));
    assert_null(safetensors_metadata(s, "key"));
    safetensors_close(s);
    free(bytes);
}

/* The value of a binary floating-point format by its definition. */
static float by_definition(unsigned bits, int exponent_bits, int fraction_bits)
{
    unsigned fraction = bits & ((1u << fraction_bits) - 1);
    int exponent = (int)(bits >> fraction_bits & ((1u << exponent_bits) - 1)), bias = (1 << (exponent_bits - 1)) - 1;
    double value = exponent == 0 ? ldexp(fraction, 1 - bias - fraction_bits)
                                 : ldexp((1u << fraction_bits) + fraction, exponent - bias - fraction_bits);
    return (float)(bits >> 15 ? -value : value);
}

static void test_halves_widen_exactly(void **state)
{
    (void)state;
    for (int format = 0; format < 2; format++) {
        int exponent_bits = format == 0 ? 5 : 8, fraction_bits = 15 - exponent_bits;
        for (unsigned bits = 0; bits < 65536; bits++) {
            /* At an odd address, as a file may have it. */
            uint8_t data[3] = {0, (uint8_t)bits, (uint8_t)(bits >> 8)};
            struct safetensors_tensor t = {
                .name = "w", .dtype = format == 0 ? ST_F16 : ST_BF16, .count = 1, .data = data + 1};
            bool finite = (int)(bits >> fraction_bits & ((1u << exponent_bits) - 1)) != (1 << exponent_bits) - 1;
            float value, expected = by_definition(bits, exponent_bits, fraction_bits);
            struct err e;
            if (safetensors_floats(&t, &value, &e) != (finite ? 0 : -1))
                fail_msg("format %d, bits %04x", format, bits);
            if (finite && memcmp(&value, &expected, sizeof value) != 0)
                fail_msg("format %d, bits %04x: %a, expected %a", format, bits, (double)value, (double)expected);
        }
    }
}

static void test_floats_are_finite_and_floats(void **state)
{
    (void)state;
    static const float values[] = {1.5f, INFINITY, NAN, -INFINITY};
    struct safetensors_tensor t = {
        .name = "w", .dtype_name = "I64", .dtype = ST_F32, .count = 1, .data = (const uint8_t *)values};
    float out[2];
    struct err e;
    assert_int_equal(safetensors_floats(&t, out, &e), 0);
    assert_true(out[0] == 1.5f);
    t.count = 2;
    assert_int_equal(safetensors_floats(&t, out, &e), -1);
    expect_error(&e, ERR_INPUT, "tensor w: value 2 is not finite", "infinity");
    for (t.count = 1; t.data < (const uint8_t *)(values + 3);) {
        t.data += sizeof *values;
        assert_int_equal(safetensors_floats(&t, out, &e), -1);
    }
    t.dtype = ST_I64;
    assert_int_equal(safetensors_floats(&t, out, &e), -1);
    expect_error(&e, ERR_INPUT, "its dtype is I64, expected F32, F16 or BF16", "integers");
}

struct place {
    char directory[32], file[64];
};

static void place_make(struct place *p)
{
    snprintf(p->directory, sizeof p->directory, "/tmp/spectrad-test-XXXXXX");
    assert_non_null(mkdtemp(p->directory));
    snprintf(p->file, sizeof p->file, "%s/x.safetensors", p->directory);
}

static void place_remove(const struct place *p)
{
    unlink(p->file);
    rmdir(p->directory);
}

static void test_what_is_no_file_is_refused_without_its_path(void **state)
{
    (void)state;
    struct place p;
    struct safetensors *s;
    struct err e;
    place_make(&p);
    assert_int_equal(safetensors_open(&s, p.file, &e), -1);
    expect_error(&e, ERR_IO, "No such file", "a missing file");
    assert_int_equal(safetensors_open(&s, p.directory, &e), -1);
    expect_error(&e, ERR_INPUT, "not a regular file", "a directory");
    assert_int_equal(mkfifo(p.file, 0600), 0);
    assert_int_equal(safetensors_open(&s, p.file, &e), -1); /* and does not wait for a writer */
    expect_error(&e, ERR_INPUT, "not a regular file", "a FIFO");
    place_remove(&p);
}

static void test_hole_of_a_terabyte_takes_no_memory(void **state)
{
    (void)state;
    struct place p;
    struct safetensors *s;
    struct err e;
    place_make(&p);
    FILE *f = fopen(p.file, "wb");
    assert_non_null(f);
    fclose(f);
    if (truncate(p.file, (off_t)1 << 40) == 0) { /* not every file system has room for such a hole */
        assert_int_equal(safetensors_open(&s, p.file, &e), -1);
        expect_error(&e, ERR_INPUT, "too large", "a hole");
    }
    place_remove(&p);
}

/* A mapping would die of SIGBUS here. */
static void test_file_cut_while_in_use_does_no_harm(void **state)
{
    (void)state;
    struct place p;
    struct safetensors *s;
    struct err e;
    float sum = 0;
    place_make(&p);
    draft_write_random(p.file, &(struct draft_recipe){.B = 9, .K = 9, .C = 2, .P = 7, .N = 2, .seed = 1});
    assert_int_equal(safetensors_open(&s, p.file, &e), 0);
    assert_int_equal(truncate(p.file, 0), 0);
    const struct safetensors_tensor *t = safetensors_find(s, "conv3.weight");
    float *values = malloc(t->count * sizeof *values);
    assert_int_equal(safetensors_floats(t, values, &e), 0);
    for (size_t i = 0; i < t->count; i++)
        sum += fabsf(values[i]);
    assert_true(sum > 0);
    free(values);
    safetensors_close(s);
    place_remove(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_promises_are_named),
        cmocka_unit_test(test_lying_header_lengths_are_refused),
        cmocka_unit_test(test_header_of_more_than_the_format_allows_is_refused),
        cmocka_unit_test(test_cut_file_is_refused_at_every_length),
        cmocka_unit_test(test_tensors_and_metadata_are_found),
        cmocka_unit_test(test_no_tensor_and_no_metadata_is_a_file),
        cmocka_unit_test(test_halves_widen_exactly),
        cmocka_unit_test(test_floats_are_finite_and_floats),
        cmocka_unit_test(test_what_is_no_file_is_refused_without_its_path),
        cmocka_unit_test(test_hole_of_a_terabyte_takes_no_memory),
        cmocka_unit_test(test_file_cut_while_in_use_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
