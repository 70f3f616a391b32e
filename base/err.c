#include "base/err.h"
#include <stdio.h>
#include <string.h>

int err_setv(struct err *e, enum err_code code, const char *format, va_list args)
{
    if (e != NULL) {
        e->code = code;
        vsnprintf(e->message, sizeof e->message, format, args);
    }
    return -1;
}

int err_set(struct err *e, enum err_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err_setv(e, code, format, args);
    va_end(args);
    return -1;
}

int err_prefix(struct err *e, const char *format, ...)
{
    if (e == NULL)
        return -1;
    struct err old = *e;
    va_list args;
    va_start(args, format);
    vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    size_t used = strlen(e->message);
    snprintf(e->message + used, sizeof e->message - used, ": %s", old.message);
    return -1;
}

int err_nomem(struct err *e)
{
    return err_set(e, ERR_NOMEM, "out of memory");
}

const char *err_name(enum err_code code)
{
    static const char *const names[] = {
        [ERR_NONE] = "none",           [ERR_REQUEST] = "request",     [ERR_NOT_FOUND] = "not-found",
        [ERR_METHOD] = "method",       [ERR_ACCEPT] = "accept",       [ERR_TIMEOUT] = "timeout",
        [ERR_LENGTH] = "length",       [ERR_TOO_LARGE] = "too-large", [ERR_FORMAT] = "format",
        [ERR_INPUT] = "input",         [ERR_LIMIT] = "limit",         [ERR_BUSY] = "busy",
        [ERR_CANCELED] = "canceled",   [ERR_DEADLINE] = "deadline",   [ERR_UNAVAILABLE] = "unavailable",
        [ERR_SPACE] = "space",         [ERR_DEVICE] = "device",       [ERR_IO] = "io",
        [ERR_NOMEM] = "out-of-memory", [ERR_USAGE] = "usage",
    };
    return (unsigned)code < sizeof names / sizeof names[0] ? names[code] : "unknown";
}
