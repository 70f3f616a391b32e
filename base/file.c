#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int file_read(uint8_t **bytes, size_t *length, const char *path, size_t limit, struct err *e)
{
    struct stat st;
    uint8_t *buffer = NULL;
    size_t used = 0;
    int result = -1;
    /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_set(e, ERR_IO, "cannot be opened: %s", strerror(errno));
    if (fstat(fd, &st) != 0) {
        err_set(e, ERR_IO, "cannot be examined: %s", strerror(errno));
        goto done;
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(e, ERR_INPUT, "not a regular file");
        goto done;
    }
    if ((unsigned long long)st.st_size > limit) {
        err_set(e, ERR_INPUT, "too large: %lld bytes where at most %zu are read", (long long)st.st_size, limit);
        goto done;
    }
    size_t size = (size_t)st.st_size;
    buffer = malloc(size > 0 ? size : 1);
    if (buffer == NULL) {
        err_nomem(e);
        goto done;
    }
    while (used < size) {
        ssize_t n = read(fd, buffer + used, size - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            err_set(e, ERR_IO, "cannot be read: %s", n < 0 ? strerror(errno) : "it became shorter meanwhile");
            goto done;
        }
        used += (size_t)n;
    }
    *bytes = buffer;
    *length = size;
    buffer = NULL;
    result = 0;
done:
    free(buffer);
    close(fd);
    return result;
}

bool file_is_full(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

static int not_written(const char *what, int why, struct err *e)
{
    bool full = file_is_full(why);
    err_set(e, full ? ERR_SPACE : ERR_IO, "%s cannot be written%s", what, full ? ": no space is left" : "");
    errno = why;
    return -1;
}

int file_write(int fd, const void *bytes, size_t length, off_t offset, const char *what, struct err *e)
{
    const char *from = bytes;
    while (length > 0) {
        ssize_t n = offset < 0 ? write(fd, from, length) : pwrite(fd, from, length, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) /* a device that takes nothing would be asked for ever */
            return not_written(what, n < 0 ? errno : EIO, e);
        from += n;
        length -= (size_t)n;
        offset += offset < 0 ? 0 : n;
    }
    return 0;
}

int file_close(int fd, const char *what, struct err *e)
{
    return close(fd) == 0 ? 0 : not_written(what, errno, e);
}
