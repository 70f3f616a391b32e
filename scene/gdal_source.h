/* gdal_source.h - the only files that GDAL can open for reading: bytes handed to it under names that we made up.
 *
 * A file system of GDAL's, registered once under a prefix, with two names in each source: the data, which is an open
 * file of ours, and beside it a header, which is text in memory. Everything else that GDAL looks for there (.aux.xml,
 * .ovr, .msk, .tfw, ...) does not exist. So no path ever reaches GDAL, no sidecar is read, what was checked is what is
 * read even if the path now names another file, and a header of a stranger's is replaced by one written from what we
 * understood of it.
 * Threading: sources may be opened and closed by any thread; one source is used by one thread at a time.
 */
#pragma once
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

struct gdal_source;

/* fd: a regular file, read with pread(); owned by the source from now on, also on failure. GDAL sees length bytes of it
 * from `offset` on. header: NULL, or the text that is found beside it with ".hdr" appended; copied. Errors: ERR_NOMEM.
 */
int gdal_source_open(struct gdal_source **out, int fd, uint64_t offset, uint64_t length, const char *header,
                     struct err *e);

/* After GDAL has closed what it opened. Accepts NULL. */
void gdal_source_close(struct gdal_source *s);

/* 0 as long as every byte that GDAL asked for and the file's length promised could be read; else the errno of the first
 * that could not, ENODATA where the file became shorter. GDAL itself answers zeros for what is missing of ENVI data. */
int gdal_source_failure(const struct gdal_source *s);

/* The name for GDALOpenEx, and its siblings (data, header), NULL-terminated, for the argument of that name. */
const char *gdal_source_name(const struct gdal_source *s);
const char *const *gdal_source_siblings(const struct gdal_source *s);
