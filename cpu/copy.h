/* copy.h - a network of the engine's own: the caller may release his after load. */
#pragma once
#include "model/network.h"

/* Errors: ERR_NOMEM. Release with network_release. */
int copy_network(struct network *out, const struct network *n, struct err *e);
