#include "cpu/plain_layers.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TAPS = 7, PAD = 3 };

/* y[i] += w x[i] */
static void add_scaled(double *restrict y, double w, const double *restrict x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] += w * x[i];
}

static void set(double *x, double value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = value;
}

/* y[d] += sum over tap of w[tap] x[2 d + tap] */
static void add_strided_taps(double *restrict y, const float w[TAPS], const double *restrict x, size_t D)
{
    for (size_t d = 0; d < D; d++)
        for (size_t tap = 0; tap < TAPS; tap++)
            y[d] += (double)w[tap] * x[2 * d + tap];
}

void plain_conv1x1(const struct network *n, const double *x, double *out)
{
    size_t D = (size_t)n->D, K = (size_t)n->K, positions = (size_t)n->P * (size_t)n->P;
    for (size_t c = 0; c < (size_t)n->C; c++)
        for (size_t p = 0; p < positions; p++) {
            double *y = out + (c * positions + p) * D;
            set(y, (double)n->conv1x1.bias[c], D);
            add_strided_taps(y, n->conv1x1.weight + c * TAPS, x + p * K, D);
            plain_relu(D, y);
        }
}

void plain_conv3x3(const struct network *n, const double *x, double *out)
{
    int P = n->P;
    size_t D = (size_t)n->D, K = (size_t)n->K, positions = (size_t)P * (size_t)P;
    for (size_t c = 0; c < (size_t)n->C; c++)
        for (int p = 0; p < P * P; p++) {
            double *y = out + (c * positions + (size_t)p) * D;
            set(y, (double)n->conv3x3.bias[c], D);
            for (int i = -1; i <= 1; i++)
                for (int j = -1; j <= 1; j++) {
                    int row = p / P + i, column = p % P + j;
                    if (row < 0 || row >= P || column < 0 || column >= P)
                        continue;
                    size_t neighbour = (size_t)(row * P + column);
                    size_t kernel = (c * 3 + (size_t)(i + 1)) * 3 + (size_t)(j + 1);
                    add_strided_taps(y, n->conv3x3.weight + kernel * TAPS, x + neighbour * K, D);
                }
            plain_relu(D, y);
        }
}

static double mean(const double *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += x[i];
    return sum / (double)count;
}

static double dense(const struct layer *l, size_t row, const double *x, size_t count)
{
    double sum = (double)l->bias[row];
    for (size_t i = 0; i < count; i++)
        sum += (double)l->weight[row * count + i] * x[i];
    return sum;
}

void plain_attention(const struct network *n, const double *A, const double *B, double *V)
{
    enum { MOST_C = 64, MOST_S = 256 };
    double s[MOST_C], z[MOST_S];
    size_t C = (size_t)n->C, S = (size_t)n->S, count = (size_t)n->P * (size_t)n->P * (size_t)n->D;
    for (size_t c = 0; n->distinct_attention && c < C; c++)
        s[c] = mean(A + c * count, count) + mean(B + c * count, count);
    for (size_t i = 0; n->distinct_attention && i < S; i++)
        z[i] = fmax(dense(&n->conv_se, i, s, C), 0);
    for (size_t c = 0; c < C; c++) {
        double w3 = 0.5, w1 = 0.5;
        if (n->distinct_attention) {
            w3 = 1 / (1 + exp(dense(&n->conv_ex_1x1, c, z, S) - dense(&n->conv_ex_3x3, c, z, S)));
            w1 = 1 - w3;
        }
        for (size_t i = c * count; i < (c + 1) * count; i++)
            V[i] = w3 * B[i] + w1 * A[i];
    }
}

void plain_spectral(const struct layer *l, size_t C, size_t positions, size_t D, const double *in, double *out)
{
    for (size_t o = 0; o < C; o++)
        for (size_t p = 0; p < positions; p++) {
            double *y = out + (o * positions + p) * D;
            set(y, (double)l->bias[o], D);
            for (size_t i = 0; i < C; i++)
                for (int tap = 0; tap < TAPS; tap++) {
                    const double *x = in + (i * positions + p) * D;
                    int from = tap < PAD ? PAD - tap : 0; /* the d for which d + tap - 3 lies in 0..D-1 */
                    int until = tap > PAD ? (int)D + PAD - tap : (int)D;
                    float w = l->weight[(o * C + i) * TAPS + (size_t)tap];
                    if (from < until)
                        add_scaled(y + from, (double)w, x + (from + tap - PAD), (size_t)(until - from));
                }
        }
}

