/* spool.h - where uploads lie while they are classified, and label maps and results until they are sent: private,
 * counted, and gone afterwards whatever happens.
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
    uint64_t used;      /* by lock: bytes of all claims */
    uint64_t unwritten; /* by lock: of these, the ones that the disk does not count yet */
    uint64_t number;    /* by lock: of the last request folder */
};

/* What one holder has of the spool. All zero: nothing. */
struct spool_claim {
    struct spool *spool;
    uint64_t bytes, unwritten; /* by spool->lock */
};

/* base "": $TMPDIR, else /var/tmp. Errors: ERR_IO, ERR_NOMEM. On -1 nothing needs to be closed. */
int spool_open(struct spool *s, const char *base, uint64_t limit, struct err *e);
void spool_close(struct spool *s);

/* Sets bytes aside before they come; *c is empty. ERR_SPACE: above the limit, or the disk has not that much beside what
 * others were promised. */
int spool_claim(struct spool *s, struct spool_claim *c, uint64_t bytes, struct err *e);

/* So many more of them lie on the disk now. */
void spool_wrote(struct spool_claim *c, uint64_t bytes);

/* From now on the claim is for so many bytes, all of them written. */
void spool_keep(struct spool_claim *c, uint64_t bytes);

/* Gives all back, and empties *c. Twice does no harm. */
void spool_release(struct spool_claim *c);

uint64_t spool_used(struct spool *s);

/* Makes a folder for one request; *path is malloc'ed. Errors: ERR_SPACE, ERR_IO, ERR_NOMEM. */
int spool_folder_make(struct spool *s, char **path, struct err *e);

/* Removes the folder with all files in it, and frees path. Accepts NULL. */
void spool_folder_remove(char *path);
