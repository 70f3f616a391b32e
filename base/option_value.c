#include "base/option_value.h"
#include "base/number.h"
#include "base/text.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void option_environment_name(const struct option_table *t, const struct option_row *row, char name[OPTION_NAME_ROOM])
{
    snprintf(name, OPTION_NAME_ROOM, "%s%s", t->environment_prefix, row->name);
    for (char *c = name; *c != '\0'; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

/* "'4x' is not ...": the text in a form that may always be shown. */
static int __attribute__((format(printf, 3, 4))) refuse(const char *text, struct err *e, const char *format, ...)
{
    char shown[64];
    va_list args;
    va_start(args, format);
    err_setv(e, ERR_USAGE, format, args);
    va_end(args);
    if (e != NULL) {
        struct err reason = *e;
        err_set(e, ERR_USAGE, "'%s' %s", text_show(shown, sizeof shown, text, strlen(text)), reason.message);
    }
    return -1;
}

static int set_flag(bool *field, const char *text, struct err *e)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < 4; i++)
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *field = strcasecmp(text, yes[i]) == 0;
            return 0;
        }
    return refuse(text, e, "is neither true nor false");
}

static int set_integer(long long *field, const struct option_row *row, const char *text, struct err *e)
{
    if (number_integer(text, strlen(text), (long long)row->min, (long long)row->max, field))
        return 0;
    return refuse(text, e, "is not a whole number from %.0f to %.0f", row->min, row->max);
}

static int set_number(double *field, const struct option_row *row, const char *text, struct err *e)
{
    double v;
    if (!number_double(text, strlen(text), &v) || v < row->min || v > row->max)
        return refuse(text, e, "is not a number from %g to %g", row->min, row->max);
    *field = v;
    return 0;
}

/* "4G": powers of 1024. */
static int set_bytes(uint64_t *field, const struct option_row *row, const char *text, struct err *e)
{
    static const char suffixes[] = "KMGT";
    size_t length = strlen(text);
    int shift = 0;
    if (length > 0) {
        const char *s = strchr(suffixes, toupper((unsigned char)text[length - 1]));
        if (s != NULL && *s != '\0') {
            shift = 10 * (int)(s - suffixes + 1);
            length--;
        }
    }
    long long v;
    if (!number_integer(text, length, 0, INT64_MAX >> shift, &v) || (double)(v << shift) < row->min ||
        (row->max > 0 && (double)(v << shift) > row->max))
        return refuse(text, e, "is not a number of bytes in range; write 500M, 4G, ...");
    *field = (uint64_t)v << shift;
    return 0;
}

static int set_choice(int *field, const struct option_row *row, const char *text, struct err *e)
{
    char list[200] = "";
    size_t used = 0;
    for (int i = 0; row->choices[i] != NULL; i++) {
        if (strcmp(row->choices[i], text) == 0) {
            *field = i;
            return 0;
        }
        int n = snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ", row->choices[i]);
        used += n > 0 && (size_t)n < sizeof list - used ? (size_t)n : 0;
    }
    return refuse(text, e, "is not one of %s", list);
}

static int set_string(char **field, const char *text, struct err *e)
{
    char *copy = strdup(text);
    if (copy == NULL)
        return err_nomem(e);
    free(*field);
    *field = copy;
    return 0;
}

int option_value_set(const struct option_row *row, void *settings, const char *text, struct err *e)
{
    void *field = (char *)settings + row->offset;
    switch (row->type) {
    case OPTION_FLAG:
        return set_flag(field, text, e);
    case OPTION_INTEGER:
        return set_integer(field, row, text, e);
    case OPTION_NUMBER:
        return set_number(field, row, text, e);
    case OPTION_BYTES:
        return set_bytes(field, row, text, e);
    case OPTION_STRING:
        return set_string(field, text, e);
    case OPTION_CHOICE:
        return set_choice(field, row, text, e);
    case OPTION_CALLBACK:
        return row->set(settings, row, text, e);
    }
    return err_set(e, ERR_USAGE, "%s has no type", row->name);
}
