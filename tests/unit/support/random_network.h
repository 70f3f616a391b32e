/* random_network.h - a network in memory with random weights, for tests of engines.
 *
 * Weights are drawn so that activations stay of order 1 through all layers and logits spread by about 1: a wrong layer
 * shows, and nothing saturates. Biases and shifts are not zero and gates are not symmetric, so that a forgotten one
 * shows too. Threading: pure function.
 */
#pragma once
#include "model/network.h"
#include <stdint.h>

/* Any K >= 7, C, P >= 7, N >= 1. The same seed gives the same bits. Aborts the test when memory is short. Release with
 * network_release. */
void random_network(struct network *n, const struct network_sizes *sizes, uint64_t seed);
