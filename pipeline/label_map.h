/* label_map.h - the label map of a request: one byte a pixel, in an unlinked file that is mapped.
 *
 * A file and not memory, so that a scene of 10^9 pixels costs disk; its blocks are reserved at once, so that a full
 * disk is an error here and not a signal later. Threading: one thread.
 */
#pragma once
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

/* length > 0. Errors: ERR_SPACE, ERR_IO, ERR_NOMEM (of address space). */
int label_map_open(uint8_t **labels, size_t length, const char *directory, struct err *e);
void label_map_close(uint8_t *labels, size_t length); /* accepts NULL */