void plain_spatial(const struct layer *l, size_t C, size_t side, const double *in, double *out)
{
    int n = (int)side;
    for (size_t o = 0; o < C; o++)
        for (int p = 0; p < n * n; p++) {
            double sum = (double)l->bias[o];
            for (size_t i = 0; i < C; i++)
                for (int tap = 0; tap < 9; tap++) {
                    int row = p / n + tap / 3 - 1, column = p % n + tap % 3 - 1;
                    if (row >= 0 && row < n && column >= 0 && column < n)
                        sum += (double)l->weight[(o * C + i) * 9 + (size_t)tap] *
                               in[(i * side + (size_t)row) * side + (size_t)column];
                }
            out[o * side * side + (size_t)p] = sum;
        }
}

void plain_relu(size_t count, double *x)
{
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] > 0 ? x[i] : 0;
}

void plain_norm_relu(const struct norm *norm, size_t C, size_t count, double *x)
{
    for (size_t c = 0; c < C; c++) {
        for (size_t i = c * count; i < (c + 1) * count; i++)
            x[i] = (double)norm->scale[c] * x[i] + (double)norm->shift[c];
        plain_relu(count, x + c * count);
    }
}

void plain_gate(const float kernel[3], size_t C, size_t count, const double *x, double *gate)
{
    double previous = 0, here = mean(x, count);
    for (size_t c = 0; c < C; c++) {
        double next = c + 1 < C ? mean(x + (c + 1) * count, count) : 0;
        double sum = (double)kernel[0] * previous + (double)kernel[1] * here + (double)kernel[2] * next;
        gate[c] = 1 / (1 + exp(-sum));
        previous = here;
        here = next;
    }
}

void plain_gated_sum(size_t C, size_t count, const double *gate, const double *branch, const double *x, double *out)
{
    for (size_t c = 0; c < C; c++)
        for (size_t i = c * count; i < (c + 1) * count; i++)
            out[i] = gate[c] * branch[i] + x[i];
}

void plain_conv2(const struct network *n, const double *in, double *out)
{
    size_t C = (size_t)n->C, D = (size_t)n->D, positions = (size_t)n->P * (size_t)n->P;
    for (size_t o = 0; o < NETWORK_CONV2_OUT; o++)
        for (size_t p = 0; p < positions; p++) {
            double sum = (double)n->conv2.bias[o];
            for (size_t c = 0; c < C; c++)
                for (size_t d = 0; d < D; d++)
                    sum += (double)n->conv2.weight[(o * C + c) * D + d] * in[(c * positions + p) * D + d];
            out[o * positions + p] = sum;
        }
    plain_relu(NETWORK_CONV2_OUT * positions, out);
}

void plain_conv3(const struct network *n, const double *in, double *out)
{
    size_t P = (size_t)n->P, side = P - 2, inputs = NETWORK_CONV2_OUT;
    for (size_t c = 0; c < (size_t)n->C; c++)
        for (size_t r = 0; r < side; r++)
            for (size_t q = 0; q < side; q++) {
                double sum = (double)n->conv3.bias[c];
                for (size_t tap = 0; tap < 9; tap++)
                    for (size_t k = 0; k < inputs; k++)
                        sum += (double)n->conv3.weight[(c * 9 + tap) * inputs + k] *
                               in[(k * P + r + tap / 3) * P + q + tap % 3];
                out[(c * side + r) * side + q] = sum;
            }
    plain_relu((size_t)n->C * side * side, out);
}

void plain_head(const struct network *n, const double *in, double *logits)
{
    size_t C = (size_t)n->C, side = (size_t)n->P - 2;
    for (size_t k = 0; k < (size_t)n->N; k++)
        logits[k] = (double)n->full_connection.bias[k];
    for (size_t c = 0; c < C; c++) {
        double sum = 0;
        for (size_t r = 0; r < NETWORK_POOL; r++)
            for (size_t q = 0; q < NETWORK_POOL; q++)
                sum += in[(c * side + r) * side + q];
        for (size_t k = 0; k < (size_t)n->N; k++)
            logits[k] += (double)n->full_connection.weight[k * C + c] * sum / (NETWORK_POOL * NETWORK_POOL);
    }
}
