#include "proto/multipart.h"
#include <string.h>
#include <strings.h>
#include <sys/types.h>

/* One parameter of a header's value ("; name=token" or "; name="quoted""), with its escapes undone. */
struct parameter {
    char name[32];
    char value[1024];
    size_t value_length;
};

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Reads the parameter at *at; 1 found, 0 at the end, -1 malformed or too long. */
static int next_parameter(const char **at, const char *end, struct parameter *p)
{
    const char *c = *at;
    size_t n = 0;
    while (c < end && (blank(*c) || *c == ';'))
        c++;
    if (c == end)
        return 0;
    for (; c < end && *c != '=' && !blank(*c); c++) {
        if (n + 1 == sizeof p->name)
            return -1;
        p->name[n++] = *c;
    }
    p->name[n] = '\0';
    if (n == 0 || c == end || *c++ != '=')
        return -1;
    bool quoted = c < end && *c == '"';
    c += quoted;
    for (n = 0; c < end && (quoted ? *c != '"' : *c != ';' && !blank(*c)); c++) {
        if (quoted && *c == '\\' && c + 1 < end)
            c++;
        if (n + 1 == sizeof p->value || *c == '\0')
            return -1;
        p->value[n++] = *c;
    }
    p->value[n] = '\0';
    p->value_length = n;
    if (quoted && c++ == end)
        return -1;
    while (c < end && blank(*c))
        c++;
    if (c < end && *c != ';')
        return -1;
    *at = c;
    return 1;
}

/* Finds a parameter in the value after its first ';'. 1 found, 0 absent, -1 malformed or given twice. */
static int find_parameter(const char *value, const char *end, const char *name, struct parameter *out)
{
    const char *at = memchr(value, ';', (size_t)(end - value));
    struct parameter p;
    int found = 0, more = 0;
    while (at != NULL && (more = next_parameter(&at, end, &p)) == 1)
        if (strcasecmp(p.name, name) == 0) {
            if (found++ != 0)
                return -1;
            *out = p;
        }
    return more < 0 ? -1 : found;
}

/* RFC 2046, 5.1.1: bchars, not ending in a blank. */
static bool boundary_allowed(const struct parameter *p)
{
    static const char others[] = "'()+_,-./:=? ";
    if (p->value_length == 0 || p->value_length > MULTIPART_BOUNDARY || p->value[p->value_length - 1] == ' ')
        return false;
    for (size_t i = 0; i < p->value_length; i++) {
        char c = p->value[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!plain && strchr(others, c) == NULL)
            return false;
    }
    return true;
}

int multipart_init(struct multipart *m, const char *content_type, size_t length, const struct multipart_sink *sink,
                   struct err *e)
{
    struct parameter boundary;
    *m = (struct multipart){.sink = *sink, .state = MULTIPART_PREAMBLE};
    if (find_parameter(content_type, content_type + length, "boundary", &boundary) != 1 || !boundary_allowed(&boundary))
        return err_set(e, ERR_REQUEST, "multipart/form-data needs one boundary parameter of 1 to %d characters",
                       MULTIPART_BOUNDARY);
    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, boundary.value, boundary.value_length);
    m->delimiter_length = 4 + boundary.value_length;
    m->matched = m->implied = 2; /* the first boundary may stand at the very start, without a line before it */
    return 0;
}

static int emit(struct multipart *m, const char *bytes, size_t length, struct err *e)
{
    if (m->state != MULTIPART_IN_DATA || length == 0)
        return 0;
    return m->sink.data(m->sink.arg, bytes, length, e);
}

/* Takes bytes up to the delimiter's end, or all; what of them is data goes to the sink in one piece, however often the
 * delimiter seems to begin in it. The delimiter holds one CR, its first byte: so after a mismatch the search goes on at
 * the byte that did not match, and nothing is looked at twice. Returns the bytes taken, -1 on error. */
static ssize_t seek_delimiter(struct multipart *m, const char *bytes, size_t length, struct err *e)
{
    size_t at = 0, carried = m->matched; /* of the match, bytes that came before these */
    while (at < length && m->matched < m->delimiter_length) {
        if (m->matched == 0) {
            const char *cr = memchr(bytes + at, '\r', length - at);
            at = cr == NULL ? length : (size_t)(cr - bytes);
        }
        while (at < length && m->matched < m->delimiter_length && bytes[at] == m->delimiter[m->matched]) {
            m->matched++;
            at++;
        }
        if (at == length || m->matched == m->delimiter_length)
            break;
        if (emit(m, m->delimiter + m->implied, carried - m->implied, e) != 0)
            return -1;
        m->matched = m->implied = carried = 0;
    }
    if (emit(m, bytes, at - (m->matched - carried), e) != 0)
        return -1;
    return (ssize_t)at;
}

static int delimiter_found(struct multipart *m, struct err *e)
{
    bool ends = m->state == MULTIPART_IN_DATA;
    m->matched = m->implied = m->tail_length = 0;
    m->state = MULTIPART_DELIMITED;
    return ends ? m->sink.end(m->sink.arg, e) : 0;
}

