/* log.h - one line an event on standard error: a JSON object, or plain text on a terminal.
 *
 * Fields travel as key/value pairs so that a line is never built by hand:
 *     log_event(LOG_INFO, "request", LOG_STR("request_id", id), LOG_INT("status", 200), LOG_NUM("seconds", 0.12));
 * Threading: any thread; a line is written with one write(2), so that lines never mix.
 */
#pragma once
#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_JSON, LOG_FORMAT_TEXT }; /* AUTO: text on a terminal, else JSON */

struct log_field {
    const char *key; /* NULL ends a list */
    enum { LOG_FIELD_STRING, LOG_FIELD_INTEGER, LOG_FIELD_NUMBER, LOG_FIELD_BOOLEAN } kind;
    const char *string; /* NULL is written as null; what is not plain (text.h) is escaped */
    long long integer;
    double number;
};

#define LOG_STR(k, v)  ((struct log_field){.key = (k), .kind = LOG_FIELD_STRING, .string = (v)})
#define LOG_INT(k, v)  ((struct log_field){.key = (k), .kind = LOG_FIELD_INTEGER, .integer = (v)})
#define LOG_NUM(k, v)  ((struct log_field){.key = (k), .kind = LOG_FIELD_NUMBER, .number = (v)})
#define LOG_BOOL(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_BOOLEAN, .integer = (v)})

/* Chooses what is written from now on. The default is LOG_WARNING and LOG_FORMAT_AUTO. */
void log_configure(enum log_level lowest, enum log_format format);

/* Writes one line with time, level, message and the fields, if the level is high enough. */
#define log_event(level, message, ...)                                                                                 \
    log_write((level), (message), (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = 0}})
void log_write(enum log_level level, const char *message, const struct log_field *fields);
