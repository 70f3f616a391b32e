#include "scene/cube.h"
#include "scene/envi_text.h"
#include "scene/sniff.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Length of path without its extension; the whole length where it has none. */
static size_t stem(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    const char *name = slash == NULL ? path : slash + 1;
    return dot == NULL || dot <= name ? strlen(path) : (size_t)(dot - path);
}

/* The first of path[0..length) + endings[i] that is a file and not path itself; NULL: none, or no memory. */
static char *first_of(const char *path, size_t length, const char *const *endings)
{
    for (size_t i = 0; endings[i] != NULL; i++) {
        char *candidate;
        if (asprintf(&candidate, "%.*s%s", (int)length, path, endings[i]) < 0)
            return NULL;
        if (strcmp(candidate, path) != 0 && is_file(candidate))
            return candidate;
        free(candidate);
    }
    return NULL;
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static int find_data(const char *path, char **data, struct err *e)
{
    static const char *const endings[] = {"",     ".img", ".dat", ".raw", ".bil", ".bip", ".bsq", ".bin", ".rfl",
                                          ".IMG", ".DAT", ".RAW", ".BIL", ".BIP", ".BSQ", ".BIN", NULL};
    size_t length = stem(path);
    *data = first_of(path, length, endings);
    if (*data != NULL)
        return 0;
    return err_set(
        e, ERR_INPUT,
        "%s is an ENVI header, and its data is not beside it: looked for %.*s without an ending and with .img, "
        ".dat, .raw, .bil, .bip, .bsq, .bin, .rfl",
        name_of(path), (int)(length - (size_t)(name_of(path) - path)), name_of(path));
}

static int find_header(const char *path, const char *head, size_t head_length, char **header, struct err *e)
{
    static const char *const endings[] = {".hdr", ".HDR", ".Hdr", NULL};
    const char *name = sniff_name(head, head_length);
    *header = first_of(path, strlen(path), endings);
    if (*header == NULL)
        *header = first_of(path, stem(path), endings);
    if (*header != NULL)
        return 0;
    if (name != NULL)
        return err_set(e, ERR_FORMAT, "%s is neither a TIFF nor an ENVI pair; it looks like %s", name_of(path), name);
    if (!is_file(path))
        return err_set(e, ERR_INPUT, "%s is not a regular file", name_of(path));
    return err_set(e, ERR_INPUT,
                   "%s is no TIFF, and as ENVI data it lacks its header: looked for %s.hdr and %.*s.hdr beside it",
                   name_of(path), name_of(path), (int)(stem(path) - (size_t)(name_of(path) - path)), name_of(path));
}

int cube_find_files(const char *path, char **data, char **header, struct err *e)
{
    char head[SNIFF_BYTES];
    *data = *header = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof head, 0);
    int failed = errno;
    if (fd >= 0)
        close(fd);
    if (n < 0 && (failed == ESPIPE || failed == EISDIR))
        return err_set(e, ERR_INPUT, "%s is not a regular file", name_of(path));
    if (n < 0)
        return err_set(e, ERR_IO, "%s cannot be read: %s", name_of(path), strerror(failed));
    char *self = strdup(path);
    if (self == NULL)
        return err_nomem(e);
    bool is_header = envi_text_begins(head, (size_t)n);
    *(is_header ? header : data) = self;
    int result = 0;
    if (is_header)
        result = find_data(path, data, e);
    else if (!sniff_is_tiff(head, (size_t)n))
        result = find_header(path, head, (size_t)n, header, e);
    if (result == 0)
        return 0;
    free(*data);
    free(*header);
    *data = *header = NULL;
    return -1;
}
