#include "base/log.h"
#include "base/clock.h"
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

static void put(struct line *l, const char *s, size_t n)
{
    size_t room = sizeof l->text - 2 - l->used;
    if (n > room)
        n = room;
    memcpy(l->text + l->used, s, n);
    l->used += n;
}

static void puts_to(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

/* Escapes what JSON forbids and every byte above ASCII, so that hostile bytes can neither break a line nor a terminal. */
static void put_escaped(struct line *l, const char *s)
{
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        char code[8];
        if (sizeof l->text - 2 - l->used < 16)
            return;
        if (c == '"' || c == '\\') {
            code[0] = '\\';
            code[1] = (char)c;
            put(l, code, 2);
        } else if (c < 0x20 || c >= 0x7f) {
            snprintf(code, sizeof code, "\\u%04x", c);
            put(l, code, 6);
        } else {
            put(l, s, 1);
        }
    }
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
        if (json)
            puts_to(l, "\"");
        put_escaped(l, f->string);
        if (json)
            puts_to(l, "\"");
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
        if (sizeof l.text - l.used < 256)
            break; /* a field is written whole or not at all */
        puts_to(&l, json ? ",\"" : " ");
        puts_to(&l, f->key);
        puts_to(&l, json ? "\":" : "=");
        put_value(&l, f, json);
    }
    l.text[l.used++] = json ? '}' : '\n';
    if (json)
        l.text[l.used++] = '\n';
    ssize_t written = write(STDERR_FILENO, l.text, l.used);
    (void)written; /* a log that cannot be written has nowhere to say so */
}
