#include "base/log.h"
#include "base/clock.h"
#include "base/text.h"
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic int lowest_level = LOG_WARNING;
static _Atomic int chosen_format = LOG_FORMAT_AUTO;

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void log_configure(enum log_level lowest, enum log_format format)
{
    atomic_store(&lowest_level, (int)lowest);
    atomic_store(&chosen_format, (int)format);
}

/* A line under construction; what does not fit is cut, and the two closing bytes always fit. */
struct line {
    char text[4096];
    size_t used;
};

static size_t room_in(const struct line *l)
{
    return sizeof l->text - 2 - l->used;
}

static void put(struct line *l, const char *s, size_t n)
{
    if (n > room_in(l))
        n = room_in(l);
    memcpy(l->text + l->used, s, n);
    l->used += n;
}

static void puts_to(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

/* Escapes quotes, control characters and bytes that are no UTF-8, so that hostile ones can break neither a line nor a
 * terminal. What does not fit is cut between characters. */
static void put_escaped(struct line *l, const char *s)
{
    for (size_t left = strlen(s), bytes; left > 0 && room_in(l) >= 16; s += bytes, left -= bytes) {
        uint32_t c = (unsigned char)*s;
        char code[8] = ""; /* what stands for the character; "": itself */
        bytes = text_character(s, left, &c);
        if (c == '"' || c == '\\')
            snprintf(code, sizeof code, "\\%c", (char)c);
        else if (bytes == 0 || !text_is_plain(s, bytes))
            snprintf(code, sizeof code, "\\u%04x", (unsigned)(c & 0xff));
        put(l, code[0] != '\0' ? code : s, code[0] != '\0' ? strlen(code) : bytes);
        bytes = bytes == 0 ? 1 : bytes;
    }
}

/* On a terminal a word stands as it is; what could be taken for more than one field is quoted, as in JSON. */
static bool is_word(const char *s)
{
    return s[0] != '\0' && s[strcspn(s, " =\"\\")] == '\0';
}

static void put_value(struct line *l, const struct log_field *f, bool json)
{
    char number[32];
    switch (f->kind) {
    case LOG_FIELD_STRING:
        if (f->string == NULL) {
            puts_to(l, "null");
            return;
        }
        json = json || !is_word(f->string);
        puts_to(l, json ? "\"" : "");
        put_escaped(l, f->string);
        puts_to(l, json ? "\"" : "");
        return;
    case LOG_FIELD_INTEGER:
        snprintf(number, sizeof number, "%lld", f->integer);
        break;
    case LOG_FIELD_NUMBER:
        if (isfinite(f->number))
            snprintf(number, sizeof number, "%.6g", f->number);
        else
            snprintf(number, sizeof number, "null");
        break;
    case LOG_FIELD_BOOLEAN:
        snprintf(number, sizeof number, "%s", f->integer ? "true" : "false");
        break;
    }
    puts_to(l, number);
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    if ((int)level < atomic_load(&lowest_level))
        return;
    int format = atomic_load(&chosen_format);
    bool json = format == LOG_FORMAT_JSON || (format == LOG_FORMAT_AUTO && !isatty(STDERR_FILENO));
    struct line l = {.used = 0};
    char now[32];
    clock_rfc3339(now, sizeof now);
    puts_to(&l, json ? "{\"time\":\"" : "");
    puts_to(&l, now);
    puts_to(&l, json ? "\",\"level\":\"" : " ");
    puts_to(&l, level_names[level]);
    puts_to(&l, json ? "\",\"message\":\"" : ": ");
    put_escaped(&l, message);
    puts_to(&l, json ? "\"" : "");
    for (const struct log_field *f = fields; f->key != NULL; f++) {
        if (room_in(&l) < 256)
            break; /* the fields that are there stay well-formed: only a string's end may be missing */
        puts_to(&l, json ? ",\"" : " ");
        puts_to(&l, f->key);
        puts_to(&l, json ? "\":" : "=");
        put_value(&l, f, json);
    }
    l.text[l.used++] = json ? '}' : '\n';
    if (json)
        l.text[l.used++] = '\n';
    ssize_t written;
    do
        written = write(STDERR_FILENO, l.text, l.used);
    while (written < 0 && errno == EINTR); /* else: a log that cannot be written has nowhere to say so */
}
