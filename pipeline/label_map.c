#include "pipeline/label_map.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file without a name: it goes with the process, however that ends. */
static int open_unnamed(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/labels.XXXXXX", directory);
    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

int label_map_open(uint8_t **labels, size_t length, const char *directory, struct err *e)
{
    int result = -1;
    int fd = open_unnamed(directory);
    if (fd < 0)
        return err_set(e, ERR_IO, "no temporary file can be made for the label map");
    int reserved = posix_fallocate(fd, 0, (off_t)length);
    if (reserved != 0) {
        err_set(e, file_is_full(reserved) ? ERR_SPACE : ERR_IO, "there is no room for a label map of %zu bytes",
                length);
        goto done;
    }
    void *map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        err_nomem(e);
        goto done;
    }
    *labels = map;
    result = 0;
done:
    close(fd);
    return result;
}

void label_map_close(uint8_t *labels, size_t length)
{
    if (labels != NULL)
        munmap(labels, length);
}
