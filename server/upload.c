#include "server/upload.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { HEADER_MOST = 1 << 20 };

void upload_init(struct upload *u)
{
    *u = (struct upload){.file = -1};
}

void upload_release(struct upload *u)
{
    if (u->file >= 0)
        close(u->file);
    spool_folder_remove(u->folder);
    spool_release(&u->claim);
    free(u->cube);
    free(u->header);
    free(u->parser);
    upload_init(u);
}

static int file_error(int why, struct err *e)
{
    log_event(LOG_ERROR, "an upload cannot be stored", LOG_STR("error", strerror(why)));
    return file_is_full(why) ? err_set(e, ERR_SPACE, "the spool is full; try again later")
                             : err_set(e, ERR_IO, "the upload cannot be stored");
}

static int open_file(struct upload *u, char **path, const char *name, struct err *e)
{
    if (asprintf(path, "%s/%s", u->folder, name) < 0) {
        *path = NULL;
        return err_nomem(e);
    }
    u->file = open(*path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return u->file < 0 ? file_error(errno, e) : 0;
}

static int part_begins(void *arg, const char *name, struct err *e)
{
    struct upload *u = arg;
    char shown[MULTIPART_NAME];
    bool cube = strcmp(name, "cube") == 0, header = strcmp(name, "header") == 0;
    if (!cube && !header)
        return err_set(e, ERR_REQUEST, "the form has a part '%s'; this version takes the parts cube and header",
                       text_show(shown, sizeof shown, name, strlen(name)));
    if (cube ? u->cube != NULL : u->header != NULL)
        return err_set(e, ERR_REQUEST, "the form has two parts '%s'", name);
    u->in_header = header;
    return cube ? open_file(u, &u->cube, "cube", e) : open_file(u, &u->header, "cube.hdr", e);
}

static int part_data(void *arg, const void *bytes, size_t length, struct err *e)
{
    struct upload *u = arg;
    if (u->in_header && (u->header_bytes += length) > HEADER_MOST)
        return err_set(e, ERR_TOO_LARGE, "the ENVI header is larger than %d bytes", HEADER_MOST);
    if (file_write(u->file, bytes, length, -1, "the upload", NULL) != 0)
        return file_error(errno, e);
    spool_wrote(&u->claim, length);
    return 0;
}

static int part_ends(void *arg, struct err *e)
{
    struct upload *u = arg;
    int failed = close(u->file);
    u->file = -1;
    return failed != 0 ? file_error(errno, e) : 0;
}

enum body { BODY_RAW, BODY_FORM, BODY_ARCHIVE, BODY_UNKNOWN };

/* What curl sends where nobody said anything, and no type at all, are raw bytes too. */
static enum body body_of(const struct header *type)
{
    static const struct {
        const char *name;
        enum body body;
    } known[] = {
        {"image/tiff", BODY_RAW},
        {"application/octet-stream", BODY_RAW},
        {"application/x-www-form-urlencoded", BODY_RAW},
        {"multipart/form-data", BODY_FORM},
        {"application/zip", BODY_ARCHIVE},
    };
    if (type == NULL || type->value_length == 0)
        return BODY_RAW;
    const char *end = memchr(type->value, ';', type->value_length);
    size_t length = end == NULL ? type->value_length : (size_t)(end - type->value);
    while (length > 0 && (type->value[length - 1] == ' ' || type->value[length - 1] == '\t'))
        length--;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (length == strlen(known[i].name) && strncasecmp(type->value, known[i].name, length) == 0)
            return known[i].body;
    return BODY_UNKNOWN;
}

static int open_parser(struct upload *u, const struct header *type, struct err *e)
{
    const struct multipart_sink sink = {part_begins, part_data, part_ends, u};
    u->parser = malloc(sizeof *u->parser);
    if (u->parser == NULL)
        return err_nomem(e);
    return multipart_init(u->parser, type->value, type->value_length, &sink, e);
}

int upload_open(struct upload *u, struct spool *s, const struct header *content_type, uint64_t length, struct err *e)
{
    char shown[96];
    enum body body = body_of(content_type);
    if (body == BODY_ARCHIVE)
        return err_set(e, ERR_FORMAT,
                       "application/zip is not served by this version; send a TIFF, or an ENVI pair as "
                       "multipart/form-data with the parts cube and header");
    if (body == BODY_UNKNOWN)
        return err_set(e, ERR_FORMAT,
                       "the Content-Type '%s' is not served; send image/tiff, application/octet-stream "
                       "or multipart/form-data",
                       text_show(shown, sizeof shown, content_type->value, content_type->value_length));
    if (body == BODY_FORM && open_parser(u, content_type, e) != 0)
        return -1;
    if (spool_claim(s, &u->claim, length, e) != 0 || spool_folder_make(s, &u->folder, e) != 0)
        return -1;
    return body == BODY_RAW ? part_begins(u, "cube", e) : 0;
}

int upload_write(struct upload *u, const void *bytes, size_t length, struct err *e)
{
    u->bytes += length;
    return u->parser == NULL ? part_data(u, bytes, length, e) : multipart_feed(u->parser, bytes, length, e);
}

int upload_finish(struct upload *u, struct err *e)
{
    if (u->parser == NULL ? part_ends(u, e) != 0 : multipart_finish(u->parser, e) != 0)
        return -1;
    if (u->cube != NULL || u->header != NULL)
        return 0;
    return err_set(e, ERR_REQUEST, "the form has no part 'cube'");
}
