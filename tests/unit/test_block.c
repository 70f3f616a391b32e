/* Blocks: their shape, where a sample lies, and sizes that no memory can hold. */
#include "engine/block.h"
#include "engine/engine.h"
#include "tests/unit/support/expect.h"
#include <limits.h>
#include <string.h>

static void test_every_sample_has_its_place(void **state)
{
    (void)state;
    struct block *b;
    struct err e;
    assert_int_equal(block_open(&b, 3, 5, 2, 4, 6, SAMPLE_UINT16, 1, &e), 0);
    assert_int_equal(b->capacity, (3 + 4) * 4 * (5 + 4) * 2);
    uint16_t next = 0, *samples = b->samples;
    for (int line = 0; line < 3 + 4; line++)
        for (int band = 0; band < 4; band++)
            for (int column = 0; column < 5 + 4; column++)
                *(uint16_t *)block_sample(b, line, band, column) = next++;
    for (uint16_t i = 0; i < next; i++)
        assert_int_equal(samples[i], i);
    memset(b->valid, 1, (3 + 4) * (5 + 4));
    memset(b->labels, 1, 3 * 5);
    memset(b->confidence, 1, 3 * 5 * sizeof(float));
    memset(b->logits, 1, 3 * 5 * 6 * sizeof(float));
    block_close(b);
    block_close(NULL);
}

static void test_a_resized_block_is_laid_out_anew(void **state)
{
    (void)state;
    struct block *b;
    struct err e;
    assert_int_equal(block_open(&b, 8, 10, 3, 2, 4, SAMPLE_FLOAT64, 0, &e), 0);
    assert_null(b->logits);
    block_resize(b, 2, 3);
    assert_int_equal(b->lines, 2);
    assert_int_equal((char *)block_sample(b, 1, 1, 2) - (char *)b->samples, ((1 * 2 + 1) * (3 + 6) + 2) * 8);
    block_resize(b, 8, 10);
    assert_true((size_t)((char *)block_sample(b, 13, 1, 15) - (char *)b->samples) + 8 == b->capacity);
    block_close(b);
}

static void test_a_size_that_overflows_is_refused(void **state)
{
    (void)state;
    struct block *b;
    struct err e;
    assert_int_equal(block_open(&b, INT_MAX, INT_MAX, 5, INT_MAX, 255, SAMPLE_FLOAT64, 1, &e), -1);
    assert_int_equal(e.code, ERR_NOMEM);
    assert_null(b);
}

static void test_precisions_have_names(void **state)
{
    (void)state;
    enum precision p;
    struct err e;
    for (int i = PRECISION_FP32; i <= PRECISION_BF16; i++) {
        assert_int_equal(precision_parse(precision_name((enum precision)i), &p, &e), 0);
        assert_int_equal(p, i);
    }
    assert_int_equal(precision_parse("fp64", &p, &e), -1);
    expect_error(&e, ERR_REQUEST, "fp32, tf32, fp16, bf16", "fp64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_sample_has_its_place),
        cmocka_unit_test(test_a_resized_block_is_laid_out_anew),
        cmocka_unit_test(test_a_size_that_overflows_is_refused),
        cmocka_unit_test(test_precisions_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
