/* random_block.h - a scene in memory with random samples, and blocks cut from it with their halo, for tests of engines.
 *
 * Threading: pure functions.
 */
#pragma once
#include "engine/block.h"
#include "model/network.h"
#include "model/preprocess.h"
#include "tests/unit/support/random.h"
#include <stdint.h>

/* Samples (lines, B, columns), B = K bands as int16, and an affine map that brings them to about -1.7..1.7. */
struct random_scene {
    int lines, columns, K;
    int16_t *samples;
    uint8_t *valid; /* (lines, columns) */
    struct affine_map map;
};

/* percent_invalid of the pixels, at random, are not valid. Release with random_scene_release. */
void random_scene_init(struct random_scene *s, int lines, int columns, int K, int percent_invalid, uint64_t seed);
void random_scene_release(struct random_scene *s);

/* The window as a block for network n; what lies outside the scene is not valid and holds 12345. with_logits as in
 * block_open. Close with block_close. */
struct block *random_scene_block(struct random_scene *s, const struct network *n, int line, int column, int lines,
                                 int columns, int with_logits);
