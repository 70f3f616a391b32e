/* The oracle on cases that can be done by hand. What it makes of trained packages is held against PyTorch elsewhere. */
#include "cpu/cpu.h"
#include "cpu/plain_layers.h"
#include "tests/unit/support/engine_run.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/random_block.h"
#include "tests/unit/support/random_network.h"
#include <math.h>
#include <string.h>

static void expect_near(double found, double expected)
{
    if (!(fabs(found - expected) < 1e-9))
        fail_msg("%.12g, expected %.12g", found, expected);
}

/* A network of zeros, in which a test sets what it needs. */
static struct network zeros(int K, int C, int P, int N, bool distinct)
{
    struct network n;
    struct err e;
    assert_int_equal(network_allocate(&n, &(struct network_sizes){K, C, P, N, distinct}, &e), 0);
    return n;
}

static void test_conv1x1_takes_every_second_sample(void **state)
{
    (void)state;
    struct network n = zeros(11, 1, 7, 1, false);
    double x[7 * 7 * 11], out[7 * 7 * 3];
    for (int i = 0; i < 7 * 7 * 11; i++)
        x[i] = i;
    n.conv1x1.bias[0] = 0.5f;
    n.conv1x1.weight[2] = 1;
    plain_conv1x1(&n, x, out);
    for (int p = 0; p < 49; p++)
        for (int d = 0; d < 3; d++)
            expect_near(out[p * 3 + d], p * 11 + 2 * d + 2 + 0.5);
    n.conv1x1.bias[0] = -1e6f;
    plain_conv1x1(&n, x, out);
    expect_near(out[17], 0);
    network_release(&n);
}

static void test_conv3x3_sees_zeros_outside_the_patch(void **state)
{
    (void)state;
    struct network n = zeros(7, 2, 7, 1, false);
    double x[7 * 7 * 7], out[2 * 7 * 7];
    for (int i = 0; i < 7 * 7 * 7; i++)
        x[i] = 1;
    for (int i = 0; i < 9; i++)
        n.conv3x3.weight[63 + i * 7] = (float)(1 << i); /* channel 1, tap 0 of every neighbour */
    plain_conv3x3(&n, x, out);
    expect_near(out[49 + 3 * 7 + 3], 511);
    expect_near(out[49], 16 + 32 + 128 + 256);
    expect_near(out[49 + 6], 8 + 16 + 64 + 128);
    expect_near(out[49 + 48], 1 + 2 + 8 + 16);
    expect_near(out[49 + 3], 8 + 16 + 32 + 64 + 128 + 256);
    expect_near(out[0], 0);
    network_release(&n);
}

static void test_attention_as_published_is_the_mean(void **state)
{
    (void)state;
    struct network n = zeros(7, 1, 7, 1, false);
    double A[49], B[49], V[49];
    for (int i = 0; i < 49; i++) {
        A[i] = i;
        B[i] = 3;
    }
    plain_attention(&n, A, B, V);
    expect_near(V[8], 5.5);
    network_release(&n);
}

static void test_attention_of_two_layers_weighs_the_branches(void **state)
{
    (void)state;
    struct network n = zeros(7, 1, 7, 1, true); /* S = 3 */
    double A[49], B[49], V[49];
    for (int i = 0; i < 49; i++) {
        A[i] = i % 2;
        B[i] = 2;
    }
    double s = 24.0 / 49 + 2;
    n.conv_se.weight[1] = 2;
    n.conv_se.bias[2] = -1;
    n.conv_ex_3x3.weight[1] = 0.25f;
    n.conv_ex_1x1.bias[0] = 0.5f;
    plain_attention(&n, A, B, V);
    double w3 = exp(0.25 * 2 * s) / (exp(0.25 * 2 * s) + exp(0.5));
    expect_near(V[0], w3 * 2);
    expect_near(V[1], w3 * 2 + 1 - w3);
    network_release(&n);
}

static void test_spectral_tap_0_looks_three_samples_back(void **state)
{
    (void)state;
    float weight[2 * 2 * 7] = {0}, bias[2] = {0, 0.25f};
    struct layer l = {weight, bias};
    double in[2 * 2 * 5], out[2 * 2 * 5];
    for (int i = 0; i < 20; i++)
        in[i] = i + 1;
    weight[0 * 7 + 0] = 1;           /* channel 0 from channel 0, tap 0 */
    weight[(1 * 2 + 0) * 7 + 6] = 2; /* channel 1 from channel 0, tap 6 */
    plain_spectral(&l, 2, 2, 5, in, out);
    const double expected[20] = {0, 0, 0, 1, 2, 0, 0, 0, 6, 7, 8.25, 10.25, .25, .25, .25, 18.25, 20.25, .25, .25, .25};
    for (int i = 0; i < 20; i++)
        expect_near(out[i], expected[i]);
    plain_spectral(&l, 2, 2, 1, in, out); /* shorter than the taps reach */
    expect_near(out[0], 0);
    expect_near(out[2], 0.25);
}

