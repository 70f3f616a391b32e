/* accept.h - content negotiation: `format` wins, else the Accept header with its q-values, else JSON.
 * Threading: pure functions.
 */
#pragma once
#include "base/err.h"
#include "proto/query.h"

/* accept may be NULL. Errors: ERR_ACCEPT names what there is; ERR_REQUEST for a header that cannot be parsed. Over HTTP
 * `format` npy needs no Accept. */
int accept_choose(enum result_format asked, const char *accept, enum result_format *out, struct err *e);

const char *accept_media_type(enum result_format f); /* "image/tiff; application=geotiff" */
const char *accept_extension(enum result_format f);  /* "tif" */
