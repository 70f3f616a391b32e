#include "base/option_value.h"
#include "base/number.h"
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

static int set_flag(bool *field, const char *text, struct err *e)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < 4; i++)
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *field = strcasecmp(text, yes[i]) == 0;
            return 0;
        }
    return err_set(e, ERR_USAGE, "'%.60s' is neither true nor false", text);
}

static int set_integer(long long *field, const struct option_row *row, const char *text, struct err *e)
{
    if (number_integer(text, strlen(text), (long long)row->min, (long long)row->max, field))
        return 0;
    return err_set(e, ERR_USAGE, "'%.60s' is not a whole number from %.0f to %.0f", text, row->min, row->max);
}

static int set_number(double *field, const struct option_row *row, const char *text, struct err *e)
{
    double v;
    if (!number_double(text, strlen(text), &v) || v < row->min || v > row->max)
        return err_set(e, ERR_USAGE, "'%.60s' is not a number from %g to %g", text, row->min, row->max);
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
        return err_set(e, ERR_USAGE, "'%.60s' is not a number of bytes in range; write 500M, 4G, ...", text);
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
    return err_set(e, ERR_USAGE, "'%.60s' is not one of %s", text, list);
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
