#include "cpu/decide.h"
#include <math.h>
#include <string.h>

void decide_pixel(struct block *b, size_t pixel, const float *logits)
{
    size_t N = (size_t)b->N, best = 0;
    for (size_t k = 1; k < N; k++)
        if (logits[k] > logits[best])
            best = k;
    double sum = 0;
    for (size_t k = 0; k < N; k++)
        sum += exp((double)logits[k] - (double)logits[best]);
    b->labels[pixel] = (uint8_t)(best + 1);
    b->confidence[pixel] = (float)(1 / sum);
    if (b->logits != NULL)
        memcpy(b->logits + pixel * N, logits, N * sizeof *logits);
}

void decide_nothing(struct block *b, size_t pixel)
{
    b->labels[pixel] = 0;
    b->confidence[pixel] = NAN;
    for (size_t k = 0; b->logits != NULL && k < (size_t)b->N; k++)
        b->logits[pixel * (size_t)b->N + k] = NAN;
}
