/* matrix.h - the tensor-core instructions, with the fragment layouts of the PTX ISA; lane = 4 g + t.
 *
 *   mma   d (16 x 8) += a (16 x k) b (k x 8), float32 sums in the order of k
 *         d: (g, 2t) (g, 2t+1) (g+8, 2t) (g+8, 2t+1)
 *         a, 16-bit: pairs from (g, 2t) (g+8, 2t) and for k = 16 (g, 2t+8) (g+8, 2t+8);  b: pairs from (2t, g) (2t+8,
 * g) a, tf32:   (g, t) (g+8, t) (g, t+4) (g+8, t+4);                                b: (t, g) (t+4, g) ldmatrix
 * register i of lane l holds elements 2t, 2t + 1 of the row that lane 8 i + g pointed to
 *
 * All lanes of a warp call together. An operand that was not rounded to tf32 is a mistake of the kernel.
 */
#pragma once
#include "tests/cuda/emulator/copy.h"
#include "tests/cuda/emulator/lane.h"

namespace emulator
{

void mma_half(float (&d)[4], const uint32_t *a, const uint32_t *b, int k);
void mma_bfloat16(float (&d)[4], const uint32_t *a, const uint32_t *b, int k);
void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
/* No instruction, but what port.h's mma_float_by_lanes comes to: 32 shuffles are 30 times the cost. */
void mma_float(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);

/* Passes round where the rows of `matrices` (2 or 4) matrices lie; the current lane's is `row`. */
void ldmatrix_rows(int matrices, const void *row, const void **rows);

inline void ldmatrix(uint32_t *r, int matrices, const void *row)
{
    const void *rows[4];
    ldmatrix_rows(matrices, row, rows);
    for (int i = 0; i < matrices; i++)
        r[i] = static_cast<const Word *>(rows[i])[current->lane & 3];
}

} // namespace emulator
