#include "server/guard.h"
#include "base/text.h"
#include <string.h>
#include <strings.h>

void headers_add(struct headers *h, const char *name, size_t name_length, const char *value, size_t value_length)
{
    if (h->count == HEADERS_MOST) {
        h->too_many = true;
        return;
    }
    h->item[h->count++] = (struct header){name, value, name_length, value_length};
}

bool header_named(const struct header *header, const char *name)
{
    return header->name_length == strlen(name) && strncasecmp(header->name, name, header->name_length) == 0;
}

const struct header *headers_find(const struct headers *h, const char *name)
{
    for (size_t i = 0; i < h->count; i++)
        if (header_named(&h->item[i], name))
            return &h->item[i];
    return NULL;
}

bool header_is(const struct header *header, const char *text)
{
    return header != NULL && header->value_length == strlen(text) &&
           strncasecmp(header->value, text, header->value_length) == 0;
}

/* RFC 9110, 5.6.2: the characters of a token. */
static bool token_character(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static int check_characters(const struct header *header, struct err *e)
{
    char shown[64];
    for (size_t i = 0; i < header->name_length; i++)
        if (!token_character((unsigned char)header->name[i]))
            return err_set(e, ERR_REQUEST, "the header name '%s' holds a blank or another character that no name may",
                           text_show(shown, sizeof shown, header->name, header->name_length));
    for (size_t i = 0; i < header->value_length; i++) {
        unsigned char c = (unsigned char)header->value[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return err_set(e, ERR_REQUEST, "the header '%s' holds a control character",
                           text_show(shown, sizeof shown, header->name, header->name_length));
    }
    if (header->name_length == 0)
        return err_set(e, ERR_REQUEST, "a header has no name");
    return 0;
}

/* Headers of which two readers may each take another one. */
static int check_single(const struct headers *h, struct err *e)
{
    static const char *const single[] = {"Content-Length", "Transfer-Encoding", "Host", "Content-Type",
                                         "Content-Encoding"};
    for (size_t s = 0; s < sizeof single / sizeof single[0]; s++) {
        int seen = 0;
        for (size_t i = 0; i < h->count; i++)
            seen += header_named(&h->item[i], single[s]);
        if (seen > 1)
            return err_set(e, ERR_REQUEST, "the header %s stands more than once", single[s]);
    }
    return 0;
}

/* Digits only, as RFC 9112 has it: no sign, no list. */
static int parse_length(const struct header *header, uint64_t *length, struct err *e)
{
    *length = 0;
    for (size_t i = 0; i < header->value_length; i++) {
        char c = header->value[i];
        if (c < '0' || c > '9' || *length > (UINT64_MAX - 9) / 10)
            return err_set(e, ERR_REQUEST, "Content-Length is not a number of bytes");
        *length = *length * 10 + (uint64_t)(c - '0');
    }
    return header->value_length > 0 ? 0 : err_set(e, ERR_REQUEST, "Content-Length is empty");
}

int guard_check(const struct headers *h, struct framing *f, struct err *e)
{
    *f = (struct framing){0};
    if (h->too_many)
        return err_set(e, ERR_REQUEST, "more than %d headers", HEADERS_MOST);
    for (size_t i = 0; i < h->count; i++)
        if (check_characters(&h->item[i], e) != 0)
            return -1;
    if (check_single(h, e) != 0)
        return -1;
    const struct header *length = headers_find(h, "Content-Length");
    const struct header *encoding = headers_find(h, "Transfer-Encoding");
    if (length != NULL && encoding != NULL)
        return err_set(e, ERR_REQUEST, "Content-Length and Transfer-Encoding exclude each other");
    if (encoding != NULL && !header_is(encoding, "chunked"))
        return err_set(e, ERR_REQUEST, "the only Transfer-Encoding known here is chunked");
    f->chunked = encoding != NULL;
    f->has_length = length != NULL;
    return length == NULL ? 0 : parse_length(length, &f->length, e);
}
