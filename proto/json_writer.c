#include "proto/json_writer.h"
#include "base/file.h"
#include "base/text.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void json_writer_init(struct json_writer *w, int fd)
{
    w->fd = fd;
    w->comma = false;
    w->failed = false;
    w->used = 0;
}

static void flush(struct json_writer *w)
{
    if (!w->failed)
        w->failed = file_write(w->fd, w->buffer, w->used, -1, "the result", &w->failure) != 0;
    w->used = 0;
}

static void put(struct json_writer *w, const char *text, size_t length)
{
    if (length > sizeof w->buffer - w->used)
        flush(w);
    memcpy(w->buffer + w->used, text, length);
    w->used += length;
}

/* Pieces are shorter than the buffer: a character, a number. */
static void put_string(struct json_writer *w, const char *text)
{
    size_t length = strlen(text);
    put(w, "\"", 1);
    for (size_t at = 0; at < length;) {
        uint32_t character;
        char code[8];
        size_t n = text_character(text + at, length - at, &character);
        if (n == 0)
            put(w, "?", 1);
        else if (character == '"' || character == '\\')
            put(w, code, (size_t)snprintf(code, sizeof code, "\\%c", (int)character));
        else if (character < 0x20 || character == 0x7f)
            put(w, code, (size_t)snprintf(code, sizeof code, "\\u%04x", (unsigned)character));
        else
            put(w, text + at, n);
        at += n == 0 ? 1 : n;
    }
    put(w, "\"", 1);
}

static void begin(struct json_writer *w, const char *key)
{
    if (w->comma)
        put(w, ",", 1);
    w->comma = true;
    if (key != NULL) {
        put_string(w, key);
        put(w, ":", 1);
    }
}

void json_writer_open(struct json_writer *w, const char *key, char bracket)
{
    begin(w, key);
    put(w, &bracket, 1);
    w->comma = false;
}

void json_writer_close(struct json_writer *w, char bracket)
{
    put(w, &bracket, 1);
    w->comma = true;
}

void json_writer_string(struct json_writer *w, const char *key, const char *text)
{
    begin(w, key);
    if (text == NULL)
        put(w, "null", 4);
    else
        put_string(w, text);
}

void json_writer_number(struct json_writer *w, const char *key, double v)
{
    char text[32] = "null";
    begin(w, key);
    for (int digits = 15; isfinite(v) && digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    put(w, text, strlen(text));
}

void json_writer_integer(struct json_writer *w, const char *key, uint64_t v)
{
    char text[24];
    begin(w, key);
    put(w, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, v));
}

int json_writer_finish(struct json_writer *w, struct err *e)
{
    flush(w);
    return w->failed ? err_set(e, w->failure.code, "%s", w->failure.message) : 0;
}
