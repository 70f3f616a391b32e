#include "scene/gdal_source.h"
#include <cpl_vsi.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "/spectrad_source/"
#define DATA   "cube"
#define HEADER "cube.hdr"

struct gdal_source {
    struct gdal_source *next; /* in the list of all */
    int fd;
    uint64_t offset, length;
    char *header;
    size_t header_length;
    int failure;     /* as gdal_source_failure returns it */
    char folder[24]; /* "17/": its names behind the prefix begin so */
    char name[64];
};

/* Sources by number. A name is never reused in a process, so that GDAL's caches by name cannot mix them up. */
static struct {
    pthread_mutex_t lock;
    struct gdal_source *first;
    unsigned long long made;
} sources = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* What GDAL holds for an open file. */
struct handle {
    struct gdal_source *source;
    bool header;
    bool at_end;
    uint64_t at, length;
};

/* The source and which of its two files `name` (behind the prefix) is; NULL: no such file. */
static struct gdal_source *find(const char *name, bool *header)
{
    struct gdal_source *found = NULL;
    pthread_mutex_lock(&sources.lock);
    for (struct gdal_source *s = sources.first; s != NULL && found == NULL; s = s->next) {
        size_t n = strlen(s->folder);
        if (strncmp(name, s->folder, n) != 0)
            continue;
        *header = s->header != NULL && strcmp(name + n, HEADER) == 0;
        if (*header || strcmp(name + n, DATA) == 0)
            found = s;
    }
    pthread_mutex_unlock(&sources.lock);
    return found;
}

static int find_status(void *unused, const char *name, VSIStatBufL *status, int flags)
{
    bool header;
    const struct gdal_source *s = find(name, &header);
    (void)unused;
    (void)flags;
    memset(status, 0, sizeof *status);
    if (s == NULL) {
        errno = ENOENT;
        return -1;
    }
    status->st_mode = S_IFREG | S_IRUSR;
    status->st_size = (off_t)(header ? s->header_length : s->length);
    return 0;
}

static void *open_file(void *unused, const char *name, const char *access)
{
    bool header;
    struct gdal_source *s = find(name, &header);
    (void)unused;
    if (s == NULL || strpbrk(access, "wa+") != NULL) {
        errno = s == NULL ? ENOENT : EROFS;
        return NULL;
    }
    struct handle *h = malloc(sizeof *h);
    if (h == NULL)
        s->failure = errno = ENOMEM;
    else
        *h = (struct handle){.source = s, .header = header, .length = header ? s->header_length : s->length};
    return h;
}

static vsi_l_offset tell(void *file)
{
    return ((struct handle *)file)->at;
}

static int seek(void *file, vsi_l_offset offset, int whence)
{
    struct handle *h = file;
    uint64_t from = whence == SEEK_CUR ? h->at : whence == SEEK_END ? h->length : 0;
    uint64_t to = from + offset; /* wraps: offsets are unsigned, a step back comes as a huge number */
    if (to > INT64_MAX)
        return -1;
    h->at = to;
    h->at_end = false;
    return 0;
}

static size_t read_data(const struct handle *h, char *to, size_t wanted)
{
    size_t done = 0;
    while (done < wanted) {
        ssize_t n = pread(h->source->fd, to + done, wanted - done, (off_t)(h->source->offset + h->at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (h->source->failure == 0)
                h->source->failure = n < 0 ? errno : ENODATA;
            break;
        }
        done += (size_t)n;
    }
    return done;
}

static size_t read_items(void *file, void *buffer, size_t size, size_t count)
{
    struct handle *h = file;
    size_t wanted;
    if (size == 0 || __builtin_mul_overflow(size, count, &wanted))
        return 0;
    if (h->at >= h->length || wanted > h->length - h->at) {
        h->at_end = true;
        wanted = h->at >= h->length ? 0 : (size_t)(h->length - h->at);
    }
    size_t done = wanted;
    if (h->header && wanted > 0)
        memcpy(buffer, h->source->header + h->at, wanted);
    else if (wanted > 0)
        done = read_data(h, buffer, wanted);
    if (done < wanted)
        h->at_end = true;
    h->at += done;
    return done / size;
}

static int at_end(void *file)
{
    return ((struct handle *)file)->at_end;
}

static int close_file(void *file)
{
    free(file);
    return 0;
}

static void install(void)
{
    VSIFilesystemPluginCallbacksStruct *calls = VSIAllocFilesystemPluginCallbacksStruct();
    calls->stat = find_status;
    calls->open = open_file;
    calls->tell = tell;
    calls->seek = seek;
    calls->read = read_items;
    calls->eof = at_end;
    calls->close = close_file;
    VSIInstallPluginHandler(PREFIX, calls);
    VSIFreeFilesystemPluginCallbacksStruct(calls);
}

int gdal_source_open(struct gdal_source **out, int fd, uint64_t offset, uint64_t length, const char *header,
                     struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    struct gdal_source *s = calloc(1, sizeof *s);
    char *copy = header == NULL ? NULL : strdup(header);
    if (s == NULL || (header != NULL && copy == NULL)) {
        free(s);
        free(copy);
        close(fd);
        return err_nomem(e);
    }
    s->fd = fd;
    s->offset = offset;
    s->length = length;
    s->header = copy;
    s->header_length = copy == NULL ? 0 : strlen(copy);
    pthread_mutex_lock(&sources.lock);
    snprintf(s->folder, sizeof s->folder, "%llu/", ++sources.made);
    s->next = sources.first;
    sources.first = s;
    pthread_mutex_unlock(&sources.lock);
    snprintf(s->name, sizeof s->name, PREFIX "%s" DATA, s->folder);
    *out = s;
    return 0;
}

void gdal_source_close(struct gdal_source *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&sources.lock);
    struct gdal_source **at = &sources.first;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    pthread_mutex_unlock(&sources.lock);
    close(s->fd);
    free(s->header);
    free(s);
}

int gdal_source_failure(const struct gdal_source *s)
{
    return s->failure;
}

const char *gdal_source_name(const struct gdal_source *s)
{
    return s->name;
}

const char *const *gdal_source_siblings(const struct gdal_source *s)
{
    static const char *const alone[] = {DATA, NULL}, *const pair[] = {DATA, HEADER, NULL};
    return s->header == NULL ? alone : pair;
}