/* One byte of the rest of a boundary's line: "--" ends the body, blanks and CRLF begin a part. */
static int after_delimiter(struct multipart *m, char c, struct err *e)
{
    size_t n = m->tail_length;
    if (n == 0 && blank(c))
        return 0;
    m->tail[m->tail_length++] = c;
    if (n == 0 && (c == '-' || c == '\r'))
        return 0;
    if (n == 1 && m->tail[0] == '-' && c == '-') {
        m->state = MULTIPART_EPILOGUE;
        return 0;
    }
    if (n == 1 && m->tail[0] == '\r' && c == '\n') {
        m->state = MULTIPART_IN_HEADERS;
        m->headers_length = 0;
        if (++m->parts > MULTIPART_PARTS)
            return err_set(e, ERR_REQUEST, "the form has more than %d parts", MULTIPART_PARTS);
        return 0;
    }
    return err_set(e, ERR_REQUEST, "a boundary of the form is not followed by the end of its line");
}

static bool header_named(const char *line, size_t length, const char *name)
{
    size_t n = strlen(name);
    return length > n && line[n] == ':' && strncasecmp(line, name, n) == 0;
}

/* A part's Content-Disposition value: form-data with a name. */
static int parse_disposition(const char *value, const char *end, char name[MULTIPART_NAME], struct err *e)
{
    struct parameter p;
    while (value < end && blank(*value))
        value++;
    const size_t type = strlen("form-data");
    if ((size_t)(end - value) <= type || strncasecmp(value, "form-data", type) != 0 ||
        (value[type] != ';' && !blank(value[type])) || find_parameter(value, end, "name", &p) != 1 ||
        p.value_length == 0 || p.value_length >= MULTIPART_NAME)
        return err_set(e, ERR_REQUEST, "a part's Content-Disposition must be form-data with a name");
    memcpy(name, p.value, p.value_length + 1);
    return 0;
}

/* Content-Transfer-Encoding is gone from form-data (RFC 7578, 4.7); what changes nothing may stand. */
static bool encoding_is_identity(const char *value, size_t length)
{
    static const char *const fine[] = {"binary", "8bit", "7bit"};
    while (length > 0 && blank(*value)) {
        value++;
        length--;
    }
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        if (length == strlen(fine[i]) && strncasecmp(value, fine[i], length) == 0)
            return true;
    return false;
}

static int parse_headers(struct multipart *m, char name[MULTIPART_NAME], struct err *e)
{
    const char *at = m->headers, *end = m->headers + m->headers_length - 2; /* the empty line */
    int dispositions = 0;
    while (at < end) {
        const char *line = at, *stop = memchr(at, '\r', (size_t)(end - at));
        if (stop == NULL || stop + 1 >= end || stop[1] != '\n' || blank(*line) ||
            memchr(line, '\0', (size_t)(stop - line)) != NULL || memchr(line, '\n', (size_t)(stop - line)) != NULL)
            return err_set(e, ERR_REQUEST, "the headers of a part are malformed");
        size_t length = (size_t)(stop - line);
        if (header_named(line, length, "Content-Disposition")) {
            if (dispositions++ != 0)
                return err_set(e, ERR_REQUEST, "a part has two Content-Disposition headers");
            if (parse_disposition(line + strlen("Content-Disposition:"), stop, name, e) != 0)
                return -1;
        } else if (header_named(line, length, "Content-Transfer-Encoding")) {
            const char *value = line + strlen("Content-Transfer-Encoding:");
            if (!encoding_is_identity(value, (size_t)(stop - value)))
                return err_set(e, ERR_REQUEST, "a part has a Content-Transfer-Encoding; send its bytes as they are");
        }
        at = stop + 2;
    }
    return dispositions == 1 ? 0 : err_set(e, ERR_REQUEST, "a part has no Content-Disposition");
}

/* One byte of a part's headers. */
static int in_headers(struct multipart *m, char c, struct err *e)
{
    char name[MULTIPART_NAME];
    if (m->headers_length == sizeof m->headers)
        return err_set(e, ERR_REQUEST, "the headers of a part take more than %d bytes", MULTIPART_HEADERS);
    m->headers[m->headers_length++] = c;
    size_t n = m->headers_length;
    const char *h = m->headers;
    bool done = (n == 2 && memcmp(h, "\r\n", 2) == 0) || (n >= 4 && memcmp(h + n - 4, "\r\n\r\n", 4) == 0);
    if (!done)
        return 0;
    if (parse_headers(m, name, e) != 0)
        return -1;
    m->state = MULTIPART_IN_DATA;
    m->matched = m->implied = 2; /* an empty part: its boundary follows the empty line at once */
    return m->sink.begin(m->sink.arg, name, e);
}

int multipart_feed(struct multipart *m, const void *bytes, size_t length, struct err *e)
{
    const char *at = bytes, *end = at + length;
    while (at < end) {
        if (m->state == MULTIPART_PREAMBLE || m->state == MULTIPART_IN_DATA) {
            ssize_t taken = seek_delimiter(m, at, (size_t)(end - at), e);
            if (taken < 0)
                return -1;
            at += taken;
            if (m->matched == m->delimiter_length && delimiter_found(m, e) != 0)
                return -1;
        } else if (m->state == MULTIPART_DELIMITED) {
            if (after_delimiter(m, *at++, e) != 0)
                return -1;
        } else if (m->state == MULTIPART_IN_HEADERS) {
            if (in_headers(m, *at++, e) != 0)
                return -1;
        } else {
            return 0;
        }
    }
    return 0;
}

int multipart_finish(struct multipart *m, struct err *e)
{
    if (m->state == MULTIPART_EPILOGUE)
        return 0;
    return err_set(e, ERR_REQUEST, "the form ends before its last boundary; was the upload cut?");
}
