/* pack.h - a network as the fast engine reads it: weights in the order of its loops, and the sizes of its layouts.
 *
 * Letters as in model/network.h, layouts as in cpu/kernels.h.
 * Threading: read-only once packed; shared by all threads.
 */
#pragma once
#include "cpu/kernels.h"
#include "model/network.h"
#include <stddef.h>
#include <stdint.h>

enum { PACK_MOST_CHANNELS = 64, PACK_MOST_SIDE = 11, PACK_MOST_SQUEEZED = 256, PACK_MOST_CHUNK = 128 };

/* res_net1, res_net2: weights for kernels.spectral. */
struct packed_spectral {
    float *conv1, *conv2;
};

/* res_net3, res_net4 and conv3, conv2: (outer, tile of outputs, inner, tile_columns), for kernels.multiply. */
struct packed_product {
    float *weight;
    float *bias; /* padded with zeros to whole tiles */
    size_t outer, inner;
    size_t tiles;
};

struct packed {
    const struct kernels *k;
    struct network n; /* a copy; biases, norms, gates and small layers are read from it */

    size_t side;      /* P */
    size_t positions; /* P P */
    size_t spectrum;  /* D + 3: floats from one spectrum of a row to the next */
    size_t groups;    /* tile_columns wide, of a row with all positions of a patch */
    size_t row;       /* floats from row to row */
    size_t chunk;     /* entries that are worked on together in rows */
    size_t entry_row; /* floats from row to row of an entry */
    size_t entry;     /* floats of an entry: p, q and the sums of their rows */
    size_t phase;     /* floats from the even samples of a pixel to the odd ones */
    size_t channels;  /* C, padded to whole tiles of outputs */

    float *conv1x1, *conv3x3; /* for kernels.entry */
    struct packed_spectral res_net1, res_net2;
    struct packed_product conv2;                    /* outer = C, inner = D */
    struct packed_product conv3;                    /* outer = 9 taps, inner = 128 */
    struct packed_product res_net3[2], res_net4[2]; /* outer = 9 taps, inner = C */
    int32_t *live;

    void *storage;
    size_t bytes; /* of storage and of the copy */
};

/* Errors: ERR_NOMEM. Release with pack_release. */
int pack_network(struct packed *m, const struct network *n, const struct kernels *k, struct err *e);
void pack_release(struct packed *m); /* accepts one of zeros */

/* For pack.c and tests: the packed forms of single layers. */
void pack_spectral(float *out, const float *weight, size_t C, size_t tile_rows);
void pack_entry(float *out, const float *weight, size_t C, size_t taps);
