/* Narrowing to the formats of products, and the order of fragments. */
#include "cuda/narrow.h"
#include "cuda/weights.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/random_network.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The value of fp16 bits, by its definition. */
static double half_value(uint16_t bits)
{
    int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    double v = exponent == 0 ? ldexp(mantissa, -24) : exponent == 31 ? INFINITY : ldexp(1024 + mantissa, exponent - 25);
    return bits & 0x8000 ? -v : v;
}

static float float_of(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void test_every_half_comes_back_and_what_lies_between_goes_to_the_nearest(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 0x7c00; bits++) {
        double here = half_value((uint16_t)bits), next = bits + 1 == 0x7c00 ? 65536 : half_value((uint16_t)(bits + 1));
        double between = (here + next) / 2, step = (next - here) / 8;
        assert_int_equal(narrow_half((float)here), bits);
        assert_int_equal(narrow_half((float)-here), bits | 0x8000);
        assert_int_equal(narrow_half((float)(between - step)), bits);
        assert_int_equal(narrow_half((float)(between + step)), bits + 1);
        assert_int_equal(narrow_half((float)between), bits & 1 ? bits + 1 : bits); /* the even one */
    }
    assert_int_equal(narrow_half(INFINITY), 0x7c00);
    assert_int_equal(narrow_half(-1e30f), 0xfc00);
    assert_int_equal(narrow_half(1e-30f), 0);
    assert_true((narrow_half(NAN) & 0x7c00) == 0x7c00 && (narrow_half(NAN) & 0x3ff) != 0);
}

static void test_bfloat16_and_tf32_round_to_nearest(void **state)
{
    (void)state;
    assert_int_equal(narrow_bfloat16(1), 0x3f80);
    assert_int_equal(narrow_bfloat16(float_of(0x3f808000)), 0x3f80); /* ties to even */
    assert_int_equal(narrow_bfloat16(float_of(0x3f818000)), 0x3f82);
    assert_int_equal(narrow_bfloat16(float_of(0x3f808001)), 0x3f81);
    assert_int_equal(narrow_bfloat16(float_of(0x7f7fffff)), 0x7f80);
    assert_int_equal(narrow_bfloat16(-2.5f), 0xc020);
    assert_true((narrow_bfloat16(float_of(0x7f800001)) & 0x7f) != 0); /* a NaN stays one */
    assert_int_equal(narrow_tf32(1), 0x3f800000);
    assert_int_equal(narrow_tf32(float_of(0x3f801000)), 0x3f802000); /* ties away from zero */
    assert_int_equal(narrow_tf32(float_of(0x3f800fff)), 0x3f800000);
    assert_int_equal(narrow_tf32(INFINITY), 0x7f800000);
}

/* Element k of a row and output o of res_net2.conv1, found in the fragments by the definition in weights.h. */
static void test_fragments_hold_every_weight_once(void **state)
{
    (void)state;
    struct network n;
    struct cuda_network packed;
    random_network(&n, &(struct network_sizes){9, 5, 7, 3, false}, 1);
    size_t bytes = weights_bytes(&n, PRECISION_FP16);
    char *host = malloc(bytes);
    assert_non_null(host);
    weights_pack(&packed, &n, PRECISION_FP16, host, host); /* pointers of the same memory */
    const uint32_t *words = packed.res_net2.conv1.weight;
    int nonzero = 0;
    for (int k = 0; k < CUDA_TAPS * CUDA_NARROW; k++)
        for (int o = 0; o < CUDA_NARROW; o++) {
            int step = k / 16, lane = o % 8 * 4 + k % 8 / 2, r = k % 16 / 8;
            size_t at = step < 10 ? (size_t)(((step * 3 + o / 8) * 32 + lane) * 2 + r)
                                  : (size_t)(10 * 3 * 64 + (o / 8) * 32 + lane);
            uint16_t found = (uint16_t)(k % 2 ? words[at] >> 16 : words[at] & 0xffff);
            int tap = k / CUDA_NARROW, in = k % CUDA_NARROW;
            float expected = in < 5 && o < 5 ? n.res_net2.conv1.weight[(o * 5 + in) * CUDA_TAPS + tap] : 0;
            assert_int_equal(found, narrow_half(expected));
            nonzero += found != 0;
        }
    assert_true(nonzero > 5 * 5 * CUDA_TAPS - 5);
    free(host);
    network_release(&n);
}

static void test_more_than_64_kernels_are_refused(void **state)
{
    (void)state;
    struct cuda_shapes s;
    struct err e;
    struct network n = {.K = 9, .C = 65, .D = 2, .P = 7, .N = 3};
    assert_int_equal(weights_shapes(&s, &n, &e), -1);
    expect_error(&e, ERR_INPUT, "64", "65 kernels");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_half_comes_back_and_what_lies_between_goes_to_the_nearest),
        cmocka_unit_test(test_bfloat16_and_tf32_round_to_nearest),
        cmocka_unit_test(test_fragments_hold_every_weight_once),
        cmocka_unit_test(test_more_than_64_kernels_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
