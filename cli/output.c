#include "cli/output.h"
#include "base/file.h"
#include "cli/leftover.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot(const struct output *o, const char *what, struct err *e)
{
    return err_set(e, file_is_full(errno) ? ERR_SPACE : ERR_IO, "%s cannot be %s: %s",
                   o->target == NULL ? "standard output" : o->target, what, strerror(errno));
}

static char *joined(const char *folder, const char *name)
{
    char *path;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* Found out before the work, not after it. */
static int check_target(const char *target, struct err *e)
{
    struct stat s;
    if (target[0] == '\0' || target[strlen(target) - 1] == '/')
        return err_set(e, ERR_IO, "'%s' is not the name of a file", target);
    if (stat(target, &s) == 0 && !S_ISREG(s.st_mode))
        return err_set(e, ERR_IO, "%s exists and is not a regular file", target);
    return 0;
}

/* A link stays, what it points to is written. NULL: no link, or to nothing. */
static char *behind_link(const char *target)
{
    struct stat s;
    return lstat(target, &s) == 0 && S_ISLNK(s.st_mode) ? realpath(target, NULL) : NULL;
}

int output_open(struct output *o, const char *target, struct err *e)
{
    *o = (struct output){.lock = -1};
    bool standard = strcmp(target, "-") == 0;
    char *linked = standard ? NULL : behind_link(target);
    if (linked != NULL)
        target = linked;
    const char *temporary = getenv("TMPDIR");
    char *copy = strdup(target), *name = strdup(target);
    int result = -1;
    if (copy == NULL || name == NULL) {
        err_nomem(e);
        goto done;
    }
    if (!standard && check_target(target, e) != 0)
        goto done;
    const char *folder = standard ? (temporary != NULL ? temporary : "/tmp") : dirname(copy);
    char *directory;
    leftover_remove(folder);
    o->target = standard ? NULL : strdup(target);
    if (asprintf(&directory, "%s/" LEFTOVER_PREFIX "XXXXXX", folder) < 0) {
        err_nomem(e);
        goto done;
    }
    if (mkdtemp(directory) == NULL) {
        err_set(e, file_is_full(errno) ? ERR_SPACE : ERR_IO, "nothing can be written in %s: %s", folder,
                strerror(errno));
        free(directory);
        goto done;
    }
    o->directory = directory;
    o->lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->lock >= 0)
        flock(o->lock, LOCK_EX | LOCK_NB);
    o->path = joined(directory, standard ? "out" : basename(name));
    if (o->path == NULL || (!standard && o->target == NULL)) {
        err_nomem(e);
        goto done;
    }
    result = 0;
done:
    free(copy);
    free(name);
    free(linked);
    if (result != 0)
        output_release(o);
    return result;
}

static int copy_to_standard_output(struct output *o, struct err *e)
{
    char buffer[1 << 16];
    int fd = open(o->path, O_RDONLY | O_CLOEXEC), result = -1;
    if (fd < 0)
        return cannot(o, "written", e);
    for (;;) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n < 0) {
            cannot(o, "written", e);
            goto done;
        }
        if (n == 0)
            break;
        if (file_write(STDOUT_FILENO, buffer, (size_t)n, -1, "standard output", e) != 0)
            goto done;
    }
    result = 0;
done:
    close(fd);
    return result;
}

/* Calls visit for each file of the private directory; stops at its first -1. */
static int each_file(struct output *o, int (*visit)(struct output *o, const char *name))
{
    DIR *d = opendir(o->directory);
    int result = 0;
    if (d == NULL)
        return -1;
    for (struct dirent *f; result == 0 && (f = readdir(d)) != NULL;)
        if (strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0)
            result = visit(o, f->d_name);
    closedir(d);
    return result;
}

static int move_companion(struct output *o, const char *name)
{
    if (strcmp(name, strrchr(o->path, '/') + 1) == 0)
        return 0; /* the result itself: has its name already */
    char *folder = strdup(o->target), *from = joined(o->directory, name), *to = NULL;
    if (folder != NULL)
        to = joined(dirname(folder), name);
    int result = from == NULL || to == NULL ? -1 : rename(from, to);
    free(folder);
    free(from);
    free(to);
    return result;
}

/* Beside an old result lies its own companion: it must not be taken for the new one's. */
static int remove_stale_companion(const struct output *o)
{
    char *companion;
    if (asprintf(&companion, "%s.aux.xml", o->target) < 0)
        return -1;
    int result = unlink(companion) != 0 && errno != ENOENT ? -1 : 0;
    free(companion);
    return result;
}

static int remove_file(struct output *o, const char *name)
{
    char *path = joined(o->directory, name);
    if (path != NULL)
        unlink(path);
    free(path);
    return 0;
}

int output_commit(struct output *o, struct err *e)
{
    if (o->target == NULL)
        return copy_to_standard_output(o, e);
    if (remove_stale_companion(o) != 0 || rename(o->path, o->target) != 0 || each_file(o, move_companion) != 0)
        return cannot(o, "written", e);
    return 0;
}

void output_release(struct output *o)
{
    if (o->directory != NULL) {
        each_file(o, remove_file);
        rmdir(o->directory);
        if (o->lock >= 0)
            close(o->lock);
    }
    free(o->directory);
    free(o->path);
    free(o->target);
    *o = (struct output){.lock = -1};
}
