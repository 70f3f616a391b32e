/* A package opens as written; a broken one is refused with a sentence that names the tensor. */
#include "tests/unit/support/package_expect.h"
#include "tests/unit/support/random.h"
#include <math.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct draft_recipe small = {.B = 9, .K = 9, .C = 3, .P = 7, .N = 2, .seed = 1};

static void test_missing_tensor_is_named(void **state)
{
    (void)state;
    struct package_draft all;
    struct draft_recipe r = small;
    r.distinct_attention = true;
    draft_make(&all, &r);
    for (size_t i = 0; i < all.count; i++) {
        const char *name = all.tensors[i].name;
        char message[192];
        struct package_draft d;
        draft_make(&d, &r);
        draft_remove(&d, name);
        snprintf(message, sizeof message, "tensor %s is missing, expected with the shape (", name);
        if (strstr(name, "num_batches_tracked") != NULL || strncmp(name, "res_net2.bn2.", 13) == 0 ||
            strncmp(name, "res_net3.bn2.", 13) == 0)
            expect_accepted(&d, name);
        else
            expect_refused(&d, message, name);
    }
    draft_release(&all);
}

static void test_misshapen_tensor_is_named_with_both_shapes(void **state)
{
    (void)state;
    struct package_draft all;
    draft_make(&all, &small);
    for (size_t i = 0; i < all.count; i++) {
        const char *name = all.tensors[i].name;
        char message[192];
        struct package_draft d;
        draft_make(&d, &small);
        struct draft_tensor *t = draft_find(&d, name);
        t->shape[t->dimensions++] = 1; /* one dimension more, as many bytes */
        snprintf(message, sizeof message, "tensor %s has the shape (", name);
        if (strncmp(name, "conv_", 5) == 0 || strncmp(name, "res_net2.bn2.", 13) == 0 ||
            strncmp(name, "res_net3.bn2.", 13) == 0)
            expect_accepted(&d, name);
        else
            expect_refused(&d, message, name);
    }
    draft_release(&all);
    struct package_draft d;
    draft_make(&d, &small);
    draft_remove(&d, "conv3x3.weight");
    draft_add(&d, "conv3x3.weight", "F32", 5, (size_t[]){3, 1, 3, 7, 3});
    expect_refused(&d, "tensor conv3x3.weight has the shape (3, 1, 3, 7, 3), expected (3, 1, 3, 3, 7)", "permuted");
}

static void test_unknown_tensor_is_named(void **state)
{
    (void)state;
    static const char *const names[] = {
        "conv4.weight",
        "res_net1.bn0.weight",
        "module.conv1x1.weight",
        "preprocess.mean",
        "conv2.weights",
        "CONV2.weight",
        "",
    };
    struct package_draft d;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char message[128];
        draft_make(&d, &small);
        draft_add(&d, names[i], "F32", 1, (size_t[]){1});
        snprintf(message, sizeof message, "tensor %s is unknown", names[i]);
        expect_refused(&d, message, names[i]);
    }
    draft_make(&d, &small);
    draft_add(&d, "evil\r\n\x1b[31m", "F32", 1, (size_t[]){1});
    expect_refused(&d, "tensor evil???[31m is unknown", "control characters");
}

static void test_unused_layers_are_ignored_whatever_they_hold(void **state)
{
    (void)state;
    struct package_draft d;
    draft_make(&d, &small);
    draft_remove(&d, "conv_se.0.weight");
    draft_remove(&d, "conv_ex.bias");
    draft_add(&d, "conv_se.weight", "I32", 1, (size_t[]){5});
    draft_set(draft_find(&d, "conv_ex.weight"), 0, NAN);
    draft_set(draft_find(&d, "res_net2.bn2.running_var"), 0, -1);
    draft_set(draft_find(&d, "res_net3.bn2.weight"), 0, INFINITY);
    expect_accepted(&d, "unused layers");
}

