#include "base/option.h"
#include "base/number.h"
#include "base/option_value.h"
#include <errno.h>
#include <getopt.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

int option_defaults(const struct option_table *t, void *settings, struct err *e)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->rows[i].fallback != NULL && option_value_set(&t->rows[i], settings, t->rows[i].fallback, e) != 0)
            return err_prefix(e, "default of %s", t->rows[i].name);
    return 0;
}

static const struct option_row *find(const struct option_table *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->rows[i].name, name) == 0)
            return &t->rows[i];
    return NULL;
}

struct reading {
    const struct option_table *table;
    void *settings;
    struct err *e;
    bool *seen; /* (count) */
    bool failed;
};

/* libinih's handler: 0 is an error, and then the line's number is what ini_parse returns. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
    struct reading *r = user;
    if (r->failed)
        return 1; /* the first error is the one reported */
    r->failed = true;
    const struct option_row *row = find(r->table, name);
    if (section[0] != '\0') {
        err_set(r->e, ERR_USAGE, "there are no sections here, found [%.60s]", section);
        return 0;
    }
    if (row == NULL || row->command_line_only) {
        err_set(r->e, ERR_USAGE, "there is no setting '%.60s'", name);
        return 0;
    }
    bool *seen = &r->seen[row - r->table->rows];
    if (*seen && row->type != OPTION_CALLBACK) {
        err_set(r->e, ERR_USAGE, "%s is set twice", name);
        return 0;
    }
    *seen = true;
    if (option_value_set(row, r->settings, value, r->e) != 0)
        return 0;
    r->failed = false;
    return 1;
}

int option_file(const struct option_table *t, void *settings, const char *path, struct err *e)
{
    struct err why = {0};
    struct reading r = {.table = t, .settings = settings, .e = &why, .seen = calloc(t->count + 1, 1)};
    int result = -1;
    if (r.seen == NULL)
        return err_nomem(e);
    errno = 0;
    int line = ini_parse(path, on_key, &r);
    if (line == 0)
        result = 0;
    else if (line == -1)
        err_set(e, ERR_IO, "%s cannot be read: %s", path, strerror(errno));
    else if (r.failed)
        err_set(e, ERR_USAGE, "%s:%d: %s", path, line, why.message);
    else
        err_set(e, ERR_USAGE, "%s:%d: not `key = value`, or too long a line", path, line);
    free(r.seen);
    return result;
}

int option_environment(const struct option_table *t, void *settings, struct err *e)
{
    for (size_t i = 0; t->environment_prefix != NULL && i < t->count; i++) {
        char name[OPTION_NAME_ROOM];
        if (t->rows[i].command_line_only)
            continue;
        option_environment_name(t, &t->rows[i], name);
        const char *value = getenv(name);
        if (value != NULL && option_value_set(&t->rows[i], settings, value, e) != 0)
            return err_prefix(e, "environment variable %s", name);
    }
    return 0;
}

/* getopt's own tables: a long option a row, and "o:q" for the letters. */
static int make_getopt_tables(const struct option_table *t, struct option **longs, char **letters, struct err *e)
{
    *longs = calloc(t->count + 1, sizeof **longs);
    *letters = calloc(2 * t->count + 2, 1);
    if (*longs == NULL || *letters == NULL)
        return err_nomem(e);
    char *at = *letters;
    *at++ = ':'; /* a missing value is told apart from an unknown option */
    for (size_t i = 0; i < t->count; i++) {
        int has_value = t->rows[i].type == OPTION_FLAG ? no_argument : required_argument;
        (*longs)[i] = (struct option){t->rows[i].name, has_value, NULL, 256 + (int)i};
        if (t->rows[i].letter == 0)
            continue;
        *at++ = t->rows[i].letter;
        if (has_value == required_argument)
            *at++ = ':';
    }
    return 0;
}

static const struct option_row *row_of(const struct option_table *t, int found)
{
    if (found >= 256)
        return &t->rows[found - 256];
    for (size_t i = 0; i < t->count; i++)
        if (t->rows[i].letter != 0 && t->rows[i].letter == found)
            return &t->rows[i];
    return NULL;
}

/* What getopt could not make sense of. `word` is the argument that it had just read. */
static int refuse(const struct option_table *t, int found, const char *word, struct err *e)
{
    const struct option_row *row = row_of(t, optopt);
    if (found == ':' && row != NULL)
        return err_set(e, ERR_USAGE, "--%s needs a value%s%s", row->name, row->value == NULL ? "" : ": ",
                       row->value == NULL ? "" : row->value);
    if (row != NULL)
        return err_set(e, ERR_USAGE, "--%s takes no value", row->name);
    if (optopt != 0 && optopt < 256)
        return err_set(e, ERR_USAGE, "there is no option -%c; see --help", optopt);
    return err_set(e, ERR_USAGE, "there is no option %.80s, or it is cut too short to be one; see --help", word);
}

int option_arguments(const struct option_table *t, void *settings, int argc, char **argv, int *operands, struct err *e)
{
    struct option *longs = NULL;
    char *letters = NULL;
    int result = -1;
    if (make_getopt_tables(t, &longs, &letters, e) != 0)
        goto done;
    optind = 0; /* glibc: start anew */
    opterr = 0;
    for (;;) {
        int found = getopt_long(argc, argv, letters, longs, NULL);
        if (found == -1)
            break;
        if (found == '?' || found == ':') {
            refuse(t, found, argv[optind - 1], e);
            goto done;
        }
        const struct option_row *row = row_of(t, found);
        if (option_value_set(row, settings, row->type == OPTION_FLAG ? "true" : optarg, e) != 0) {
            err_prefix(e, "--%s", row->name);
            e->code = ERR_USAGE;
            goto done;
        }
    }
    *operands = optind;
    result = 0;
done:
    free(longs);
    free(letters);
    return result;
}

void option_release(const struct option_table *t, void *settings)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->rows[i].type != OPTION_STRING)
            continue;
        char **text = (char **)((char *)settings + t->rows[i].offset);
        free(*text);
        *text = NULL;
    }
}
