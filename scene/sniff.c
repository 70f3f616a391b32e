#include "scene/sniff.h"
#include "scene/envi_text.h"
#include <string.h>

struct magic {
    const char *name;
    size_t at, length;
    const char *bytes;
};

#define MAGIC(name, at, bytes)                                                                                         \
    {                                                                                                                  \
        name, at, sizeof(bytes) - 1, bytes                                                                             \
    }

static const struct magic tiffs[] = {
    MAGIC("a TIFF", 0, "II*\0"),
    MAGIC("a TIFF", 0, "MM\0*"),
    MAGIC("a BigTIFF", 0, "II+\0\x08\0\0\0"),
    MAGIC("a BigTIFF", 0, "MM\0+\0\x08\0\0"),
};

static const struct magic others[] = {
    MAGIC("an HDF5 or NetCDF-4 file", 0, "\x89HDF\r\n\x1a\n"),
    MAGIC("a MATLAB file", 0, "MATLAB "),
    MAGIC("an HDF4 file", 0, "\x0e\x03\x13\x01"),
    MAGIC("a NetCDF file", 0, "CDF\x01"),
    MAGIC("a NetCDF file", 0, "CDF\x02"),
    MAGIC("a NetCDF file", 0, "CDF\x05"),
    MAGIC("a NumPy file", 0, "\x93NUMPY"),
    MAGIC("a PNG image", 0, "\x89PNG\r\n\x1a\n"),
    MAGIC("a JPEG image", 0, "\xff\xd8\xff"),
    MAGIC("a JPEG 2000 image", 0, "\0\0\0\x0cjP  \r\n\x87\n"),
    MAGIC("a JPEG 2000 image", 0, "\xff\x4f\xff\x51"),
    MAGIC("a GIF image", 0, "GIF8"),
    MAGIC("a WebP image", 8, "WEBP"),
    MAGIC("a zip archive", 0, "PK\x03\x04"),
    MAGIC("an empty zip archive", 0, "PK\x05\x06"),
    MAGIC("a gzip file", 0, "\x1f\x8b\x08"),
    MAGIC("a bzip2 file", 0, "BZh"),
    MAGIC("an xz file", 0,
          "\xfd"
          "7zXZ\0"),
    MAGIC("a zstd file", 0, "\x28\xb5\x2f\xfd"),
    MAGIC("a 7z archive", 0, "7z\xbc\xaf\x27\x1c"),
    MAGIC("a tar archive", 257, "ustar"),
    MAGIC("an ERDAS Imagine file", 0, "EHFA_HEADER_TAG"),
    MAGIC("a FITS file", 0, "SIMPLE  ="),
    MAGIC("a NITF file", 0, "NITF"),
    MAGIC("a PDF document", 0, "%PDF-"),
    MAGIC("a program", 0,
          "\x7f"
          "ELF"),
};

static const char *match(const struct magic *list, size_t count, const char *bytes, size_t length)
{
    for (size_t i = 0; i < count; i++) {
        const struct magic *m = &list[i];
        if (length >= m->at + m->length && memcmp(bytes + m->at, m->bytes, m->length) == 0)
            return m->name;
    }
    return NULL;
}

bool sniff_is_tiff(const char *bytes, size_t length)
{
    return match(tiffs, sizeof tiffs / sizeof tiffs[0], bytes, length) != NULL;
}

/* No byte that text does not hold. Two bytes of samples can look like that by chance, 32 hardly. */
static bool is_text(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

const char *sniff_name(const char *bytes, size_t length)
{
    if (length == 0)
        return "an empty file";
    if (envi_text_begins(bytes, length))
        return "an ENVI header";
    const char *name = match(tiffs, sizeof tiffs / sizeof tiffs[0], bytes, length);
    if (name == NULL)
        name = match(others, sizeof others / sizeof others[0], bytes, length);
    if (name != NULL || !is_text(bytes, length))
        return name;
    size_t blank = 0;
    while (blank < length && strchr(" \t\r\n", bytes[blank]) != NULL)
        blank++;
    char first = blank < length ? bytes[blank] : ' ';
    return first == '<' ? "XML or HTML text" : first == '{' || first == '[' ? "JSON text" : "text";
}
