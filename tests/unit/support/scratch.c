#include "tests/unit/support/scratch.h"
#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void must(int held, const char *what)
{
    if (held)
        return;
    perror(what);
    abort();
}

void scratch_open(struct scratch *s)
{
    snprintf(s->folder, sizeof s->folder, "/tmp/spectrad-test-XXXXXX");
    must(mkdtemp(s->folder) != NULL, "mkdtemp");
}

const char *scratch_path(struct scratch *s, const char *name)
{
    int n = snprintf(s->path, sizeof s->path, "%s/%s", s->folder, name);
    must(n > 0 && (size_t)n < sizeof s->path, "the path of a scratch file");
    return s->path;
}

const char *scratch_write(struct scratch *s, const char *name, const void *bytes, size_t length)
{
    unlink(scratch_path(s, name)); /* ext4 writes a file that was cut to nothing to the disk at once: 4 ms */
    FILE *f = fopen(s->path, "wb");
    must(f != NULL, "fopen");
    must(fwrite(bytes, 1, length, f) == length, "fwrite");
    must(fclose(f) == 0, "fclose");
    return s->path;
}

void scratch_close(struct scratch *s)
{
    DIR *d = opendir(s->folder);
    must(d != NULL, "opendir");
    for (struct dirent *entry = readdir(d); entry != NULL; entry = readdir(d))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            must(unlink(scratch_path(s, entry->d_name)) == 0, "unlink");
    closedir(d);
    must(rmdir(s->folder) == 0, "rmdir");
}
