#include "scene/envi_text.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

static const char byte_order_mark[] = "\xef\xbb\xbf";

/* What is left to read. */
struct cursor {
    const char *at, *end;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

/* The next line, without its end; false where there is none. */
static bool next_line(struct cursor *c, const char **line, size_t *length)
{
    if (c->at == c->end)
        return false;
    const char *from = c->at, *to = from;
    while (to < c->end && *to != '\n' && *to != '\r')
        to++;
    *line = from;
    *length = (size_t)(to - from);
    if (to < c->end && *to == '\r' && to + 1 < c->end && to[1] == '\n')
        to++;
    c->at = to < c->end ? to + 1 : to;
    return true;
}

static void trim(const char **text, size_t *length)
{
    while (*length > 0 && is_blank(**text)) {
        ++*text;
        --*length;
    }
    while (*length > 0 && is_blank((*text)[*length - 1]))
        --*length;
}

static void skip_mark(struct cursor *c)
{
    if (c->end - c->at >= 3 && memcmp(c->at, byte_order_mark, 3) == 0)
        c->at += 3;
}

static bool skip_first_line(struct cursor *c)
{
    const char *line;
    size_t length;
    skip_mark(c);
    if (!next_line(c, &line, &length))
        return false;
    while (length > 0 && is_blank(line[length - 1]))
        length--;
    return length == 4 && memcmp(line, "ENVI", 4) == 0;
}

bool envi_text_begins(const char *bytes, size_t length)
{
    return skip_first_line(&(struct cursor){bytes, bytes + length});
}

/* Writes the key at `to` as the header says; returns the end. */
static char *write_key(char *to, const char *text, size_t length)
{
    char *start = to;
    for (size_t i = 0; i < length; i++) {
        char c = is_blank(text[i]) || text[i] == '_' ? ' ' : text[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (c != ' ' || (to > start && to[-1] != ' '))
            *to++ = c;
    }
    if (to > start && to[-1] == ' ')
        to--;
    *to++ = '\0';
    return to;
}

/* Appends text to a value that begins at `start`, a blank between; control characters become blanks. */
static char *append(char *start, char *to, const char *text, size_t length)
{
    trim(&text, &length);
    if (length > 0 && to > start)
        *to++ = ' ';
    for (size_t i = 0; i < length; i++)
        *to++ = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i];
    return to;
}

/* The value in braces whose first line is text, "{" taken off. It ends with the first line that ends in "}": a brace
 * within a line of a description is text. NULL: it never ends. */
static char *write_braces(char *to, const char *text, size_t length, struct cursor *c)
{
    char *start = to;
    bool last = false;
    for (bool first = true;; first = false) {
        trim(&text, &length);
        if (first || length == 0 || text[0] != ';') {
            last = length > 0 && text[length - 1] == '}';
            to = append(start, to, text, length - last);
        }
        if (last)
            break;
        if (!next_line(c, &text, &length))
            return NULL;
    }
    *to++ = '\0';
    return to;
}

/* Reads what follows the first line into t, whose storage is long enough. */
static int read_fields(struct envi_text *t, struct cursor c, struct err *e)
{
    const char *line;
    size_t length;
    char *to = t->storage;
    while (next_line(&c, &line, &length)) {
        trim(&line, &length);
        const char *sign = length == 0 || line[0] == ';' ? NULL : memchr(line, '=', length);
        if (sign == NULL)
            continue;
        struct envi_field *f = &t->fields[t->count];
        const char *value = sign + 1;
        size_t left = (size_t)(line + length - value);
        f->key = to;
        to = write_key(to, line, (size_t)(sign - line));
        trim(&value, &left);
        f->braces = left > 0 && value[0] == '{';
        f->value = to;
        if (f->braces) {
            to = write_braces(to, value + 1, left - 1, &c);
            if (to == NULL) {
                char shown[48];
                return err_set(e, ERR_INPUT, "the ENVI header never closes the brace of '%s'",
                               text_show(shown, sizeof shown, f->key, strlen(f->key)));
            }
        } else {
            to = append(to, to, value, left);
            *to++ = '\0';
        }
        t->count++;
    }
    return 0;
}

int envi_text_parse(struct envi_text *t, const char *bytes, size_t length, struct err *e)
{
    *t = (struct envi_text){0};
    struct cursor c = {bytes, bytes + length};
    if (!skip_first_line(&c))
        return err_set(e, ERR_FORMAT, "the header is not an ENVI header: its first line is not 'ENVI'");
    if (memchr(bytes, '\0', length) != NULL)
        return err_set(e, ERR_INPUT, "the ENVI header is not text: it holds a NUL byte");
    size_t signs = 1;
    for (size_t i = 0; i < length; i++)
        signs += bytes[i] == '=';
    /* A field needs a "=", and its key, value and their two ends at most two bytes more than its lines had. */
    t->storage = malloc(length + 2 * signs);
    t->fields = calloc(signs, sizeof *t->fields);
    if (t->storage == NULL || t->fields == NULL) {
        envi_text_release(t);
        return err_nomem(e);
    }
    if (read_fields(t, c, e) != 0) {
        envi_text_release(t);
        return -1;
    }
    return 0;
}

void envi_text_release(struct envi_text *t)
{
    free(t->fields);
    free(t->storage);
    *t = (struct envi_text){0};
}

int envi_text_find(const struct envi_text *t, const char *key, const struct envi_field **field, struct err *e)
{
    *field = NULL;
    for (size_t i = 0; i < t->count; i++) {
        const struct envi_field *f = &t->fields[i];
        if (strcmp(f->key, key) != 0)
            continue;
        if (*field != NULL && strcmp((*field)->value, f->value) != 0)
            return err_set(e, ERR_INPUT, "the ENVI header gives '%s' twice, with different values", key);
        if (*field == NULL)
            *field = f;
    }
    return 0;
}
