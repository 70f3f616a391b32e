#include "proto/accept.h"
#include "base/number.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

struct media {
    const char *type, *subtype;
    const char *application; /* value of the parameter of that name; NULL: none */
    const char *content_type, *extension;
};

/* In the order of the server's preference. npy has no registered media type: by `format` alone. */
static const struct media medias[] = {
    [FORMAT_JSON] = {"application", "json", NULL, "application/json", "json"},
    [FORMAT_GEOTIFF] = {"image", "tiff", "geotiff", "image/tiff; application=geotiff", "tif"},
    [FORMAT_NPY] = {NULL, NULL, NULL, "application/octet-stream", "npy"},
};

/* One element of an Accept header: a media range, its quality, and how closely it names things. */
struct range {
    const char *type, *subtype;
    size_t type_length, subtype_length;
    char application[32]; /* "": the parameter is not there */
    double quality;
};

static const char *skip_blanks(const char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    return s;
}

static size_t token(const char *s)
{
    size_t n = 0;
    while (isalnum((unsigned char)s[n]) || (s[n] != '\0' && strchr("!#$%&'*+-.^_`|~", s[n]) != NULL))
        n++;
    return n;
}

/* A parameter's value, a token or a quoted string, into value[32] (cut); the byte behind it, or NULL. */
static const char *parameter_value(const char *s, char value[32])
{
    size_t used = 0;
    if (*s != '"') {
        size_t n = token(s);
        for (size_t i = 0; i < n && used < 31; i++)
            value[used++] = s[i];
        value[used] = '\0';
        return n == 0 ? NULL : s + n;
    }
    for (s++; *s != '"'; s++) {
        if (*s == '\\' && s[1] != '\0')
            s++;
        if (*s == '\0')
            return NULL;
        if (used < 31)
            value[used++] = *s;
    }
    value[used] = '\0';
    return s + 1;
}

/* "type/subtype". A lone "*", which Java's own client sends, is any type. Returns the byte behind, or NULL. */
static const char *parse_type(const char *s, struct range *r)
{
    r->type = s;
    r->type_length = token(s);
    s += r->type_length;
    if (r->type_length == 1 && *r->type == '*' && *s != '/') {
        r->subtype = r->type;
        r->subtype_length = 1;
        return s;
    }
    if (r->type_length == 0 || *s++ != '/')
        return NULL;
    r->subtype = s;
    r->subtype_length = token(s);
    return r->subtype_length == 0 ? NULL : s + r->subtype_length;
}

/* "0.5", ".2": digits and a point, 0 to 1. */
static bool parse_quality(const char *value, double *quality)
{
    size_t n = strlen(value);
    return strspn(value, "0123456789.") == n && number_double(value, n, quality) && *quality <= 1;
}

/* RFC 9110, 12.5.1: range *( OWS ";" OWS name=value ). Returns the byte behind, or NULL if it cannot be parsed. */
static const char *parse_range(const char *s, struct range *r)
{
    *r = (struct range){.quality = 1};
    s = parse_type(s, r);
    if (s == NULL)
        return NULL;
    s = skip_blanks(s);
    while (*s == ';') {
        char value[32];
        const char *name = skip_blanks(s + 1);
        size_t n = token(name);
        if (n == 0) {
            s = name;
            continue;
        }
        if (name[n] != '=' || (s = parameter_value(name + n + 1, value)) == NULL)
            return NULL;
        if (n == 1 && (*name == 'q' || *name == 'Q')) {
            if (!parse_quality(value, &r->quality))
                return NULL;
        } else if (n == 11 && strncasecmp(name, "application", n) == 0) {
            memcpy(r->application, value, sizeof value);
        }
        s = skip_blanks(s);
    }
    return s;
}

static bool is(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

/* 0: does not match; 1: any type, 2: any subtype, 3: this type, 4: this type with its parameter. */
static int closeness(const struct range *r, const struct media *m)
{
    if (is(r->type, r->type_length, "*"))
        return is(r->subtype, r->subtype_length, "*") ? 1 : 0;
    if (!is(r->type, r->type_length, m->type))
        return 0;
    if (is(r->subtype, r->subtype_length, "*"))
        return 2;
    if (!is(r->subtype, r->subtype_length, m->subtype))
        return 0;
    if (r->application[0] == '\0')
        return 3;
    return m->application != NULL && strcasecmp(r->application, m->application) == 0 ? 4 : 0;
}

/* The quality of each format: that of the range which names it most closely; 0 where none does. */
static int qualities(const char *accept, double quality[FORMAT_NPY], struct err *e)
{
    int closest[FORMAT_NPY] = {0};
    for (const char *s = skip_blanks(accept); *s != '\0'; s = skip_blanks(s)) {
        struct range r;
        if (*s == ',') {
            s++;
            continue;
        }
        s = parse_range(s, &r);
        if (s == NULL || (*s != ',' && *s != '\0'))
            return err_set(e, ERR_REQUEST, "the Accept header cannot be parsed");
        for (int f = FORMAT_JSON; f < FORMAT_NPY; f++) {
            int c = closeness(&r, &medias[f]);
            if (c > closest[f]) {
                closest[f] = c;
                quality[f] = r.quality;
            }
        }
    }
    return 0;
}

int accept_choose(enum result_format asked, const char *accept, enum result_format *out, struct err *e)
{
    double quality[FORMAT_NPY] = {0};
    if (asked != FORMAT_UNSET) {
        *out = asked;
        return 0;
    }
    *out = FORMAT_JSON;
    if (accept == NULL || accept[strspn(accept, " \t,")] == '\0')
        return 0; /* a list of nothing asks for nothing */
    if (qualities(accept, quality, e) != 0)
        return -1;
    for (int f = FORMAT_JSON; f < FORMAT_NPY; f++)
        if (quality[f] > quality[*out])
            *out = (enum result_format)f;
    if (quality[*out] > 0)
        return 0;
    return err_set(e, ERR_ACCEPT,
                   "none of the accepted types is served; there are application/json and "
                   "image/tiff; application=geotiff, and npy by format=npy");
}

const char *accept_media_type(enum result_format f)
{
    return medias[f].content_type;
}

const char *accept_extension(enum result_format f)
{
    return medias[f].extension;
}