static void test_both_distinct_layers_or_none(void **state)
{
    (void)state;
    struct draft_recipe r = small;
    struct package_draft d;
    r.distinct_attention = true;
    draft_make(&d, &r);
    draft_remove(&d, "conv_ex_1x1.weight");
    draft_remove(&d, "conv_ex_1x1.bias");
    expect_refused(&d, "tensor conv_ex_1x1.weight is missing", "one of two");
    draft_make(&d, &r);
    draft_set(draft_find(&d, "conv_se.0.weight"), 0, NAN);
    expect_refused(&d, "tensor conv_se.0.weight: value 1 is not finite", "an attention that is used");
    draft_make(&d, &r);
    draft_add(&d, "conv_ex.weight", "F32", 1, (size_t[]){1});
    expect_accepted(&d, "the layer that the two replace");
    draft_make(&d, &small);
    draft_remove(&d, "conv_se.0.weight");
    draft_remove(&d, "conv_se.0.bias");
    draft_remove(&d, "conv_ex.weight");
    draft_remove(&d, "conv_ex.bias");
    expect_accepted(&d, "the published form without its idle layers");
}

static void test_values_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct package_draft d;
    draft_make(&d, &small);
    draft_set(draft_find(&d, "conv2.weight"), 17, NAN);
    expect_refused(&d, "tensor conv2.weight: value 18 is not finite", "NaN");
    draft_make(&d, &small);
    draft_set(draft_find(&d, "res_net4.bn2.running_mean"), 2, -INFINITY);
    expect_refused(&d, "tensor res_net4.bn2.running_mean: value 3 is not finite", "infinity");
    draft_make(&d, &small);
    draft_set(draft_find(&d, "batch_norm2.0.running_var"), 5, -0.001f);
    expect_refused(&d, "tensor batch_norm2.0.running_var: value 6 is -0.001", "the square root of 0");
    draft_make(&d, &small);
    draft_set(draft_find(&d, "batch_norm2.0.running_var"), 5, -0.0009f);
    expect_accepted(&d, "a variance that eps lifts above 0");
    draft_make(&d, &small);
    draft_set(draft_find(&d, "res_net3.bn1.running_var"), 0, -0.0009f);
    expect_refused(&d, "tensor res_net3.bn1.running_var: value 1", "the smaller eps of blocks");
    draft_make(&d, &small);
    draft_set(draft_find(&d, "batch_norm3.0.weight"), 1, 3e38f);
    draft_set(draft_find(&d, "batch_norm3.0.running_var"), 1, 0);
    expect_refused(&d, "tensor conv3.weight: channel 2 overflows float32 once batch_norm3.0 is folded in", "overflow");
    draft_make(&d, &small);
    draft_set(draft_find(&d, "res_net2.bn0.weight"), 1, 3e38f);
    draft_set(draft_find(&d, "res_net2.bn0.running_var"), 1, 0);
    expect_refused(&d, "tensor res_net2.bn0.weight: channel 2 overflows", "overflow of a norm");
    draft_make(&d, &small);
    draft_remove(&d, "conv3.bias");
    draft_add(&d, "conv3.bias", "F64", 1, (size_t[]){3});
    expect_refused(&d, "tensor conv3.bias: its dtype is F64, expected F32, F16 or BF16", "double precision");
    draft_make(&d, &small);
    draft_remove(&d, "batch_norm2.0.num_batches_tracked");
    draft_add(&d, "batch_norm2.0.num_batches_tracked", "F32", 0, NULL);
    expect_refused(&d, "tensor batch_norm2.0.num_batches_tracked has the dtype F32, expected I64",
                   "a counter of floats");
}