static void test_gate_looks_at_both_neighbours(void **state)
{
    (void)state;
    const float kernel[3] = {1, 2, 3};
    const double x[3 * 2] = {1, 3, 10, 10, 0, 2};
    double gate[3];
    plain_gate(kernel, 3, 2, x, gate);
    expect_near(gate[0], 1 / (1 + exp(-(2 * 2 + 3 * 10))));
    expect_near(gate[1], 1 / (1 + exp(-(1 * 2 + 2 * 10 + 3 * 1))));
    expect_near(gate[2], 1 / (1 + exp(-(1 * 10 + 2 * 1))));
}

static void test_spatial_convolution_pads_with_zeros(void **state)
{
    (void)state;
    float weight[9] = {1, 2, 4, 8, 16, 32, 64, 128, 256}, bias[1] = {0};
    struct layer l = {weight, bias};
    double in[9] = {1, 0, 0, 0, 0, 0, 0, 0, 1}, out[9];
    plain_spatial(&l, 1, 3, in, out);
    expect_near(out[0], 16);
    expect_near(out[1], 8);
    expect_near(out[4], 1 + 256);
    expect_near(out[8], 16);
}

static void test_head_pools_the_first_5_by_5(void **state)
{
    (void)state;
    struct network n = zeros(7, 1, 9, 2, false);
    double in[49], logits[2];
    for (int i = 0; i < 49; i++)
        in[i] = i / 7 < 5 && i % 7 < 5 ? 1 : 1000;
    n.full_connection.weight[1] = 2;
    n.full_connection.bias[0] = -1;
    plain_head(&n, in, logits);
    expect_near(logits[0], -1);
    expect_near(logits[1], 2);
    network_release(&n);
}

/* Logits by hand: biases alone decide in a network of zeros. */
static void test_the_engine_labels_the_largest_logit(void **state)
{
    (void)state;
    struct network n = zeros(9, 2, 7, 3, false);
    struct random_scene s;
    random_scene_init(&s, 3, 4, 9, 0, 1);
    s.valid[5] = 0;
    n.full_connection.bias[1] = n.full_connection.bias[2] = 2;
    struct block *b = engine_run_scene(&cpu_plain_engine, 1, &n, &s);
    for (int i = 0; i < 12; i++) {
        if (i == 5) {
            assert_true(b->labels[i] == 0 && isnan(b->confidence[i]) && isnan(b->logits[i * 3 + 2]));
            continue;
        }
        assert_int_equal(b->labels[i], 2);
        assert_true(fabs((double)b->confidence[i] - 1 / (2 + exp(-2))) < 1e-6);
        assert_true(b->logits[i * 3] == 0 && b->logits[i * 3 + 2] == 2);
    }
    block_close(b);
    random_scene_release(&s);
    network_release(&n);
}

/* Its samples may hold anything; its neighbours see zeros. */
static void test_what_lies_under_an_invalid_pixel_does_not_matter(void **state)
{
    (void)state;
    struct network n;
    struct random_scene s;
    random_network(&n, &(struct network_sizes){9, 2, 7, 3, false}, 5);
    random_scene_init(&s, 3, 4, 9, 0, 2);
    s.valid[5] = 0;
    struct block *before = engine_run_scene(&cpu_plain_engine, 1, &n, &s);
    for (int k = 0; k < 9; k++)
        s.samples[(1 * 9 + k) * 4 + 1] = 32767;
    struct block *after = engine_run_scene(&cpu_plain_engine, 1, &n, &s);
    assert_memory_equal(before->logits, after->logits, 5 * 3 * sizeof(float));
    s.valid[5] = 1;
    struct block *seen = engine_run_scene(&cpu_plain_engine, 1, &n, &s);
    assert_memory_not_equal(before->logits, seen->logits, 5 * 3 * sizeof(float));
    block_close(before);
    block_close(after);
    block_close(seen);
    random_scene_release(&s);
    network_release(&n);
}

static void test_the_oracle_refuses_other_precisions(void **state)
{
    (void)state;
    struct engine *x;
    struct err e;
    assert_int_equal(cpu_plain_engine.open(&x, &(struct engine_options){.precision = PRECISION_TF32}, &e), -1);
    expect_error(&e, ERR_REQUEST, "fp32 only, not in tf32", "tf32");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv1x1_takes_every_second_sample),
        cmocka_unit_test(test_conv3x3_sees_zeros_outside_the_patch),
        cmocka_unit_test(test_attention_as_published_is_the_mean),
        cmocka_unit_test(test_attention_of_two_layers_weighs_the_branches),
        cmocka_unit_test(test_spectral_tap_0_looks_three_samples_back),
        cmocka_unit_test(test_gate_looks_at_both_neighbours),
        cmocka_unit_test(test_spatial_convolution_pads_with_zeros),
        cmocka_unit_test(test_head_pools_the_first_5_by_5),
        cmocka_unit_test(test_the_engine_labels_the_largest_logit),
        cmocka_unit_test(test_what_lies_under_an_invalid_pixel_does_not_matter),
        cmocka_unit_test(test_the_oracle_refuses_other_precisions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
