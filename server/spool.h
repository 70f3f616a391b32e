/* spool.h - where uploads lie while they are classified: private, counted, and gone afterwards whatever happens.
 *
 * Under the operator's folder the daemon makes one of its own, spectrad-XXXXXX (0700), and holds a lock on it for as
 * long as it lives; each request gets a numbered folder in there. A folder whose lock nobody holds belonged to a daemon
 * that was killed: the next start removes it, if it bears the marker that a daemon puts into its own, and only what a
 * daemon makes. So several daemons may share the operator's folder, and it may hold other things. Threading: spool_open
 * and spool_close by one thread; the rest from any.
 */
#pragma once
#include "base/err.h"
#include <pthread.h>
#include <stdint.h>

struct spool {
    char *path; /* of the daemon's own folder; NULL: not open */
    int fd;     /* of that folder, locked */
    uint64_t limit;
    pthread_mutex_t lock;
    uint64_t used;   /* by lock: bytes reserved */
    uint64_t number; /* by lock: of the last request folder */
};

/* base "": $TMPDIR, else /var/tmp. Errors: ERR_IO, ERR_NOMEM. On -1 nothing needs to be closed. */
int spool_open(struct spool *s, const char *base, uint64_t limit, struct err *e);
void spool_close(struct spool *s);

/* Sets bytes aside before they come. ERR_SPACE: above the limit, or the disk has not that much. */
int spool_reserve(struct spool *s, uint64_t bytes, struct err *e);
void spool_free(struct spool *s, uint64_t bytes);
uint64_t spool_used(struct spool *s);

/* Makes a folder for one request; *path is malloc'ed. Errors: ERR_SPACE, ERR_IO, ERR_NOMEM. */
int spool_folder_make(struct spool *s, char **path, struct err *e);

/* Removes the folder with all files in it, and frees path. Accepts NULL. */
void spool_folder_remove(char *path);
