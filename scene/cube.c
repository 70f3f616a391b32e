#include "base/file.h"
#include "scene/cube_internal.h"
#include "scene/gdal_setup.h"
#include "scene/sniff.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct cube_limits cube_limits_default = {.pixels = 10000000000, .bands = 4096, .inflation = 1000};

/* The data file, open, and how it begins. */
struct data_file {
    int fd;
    uint64_t bytes;
    char head[SNIFF_BYTES];
    size_t head_length;
};

static int open_data(struct data_file *f, const char *path, struct err *e)
{
    struct stat st;
    /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f->fd < 0)
        return err_set(e, ERR_IO, "the cube cannot be opened: %s", strerror(errno));
    if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return err_set(e, ERR_INPUT, "the cube is not a regular file");
    f->bytes = (uint64_t)st.st_size;
    ssize_t n = pread(f->fd, f->head, sizeof f->head, 0);
    if (n < 0)
        return err_set(e, ERR_IO, "the cube cannot be read: %s", strerror(errno));
    f->head_length = (size_t)n;
    return 0;
}

/* Hands the file to GDAL, which may use one driver. */
static int open_dataset(struct cube *c, struct data_file *f, uint64_t offset, const char *header, const char *driver,
                        struct err *e)
{
    const char *const drivers[] = {driver, NULL};
    /* An overview can live in any file that the TIFF's metadata names: none is ever looked at. */
    static const char *const tiff_options[] = {"OVERVIEW_LEVEL=NONE", "GEOREF_SOURCES=INTERNAL", "NUM_THREADS=1", NULL};
    int fd = f->fd;
    f->fd = -1;
    if (gdal_source_open(&c->source, fd, offset, f->bytes - offset, header, e) != 0)
        return -1;
    gdal_trouble_forget();
    c->dataset = GDALOpenEx(gdal_source_name(c->source), GDAL_OF_RASTER | GDAL_OF_READONLY, drivers,
                            header == NULL ? tiff_options : NULL, gdal_source_siblings(c->source));
    if (c->dataset != NULL)
        return 0;
    if (gdal_trouble_is_memory())
        return err_set(e, ERR_LIMIT, "the file needs more memory than there is");
    return err_set(e, ERR_INPUT, "the %s cannot be opened: it is truncated, damaged, or of a kind that is not read",
                   header == NULL ? "TIFF" : "ENVI data");
}

static int open_tiff(struct cube *c, struct data_file *f, const struct cube_limits *limits, struct err *e)
{
    if (open_dataset(c, f, 0, NULL, "GTiff", e) != 0)
        return -1;
    return cube_fill_description(c, NULL, limits, f->bytes, e);
}

static int read_header(char **text, size_t *length, const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) == 0 && st.st_size > ENVI_HEADER_MOST)
        return err_set(e, ERR_TOO_LARGE, "the ENVI header has %lld bytes; at most %d are read", (long long)st.st_size,
                       (int)ENVI_HEADER_MOST);
    uint8_t *bytes;
    if (file_read(&bytes, length, path, ENVI_HEADER_MOST, e) != 0)
        return err_prefix(e, "the ENVI header");
    *text = (char *)bytes;
    return 0;
}

static int parse_header(struct envi_header *h, const char *path, const struct cube_limits *limits, bool classification,
                        struct err *e)
{
    const struct envi_rules rules = {limits->bands, limits->pixels, classification};
    char *text = NULL;
    size_t length = 0;
    if (read_header(&text, &length, path, e) != 0)
        return -1;
    int result = envi_header_parse(h, text, length, &rules, e);
    if (result != 0 && e != NULL && e->code == ERR_FORMAT) {
        const char *name = sniff_name(text, length);
        err_set(e, ERR_FORMAT, "the header is not an ENVI header, whose first line is 'ENVI'; it looks like %s",
                name == NULL ? "binary data" : name);
    }
    free(text);
    return result;
}

static int open_envi(struct cube *c, struct data_file *f, const char *header, const struct cube_limits *limits,
                     bool classification, struct err *e)
{
    struct envi_header h;
    char *text = NULL;
    int result = -1;
    if (parse_header(&h, header, limits, classification, e) != 0)
        return -1;
    if (envi_header_check_length(&h, f->bytes, e) != 0) {
        const char *name = sniff_name(f->head, f->head_length);
        if (sniff_is_tiff(f->head, f->head_length))
            err_set(e, ERR_INPUT, "the cube is %s, which needs no ENVI header: send it alone", name);
        goto done;
    }
    if (envi_header_write(&h, &text, e) != 0 || open_dataset(c, f, h.offset, text, "ENVI", e) != 0)
        goto done;
    result = cube_fill_description(c, &h, limits, f->bytes, e);
done:
    free(text);
    envi_header_release(&h);
    return result;
}

/* Data that is no TIFF came without a header. */
static int refuse_alone(const struct data_file *f, bool pair, struct err *e)
{
    const char *name = sniff_name(f->head, f->head_length);
    if (name != NULL && strcmp(name, "an ENVI header") == 0)
        return err_set(e, ERR_INPUT, "this is an ENVI header without its data: send the data file too");
    if (name == NULL && pair)
        return err_set(e, ERR_INPUT, "ENVI data came without its header: send the .hdr file too");
    return err_set(e, ERR_FORMAT,
                   "the cube is neither a TIFF nor an ENVI pair; it looks like %s. Send a GeoTIFF, or ENVI data "
                   "with its .hdr file",
                   name == NULL ? "binary data of no known format" : name);
}

int cube_open_any(struct cube **out, const struct cube_files *files, const struct cube_limits *limits,
                  bool classification, struct err *e)
{
    struct data_file f = {.fd = -1};
    struct cube *c = NULL;
    int result = -1;
    *out = NULL;
    if (files->data == NULL)
        return err_set(e, ERR_INPUT, "an ENVI header came without its data: send the data file too");
    if (open_data(&f, files->data, e) != 0)
        goto done;
    c = calloc(1, sizeof *c);
    if (c == NULL) {
        err_nomem(e);
        goto done;
    }
    if (files->header != NULL)
        result = open_envi(c, &f, files->header, limits, classification, e);
    else if (sniff_is_tiff(f.head, f.head_length))
        result = open_tiff(c, &f, limits, e);
    else
        result = refuse_alone(&f, files->pair, e);
done:
    if (f.fd >= 0)
        close(f.fd);
    if (result == 0)
        *out = c;
    else
        cube_close(c);
    return result;
}

int cube_open(struct cube **out, const struct cube_files *files, const struct cube_limits *limits, struct err *e)
{
    return cube_open_any(out, files, limits, false, e);
}

void cube_close(struct cube *c)
{
    if (c == NULL)
        return;
    if (c->dataset != NULL)
        GDALClose(c->dataset);
    gdal_source_close(c->source);
    free(c->band);
    free(c->points);
    free(c->d.crs);
    free(c);
}

const struct cube_description *cube_describe(const struct cube *c)
{
    return &c->d;
}
