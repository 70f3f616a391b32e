#include "base/option.h"
#include "base/option_value.h"
#include "base/text.h"
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
    FILE *file;
    int line;       /* of the file, the one read last */
    bool *seen;     /* (count) */
    bool failed;    /* at `line`; nothing is read after it */
    struct err why; /* of the failure */
};

/* libinih's source of lines. It would take what is behind its buffer's end, or behind a zero byte, for a line of its
 * own, and go on after an error: here such a line is an error, and an error is the end. */
static char *read_line(char *text, int room, void *stream)
{
    struct reading *r = stream;
    if (r->failed || fgets(text, room, r->file) == NULL)
        return NULL;
    r->line++;
    size_t n = strlen(text);
    if ((n > 0 && text[n - 1] == '\n') || feof(r->file))
        return text;
    r->failed = true;
    err_set(&r->why, ERR_USAGE, "a line is longer than %d bytes, or holds a zero byte", room - 2);
    return NULL;
}

static int set_key(struct reading *r, const char *section, const char *name, const char *value)
{
    const struct option_row *row = find(r->table, name);
    char shown[64];
    if (section[0] != '\0')
        return err_set(&r->why, ERR_USAGE, "there are no sections here, found [%s]",
                       text_show(shown, sizeof shown, section, strlen(section)));
    if (row == NULL || row->command_line_only)
        return err_set(&r->why, ERR_USAGE, "there is no setting '%s'",
                       text_show(shown, sizeof shown, name, strlen(name)));
    bool *seen = &r->seen[row - r->table->rows];
    if (*seen && row->type != OPTION_CALLBACK)
        return err_set(&r->why, ERR_USAGE, "%s is set twice", name);
    *seen = true;
    return option_value_set(row, r->settings, value, &r->why) == 0 ? 0 : err_prefix(&r->why, "%s", name);
}

/* libinih's handler: 0 is an error. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
    struct reading *r = user;
    r->failed = set_key(r, section, name, value) != 0;
    return !r->failed;
}

int option_file(const struct option_table *t, void *settings, const char *path, struct err *e)
{
    struct reading r = {.table = t, .settings = settings};
    int result = -1;
    r.seen = calloc(t->count + 1, sizeof *r.seen);
    r.file = fopen(path, "re");
    if (r.seen == NULL) {
        err_nomem(e);
        goto done;
    }
    int line = r.file == NULL ? 0 : ini_parse_stream(read_line, &r, on_key, &r);
    if (r.file == NULL || ferror(r.file))
        err_set(e, ERR_IO, "%s cannot be read: %s", path, strerror(errno));
    else if (line < 0)
        err_nomem(e);
    else if (line > 0 && !(r.failed && line == r.line))
        err_set(e, ERR_USAGE, "%s:%d: not `key = value`", path, line);
    else if (r.failed)
        err_set(e, r.why.code, "%s:%d: %s", path, r.line, r.why.message);
    else
        result = 0;
done:
    if (r.file != NULL)
        fclose(r.file);
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
            if (e != NULL && e->code == ERR_REQUEST)
                e->code = ERR_USAGE; /* a callback that serves HTTP too */
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
