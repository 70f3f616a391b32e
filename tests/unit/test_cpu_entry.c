/* conv1x1 and conv3x3 of a pixel in its nine places, in every kernel table that runs here, against plain C on a patch.
 */
#include "cpu/pack.h"
#include "cpu/plain_layers.h"
#include "tests/unit/support/expect.h"
#include "tests/unit/support/random.h"
#include "tests/unit/support/random_network.h"
#include "tests/unit/support/test_kernels.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { P = 7 };
static const float UNTOUCHED = -7;

/* One network, a patch for it, and what plain C makes of the patch. */
struct scene {
    struct network n;
    struct packed m;
    struct plain_trace trace;
    float *input; /* (P, P + 2, 2, phase), as strip.c lays it out; what no patch holds is NaN */
};

static void open_scene(struct scene *s, const struct kernels *k, int K, int C)
{
    struct err e;
    struct random random = {.state = (uint64_t)K};
    random_network(&s->n, &(struct network_sizes){K, C, P, 3, false}, 1);
    assert_int_equal(pack_network(&s->m, &s->n, k, &e), 0);
    assert_int_equal(plain_trace_init(&s->trace, &s->n, &e), 0);
    size_t floats = P * (P + 2) * 2 * s->m.phase;
    s->input = malloc(floats * sizeof *s->input);
    assert_non_null(s->input);
    for (size_t i = 0; i < floats; i++)
        s->input[i] = NAN;
    for (size_t p = 0; p < P * P; p++)
        for (size_t i = 0; i < (size_t)K; i++) {
            float x = (float)random_between(&random, -2, 2);
            s->trace.x[p * (size_t)K + i] = (double)x;
            s->input[(p / P * (P + 2) + p % P + 1) * 2 * s->m.phase + i % 2 * s->m.phase + i / 2] = x;
        }
    plain_conv1x1(&s->n, s->trace.x, s->trace.A);
    plain_conv3x3(&s->n, s->trace.x, s->trace.B);
}

static void close_scene(struct scene *s)
{
    pack_release(&s->m);
    network_release(&s->n);
    plain_trace_release(&s->trace);
    free(s->input);
}

static const float *pixel(const struct scene *s, size_t row, size_t column)
{
    return s->input + (row * (P + 2) + column + 1) * 2 * s->m.phase;
}

/* Pixel (row, column) of the patch with both halves apart or joined; only the place that it has there is asked for. */
static void check_pixel(const struct scene *s, size_t row, size_t column, int joined)
{
    const struct packed *m = &s->m;
    size_t C = (size_t)s->n.C, D = (size_t)s->n.D, plane = C * m->entry_row;
    enum place place = column == 0 ? PLACE_FIRST : column == P - 1 ? PLACE_LAST : PLACE_INSIDE;
    float *p = malloc(plane * sizeof *p), *q = malloc(plane * sizeof *q);
    assert_true(p != NULL && q != NULL);
    for (size_t i = 0; i < plane; i++)
        p[i] = q[i] = UNTOUCHED;
    struct entry_call call = {.C = C,
                              .D = D,
                              .above = row == 0 ? NULL : pixel(s, row - 1, column),
                              .here = pixel(s, row, column),
                              .below = row == P - 1 ? NULL : pixel(s, row + 1, column),
                              .pixel = 2 * m->phase,
                              .phase = m->phase,
                              .conv1x1 = m->conv1x1,
                              .conv3x3 = m->conv3x3,
                              .bias1x1 = s->n.conv1x1.bias,
                              .bias3x3 = s->n.conv3x3.bias,
                              .entry_row = m->entry_row};
    call.p[place] = p;
    call.q[place] = joined ? NULL : q;
    m->k->entry(&call);
    for (size_t i = 0; i < plane; i++) {
        size_t c = i / m->entry_row, d = i % m->entry_row, at = ((c * P + row) * P + column) * D + d;
        double A = d < D ? s->trace.A[at] : 0, B = d < D ? s->trace.B[at] : 0;
        if (fabs((double)p[i] - (joined ? (A + B) / 2 : A)) > 1e-5 ||
            fabs((double)q[i] - (joined ? (double)UNTOUCHED : B)) > 1e-5)
            fail_msg("%s, C = %zu, D = %zu, pixel (%zu, %zu), channel %zu, sample %zu: %g and %g of A = %g, B = %g",
                     m->k->isa, C, D, row, column, c, d, (double)p[i], (double)q[i], A, B);
    }
    free(p);
    free(q);
}

static void test_entry_is_both_convolutions_in_every_place(void **state)
{
    (void)state;
    static const int bands[] = {7, 8, 9, 11, 21, 22, 37, 40, 204}, kernels[] = {1, 2, 5, 24};
    const struct kernels *k;
    for (size_t t = 0; (k = test_kernels(t)) != NULL; t++)
        for (size_t b = 0; b < sizeof bands / sizeof *bands; b++)
            for (size_t c = 0; c < sizeof kernels / sizeof *kernels; c++) {
                struct scene s;
                open_scene(&s, k, bands[b], kernels[c]);
                for (size_t row = 0; row < P; row += 3)
                    for (size_t column = 0; column < P; column += 3)
                        for (int joined = 0; joined < 2; joined++)
                            check_pixel(&s, row, column, joined);
                close_scene(&s);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entry_is_both_convolutions_in_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
