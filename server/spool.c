#include "server/spool.h"
#include "base/file.h"
#include "base/log.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PREFIX "spectrad-"
#define MARKER ".spectrad-spool" /* in every folder that a daemon made, from when it had locked it */

enum { RANDOM = 6 }; /* characters that mkdtemp chooses */

static DIR *open_folder(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL && fd >= 0)
        close(fd);
    return d;
}

static const struct dirent *next_entry(DIR *d)
{
    const struct dirent *entry;
    do
        entry = readdir(d);
    while (entry != NULL && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry;
}

/* Removes the folder `name` of parent, which this process made, with what lies in it. Never follows a link. Depth: the
 * daemon's folder, a request's folder, its files. */
static void remove_own(int parent, const char *name, int depth)
{
    DIR *d = open_folder(parent, name);
    if (d == NULL)
        return;
    for (const struct dirent *entry; (entry = next_entry(d)) != NULL;)
        if (unlinkat(dirfd(d), entry->d_name, 0) != 0 && (errno == EISDIR || errno == EPERM) && depth > 1)
            remove_own(dirfd(d), entry->d_name, depth - 1);
    closedir(d);
    (void)unlinkat(parent, name, AT_REMOVEDIR);
}

static bool is_number(const char *name)
{
    return name[0] != '\0' && name[strspn(name, "0123456789")] == '\0';
}

/* The files that upload.c, work.c and the pipeline make in a request's folder. */
static bool is_request_file(const char *name)
{
    static const char *const names[] = {"cube", "cube.hdr", "result"};
    static const char map[] = "labels.";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return strncmp(name, map, sizeof map - 1) == 0 && strlen(name) == sizeof map - 1 + RANDOM;
}

/* Removes a request's folder that another process left, with the files that it can have made; not if there is more. */
static bool remove_request(int parent, const char *name)
{
    DIR *d = open_folder(parent, name);
    if (d == NULL)
        return false;
    for (const struct dirent *entry; (entry = next_entry(d)) != NULL;)
        if (is_request_file(entry->d_name))
            (void)unlinkat(dirfd(d), entry->d_name, 0);
    closedir(d);
    return unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

/* The same for a daemon's folder; the marker goes last, so that what is left is tried again at the next start. */
static bool remove_leftover(int parent, const char *name)
{
    bool bare = true;
    DIR *d = open_folder(parent, name);
    if (d == NULL)
        return false;
    for (const struct dirent *entry; (entry = next_entry(d)) != NULL;)
        if (strcmp(entry->d_name, MARKER) != 0)
            bare = is_number(entry->d_name) && remove_request(dirfd(d), entry->d_name) && bare;
    bare = bare && unlinkat(dirfd(d), MARKER, 0) == 0;
    closedir(d);
    return bare && unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

/* Opens and locks the folder; -1 if it is not ours, or somebody holds it. */
static int lock_folder(int parent, const char *name, int operation)
{
    struct stat opened;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &opened) == 0 && opened.st_uid == geteuid() && (opened.st_mode & 0777) == 0700 &&
        flock(fd, operation) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Locks a daemon's folder that no living daemon holds; -1: it is none. The name alone says nothing: an unpacked
 * release, or a folder of models, is called spectrad-something too. */
static int lock_leftover(int parent, const char *name)
{
    struct stat marker;
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || strlen(name) != strlen(PREFIX) + RANDOM)
        return -1;
    int fd = lock_folder(parent, name, LOCK_EX | LOCK_NB);
    if (fd < 0)
        return -1;
    if (fstatat(fd, MARKER, &marker, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(marker.st_mode) && marker.st_uid == geteuid())
        return fd;
    close(fd);
    return -1;
}

static void remove_leftovers(int base)
{
    DIR *d = open_folder(base, ".");
    if (d == NULL)
        return;
    for (const struct dirent *entry; (entry = next_entry(d)) != NULL;) {
        int fd = lock_leftover(base, entry->d_name);
        if (fd < 0)
            continue;
        if (remove_leftover(base, entry->d_name))
            log_event(LOG_INFO, "removed the spool of a daemon that was killed", LOG_STR("folder", entry->d_name));
        else
            log_event(LOG_WARNING,
                      "the spool of a daemon that was killed holds what no daemon makes; look, and remove it",
                      LOG_STR("folder", entry->d_name));
        close(fd);
    }
    closedir(d);
}

/* The marker comes under the lock: until then a daemon that starts at the same moment leaves the folder alone. */
static int make_locked(int base, const char *path, char **made, struct err *e)
{
    if (asprintf(made, "%s/" PREFIX "XXXXXX", path) < 0) {
        *made = NULL;
        return err_nomem(e);
    }
    bool there = mkdtemp(*made) != NULL;
    int fd = there ? lock_folder(base, strrchr(*made, '/') + 1, LOCK_EX) : -1;
    int marker = fd < 0 ? -1 : openat(fd, MARKER, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (marker >= 0) {
        close(marker);
        return fd;
    }
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (there)
        (void)rmdir(*made);
    free(*made);
    *made = NULL;
    return err_set(e, ERR_IO, "cannot make a folder in the spool '%s': %s", path, strerror(why));
}

int spool_open(struct spool *s, const char *base, uint64_t limit, struct err *e)
{
    const char *temporary = getenv("TMPDIR");
    if (base[0] == '\0')
        base = temporary != NULL && temporary[0] == '/' ? temporary : "/var/tmp";
    *s = (struct spool){.limit = limit, .fd = -1};
    int fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, ERR_IO, "cannot open the spool folder '%s': %s", base, strerror(errno));
    remove_leftovers(fd);
    s->fd = make_locked(fd, base, &s->path, e);
    close(fd);
    if (s->fd < 0)
        return -1;
    pthread_mutex_init(&s->lock, NULL);
    return 0;
}

void spool_close(struct spool *s)
{
    if (s->path == NULL)
        return;
    remove_own(AT_FDCWD, s->path, 2);
    close(s->fd);
    pthread_mutex_destroy(&s->lock);
    free(s->path);
    *s = (struct spool){.fd = -1};
}

/* What the disk has left; some file systems do not name the size of their fragments. */
static uint64_t free_bytes(const struct spool *s)
{
    struct statvfs disk;
    if (fstatvfs(s->fd, &disk) != 0)
        return UINT64_MAX;
    uint64_t unit = disk.f_frsize != 0 ? disk.f_frsize : disk.f_bsize;
    return unit == 0 || disk.f_bavail > UINT64_MAX / unit ? UINT64_MAX : unit * disk.f_bavail;
}

int spool_claim(struct spool *s, struct spool_claim *c, uint64_t bytes, struct err *e)
{
    uint64_t left = free_bytes(s);
    pthread_mutex_lock(&s->lock);
    left -= s->unwritten < left ? s->unwritten : left;
    bool room = bytes <= left && s->used <= s->limit && bytes <= s->limit - s->used;
    if (room) {
        s->used += bytes;
        s->unwritten += bytes;
        *c = (struct spool_claim){s, bytes, bytes};
    }
    pthread_mutex_unlock(&s->lock);
    return room ? 0
                : err_set(e, ERR_SPACE, "there is no room for %llu bytes more now; try again later",
                          (unsigned long long)bytes);
}

void spool_wrote(struct spool_claim *c, uint64_t bytes)
{
    pthread_mutex_lock(&c->spool->lock);
    bytes = bytes < c->unwritten ? bytes : c->unwritten;
    c->unwritten -= bytes;
    c->spool->unwritten -= bytes;
    pthread_mutex_unlock(&c->spool->lock);
}

void spool_keep(struct spool_claim *c, uint64_t bytes)
{
    struct spool *s = c->spool;
    pthread_mutex_lock(&s->lock);
    s->used = s->used - c->bytes + bytes;
    s->unwritten -= c->unwritten;
    *c = (struct spool_claim){s, bytes, 0};
    pthread_mutex_unlock(&s->lock);
}

void spool_release(struct spool_claim *c)
{
    if (c->spool != NULL)
        spool_keep(c, 0);
    *c = (struct spool_claim){NULL, 0, 0};
}

uint64_t spool_used(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t used = s->used;
    pthread_mutex_unlock(&s->lock);
    return used;
}

int spool_folder_make(struct spool *s, char **path, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    unsigned long long number = ++s->number;
    pthread_mutex_unlock(&s->lock);
    if (asprintf(path, "%s/%llu", s->path, number) < 0) {
        *path = NULL;
        return err_nomem(e);
    }
    if (mkdir(*path, 0700) == 0)
        return 0;
    int why = errno;
    free(*path);
    *path = NULL;
    log_event(LOG_ERROR, "cannot make a folder in the spool", LOG_STR("error", strerror(why)));
    return file_is_full(why) ? err_set(e, ERR_SPACE, "the spool is full; try again later")
                             : err_set(e, ERR_IO, "the upload cannot be stored");
}

void spool_folder_remove(char *path)
{
    if (path == NULL)
        return;
    remove_own(AT_FDCWD, path, 1);
    free(path);
}
