#include "cli/leftover.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Between the making of a directory and its lock lies a moment. */
enum { YOUNG_S = 10 };

static bool has_name(const char *name)
{
    size_t prefix = sizeof LEFTOVER_PREFIX - 1;
    return strncmp(name, LEFTOVER_PREFIX, prefix) == 0 && strlen(name) == prefix + 6;
}

/* Ours: of this user, for nobody else, and not just made. */
static bool is_ours(int fd)
{
    struct stat s;
    return fstat(fd, &s) == 0 && s.st_uid == geteuid() && (s.st_mode & 07777) == 0700 &&
           time(NULL) - s.st_mtime >= YOUNG_S;
}

/* Its files; it holds no folders, and one that holds some is none of ours and stays. */
static void empty(int fd)
{
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = own < 0 ? NULL : fdopendir(own);
    if (d == NULL) {
        if (own >= 0)
            close(own);
        return;
    }
    for (const struct dirent *f; (f = readdir(d)) != NULL;)
        if (strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0)
            (void)unlinkat(fd, f->d_name, 0);
    closedir(d);
}

void leftover_remove(const char *folder)
{
    DIR *d = opendir(folder);
    if (d == NULL)
        return;
    for (const struct dirent *f; (f = readdir(d)) != NULL;) {
        int fd =
            has_name(f->d_name) ? openat(dirfd(d), f->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        if (fd < 0)
            continue;
        if (is_ours(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0) {
            empty(fd);
            (void)unlinkat(dirfd(d), f->d_name, AT_REMOVEDIR);
        }
        close(fd);
    }
    closedir(d);
}
