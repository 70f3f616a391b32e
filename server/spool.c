#include "server/spool.h"
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

/* Removes what lies in the folder `name` of parent, and itself. Never follows a link. Depth: the daemon's folder, a
 * request's folder, its files. */
static void remove_tree(int parent, const char *name, int depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(d), entry->d_name, 0) != 0 && (errno == EISDIR || errno == EPERM) && depth > 1)
            remove_tree(dirfd(d), entry->d_name, depth - 1);
    }
    closedir(d);
    (void)unlinkat(parent, name, AT_REMOVEDIR);
}

/* Opens and locks the folder; -1 if it is not ours, or somebody holds it. */
static int lock_folder(int parent, const char *name, int operation)
{
    struct stat opened;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &opened) == 0 && opened.st_uid == geteuid() && flock(fd, operation) == 0)
        return fd;
    close(fd);
    return -1;
}

static void remove_leftovers(int base)
{
    int own = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = own < 0 ? NULL : fdopendir(own);
    if (d == NULL) {
        if (own >= 0)
            close(own);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        int fd = lock_folder(base, entry->d_name, LOCK_EX | LOCK_NB);
        if (fd < 0)
            continue;
        remove_tree(base, entry->d_name, 2);
        close(fd);
        log_event(LOG_INFO, "removed the spool of a daemon that was killed", LOG_STR("folder", entry->d_name));
    }
    closedir(d);
}

/* A daemon that starts at the same moment may take the folder for a leftover between mkdtemp and flock, and remove it:
 * then it has no links any more, and another is made. */
static int make_locked(int base, const char *path, char **made, struct err *e)
{
    for (int attempt = 0; attempt < 16; attempt++) {
        struct stat now;
        if (asprintf(made, "%s/" PREFIX "XXXXXX", path) < 0) {
            *made = NULL;
            return err_nomem(e);
        }
        if (mkdtemp(*made) == NULL)
            break;
        int fd = lock_folder(base, strrchr(*made, '/') + 1, LOCK_EX);
        if (fd >= 0 && fstat(fd, &now) == 0 && now.st_nlink > 0)
            return fd;
        if (fd >= 0)
            close(fd);
        free(*made);
        *made = NULL;
    }
    int why = errno;
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
    remove_tree(AT_FDCWD, s->path, 2);
    close(s->fd);
    pthread_mutex_destroy(&s->lock);
    free(s->path);
    *s = (struct spool){.fd = -1};
}

int spool_reserve(struct spool *s, uint64_t bytes, struct err *e)
{
    struct statvfs disk;
    bool room = fstatvfs(s->fd, &disk) != 0 || bytes / disk.f_frsize < disk.f_bavail;
    pthread_mutex_lock(&s->lock);
    room = room && bytes <= s->limit - s->used;
    if (room)
        s->used += bytes;
    pthread_mutex_unlock(&s->lock);
    return room ? 0
                : err_set(e, ERR_SPACE, "there is no room for %llu bytes of upload now; try again later",
                          (unsigned long long)bytes);
}

void spool_free(struct spool *s, uint64_t bytes)
{
    pthread_mutex_lock(&s->lock);
    s->used -= bytes;
    pthread_mutex_unlock(&s->lock);
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
    return why == ENOSPC || why == EDQUOT ? err_set(e, ERR_SPACE, "the spool is full; try again later")
                                          : err_set(e, ERR_IO, "the upload cannot be stored");
}

void spool_folder_remove(char *path)
{
    if (path == NULL)
        return;
    remove_tree(AT_FDCWD, path, 1);
    free(path);
}