static void test_preprocessing_is_read_or_its_default(void **state)
{
    (void)state;
    struct package_draft d;
    struct package *p;
    struct err e;
    draft_make(&d,
               &(struct draft_recipe){
                   .B = 11, .K = 8, .C = 2, .P = 7, .N = 1, .matrix = true, .scale = true, .offset = true, .seed = 5});
    assert_int_equal(draft_parse(&p, &d, &e), 0);
    assert_int_equal(p->preprocess.B, 11);
    assert_int_equal(p->preprocess.K, 8);
    for (size_t i = 0; i < 88; i++)
        assert_true(p->preprocess.matrix[i] == (double)draft_get(draft_find(&d, "preprocess.matrix"), i));
    for (size_t i = 0; i < 11; i++)
        assert_true(p->preprocess.scale[i] == (double)draft_get(draft_find(&d, "preprocess.scale"), i));
    for (size_t i = 0; i < 8; i++)
        assert_true(p->preprocess.offset[i] == (double)draft_get(draft_find(&d, "preprocess.offset"), i));
    package_close(p);
    draft_remove(&d, "preprocess.matrix");
    expect_refused(&d, "tensor preprocess.matrix is missing, expected with the shape (8, 11)", "11 bands are not 8");
    p = expect_package(&small);
    assert_null(p->preprocess.matrix);
    for (size_t i = 0; i < 9; i++)
        assert_true(p->preprocess.scale[i] == 1 && p->preprocess.offset[i] == 0);
    package_close(p);
}

static void test_largest_sizes_open(void **state)
{
    (void)state;
    struct package *p = expect_package(&(struct draft_recipe){.B = 4096,
                                                              .K = 512,
                                                              .C = 64,
                                                              .P = 11,
                                                              .N = 255,
                                                              .dtype = "BF16",
                                                              .distinct_attention = true,
                                                              .matrix = true,
                                                              .seed = 6});
    assert_int_equal(p->network.D, 253);
    assert_int_equal(p->network.S, 256);
    package_close(p);
}

static void test_parameters_are_weights_and_biases(void **state)
{
    (void)state;
    /* K = 9, C = 3, D = 2, N = 2, S = 4: layers, 2 a channel of a norm, 9 a gate. */
    uint64_t entry = 3 * 7 + 3 + 3 * 63 + 3 + 2 * 2 * 3, idle = 4 * 3 + 4 + 3 * 4 + 3;
    uint64_t spectral = 2 * (9 * 7 + 3) + 9, spatial = 2 * (9 * 9 + 3) + 9;
    uint64_t blocks = 2 * spectral + 2 * spatial + (2 + 3 + 3 + 3) * 2 * 3;
    uint64_t rest = 128 * 3 * 2 + 128 + 2 * 128 + 3 * 9 * 128 + 3 + 2 * 3 + 2 * 3 + 2;
    struct package *p = expect_package(&small);
    assert_int_equal(p->parameters, entry + idle + blocks + rest);
    package_close(p);
}

