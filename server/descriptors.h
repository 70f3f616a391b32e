/* descriptors.h - how many connections the limit of open files leaves room for.
 * Threading: used at start.
 */
#pragma once
#include "base/err.h"
#include "server/config.h"

/* Raises the process's limit as far as it may, and checks the settings against it. Errors: ERR_USAGE, ERR_IO. */
int descriptors_for_connections(const struct server_settings *s, int *most, struct err *e);