static void test_file_opens_with_its_checksum(void **state)
{
    (void)state;
    char path[] = "/tmp/spectrad-test-XXXXXX", hex[65];
    struct package_draft d;
    struct package *p;
    struct err e;
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    size_t length;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    draft_make(&d, &small);
    draft_write(&d, path);
    uint8_t *bytes = draft_bytes(&d, &length);
    sha256_init(&context);
    sha256_update(&context, length, bytes);
    sha256_digest(&context, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    assert_int_equal(package_open(&p, path, &e), 0);
    assert_string_equal(p->sha256, hex);
    package_close(p);
    unlink(path);
    assert_int_equal(package_open(&p, path, &e), -1);
    expect_error(&e, ERR_IO, "No such file", "a missing file");
    assert_null(p);
    free(bytes);
    draft_release(&d);
}

/* Whatever happens to the bytes of a package, opening it ends, and with a sentence where it fails. Mostly in the
 * header: the weights would only become other weights. */
static void test_mutated_package_never_crashes(void **state)
{
    (void)state;
    enum { ROUNDS = 4000 };
    struct draft_recipe r = {
        .B = 9, .K = 8, .C = 2, .P = 7, .N = 2, .distinct_attention = true, .matrix = true, .seed = 7};
    struct random random = {.state = 8};
    struct package_draft d;
    size_t length, refused = 0;
    r.members = "\"wavelengths_nm\": [1, 2, 3, 4, 5, 6, 7, 8, 9], \"nodata\": \"NaN\"";
    draft_make(&d, &r);
    uint8_t *good = draft_bytes(&d, &length);
    size_t header = 8 + good[0] + 256u * good[1];
    for (int round = 0; round < ROUNDS; round++) {
        size_t n = random_below(&random, 10) == 0 ? random_below(&random, length) : length;
        uint8_t *bytes = malloc(n + (n == 0));
        memcpy(bytes, good, n);
        for (uint64_t flips = 1 + random_below(&random, 4); flips > 0 && n > 0; flips--) {
            size_t among = random_below(&random, 8) == 0 || header > n ? n : header;
            static const char interesting[] = "\"{}[],:0123456789eE-+.\\u\0\xff tn";
            size_t at = random_below(&random, among);
            if (random_below(&random, 2) == 0)
                bytes[at] ^= (uint8_t)(1u << random_below(&random, 8));
            else
                bytes[at] = (uint8_t)interesting[random_below(&random, sizeof interesting)];
        }
        struct package *p;
        struct err e = {0};
        if (package_parse(&p, bytes, n, &e) != 0) {
            refused++;
            assert_null(p);
            assert_int_equal(e.code, ERR_INPUT);
            assert_true(strlen(e.message) > 10);
        }
        package_close(p);
        free(bytes);
    }
    assert_true(refused > ROUNDS / 2 && refused < ROUNDS);
    free(good);
    draft_release(&d);
}

static void test_trained_packages_open(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int B, K, C, P, N;
        bool distinct, matrix, wavelengths;
        double nodata; /* NaN: none */
    } packages[] = {
        {"salinas150", 204, 204, 24, 7, 8, false, false, false, 0},
        {"jasper_ridge", 198, 198, 24, 7, 4, false, false, true, NAN},
        {"potsdam", 218, 218, 24, 7, 6, false, false, true, -32768},
        {"salinas150_pca15_p9", 204, 15, 24, 9, 8, false, true, false, 0},
        {"random_p11_c16_f16", 204, 40, 16, 11, 8, false, true, false, 0},
        {"paper_attention_bf16", 198, 31, 24, 7, 4, true, true, true, NAN},
    };
    if (access("../shared/packages", R_OK) != 0) {
        print_message("skipped: the trained packages are not beside this checkout (../shared/packages)\n");
        skip();
    }
    for (size_t i = 0; i < sizeof packages / sizeof packages[0]; i++) {
        char path[128];
        struct package *p;
        struct err e;
        snprintf(path, sizeof path, "../shared/packages/%s.safetensors", packages[i].name);
        if (package_open(&p, path, &e) != 0)
            fail_msg("%s: %s", packages[i].name, e.message);
        assert_string_equal(p->name, packages[i].name);
        assert_int_equal(p->preprocess.B, packages[i].B);
        assert_int_equal(p->network.K, packages[i].K);
        assert_int_equal(p->network.C, packages[i].C);
        assert_int_equal(p->network.P, packages[i].P);
        assert_int_equal(p->network.N, packages[i].N);
        assert_int_equal(p->network.distinct_attention, packages[i].distinct);
        assert_int_equal(p->preprocess.matrix != NULL, packages[i].matrix);
        assert_int_equal(p->wavelengths_nm != NULL && p->fwhm_nm != NULL, packages[i].wavelengths);
        assert_int_equal(p->has_nodata, !isnan(packages[i].nodata));
        assert_true(!p->has_nodata || p->nodata == packages[i].nodata);
        package_close(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_tensor_is_named),
        cmocka_unit_test(test_misshapen_tensor_is_named_with_both_shapes),
        cmocka_unit_test(test_unknown_tensor_is_named),
        cmocka_unit_test(test_unused_layers_are_ignored_whatever_they_hold),
        cmocka_unit_test(test_both_distinct_layers_or_none),
        cmocka_unit_test(test_values_that_cannot_be_are_refused),
        cmocka_unit_test(test_preprocessing_is_read_or_its_default),
        cmocka_unit_test(test_largest_sizes_open),
        cmocka_unit_test(test_parameters_are_weights_and_biases),
        cmocka_unit_test(test_file_opens_with_its_checksum),
        cmocka_unit_test(test_mutated_package_never_crashes),
        cmocka_unit_test(test_trained_packages_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
