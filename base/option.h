/* option.h - one table makes command-line flags, environment variables, configuration-file keys and --help.
 *
 * A row names a setting once: `max-body` is --max-body, SPECTRAD_MAX_BODY and `max-body = 4G` in the file. Later
 * sources win in the order default, file, environment, command line. The file is read with libinih, the command line
 * with getopt_long (options may follow operands). Threading: used at start, by one thread.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_type {
    OPTION_FLAG,     /* bool; no value on the command line */
    OPTION_INTEGER,  /* long long, min..max */
    OPTION_NUMBER,   /* double, min..max */
    OPTION_BYTES,    /* uint64_t; K, M, G, T suffixes are powers of 1024 */
    OPTION_STRING,   /* char *, malloc'ed copy */
    OPTION_CHOICE,   /* int, index into `choices` */
    OPTION_CALLBACK, /* handed to `set`; may be given more than once */
};

struct option_row {
    const char *name; /* "max-body" */
    char letter;      /* 'o' for -o; 0: none */
    enum option_type type;
    size_t offset;        /* of the field in the settings struct */
    const char *value;    /* placeholder in --help: "BYTES" */
    const char *fallback; /* the default, as text; NULL: the field is left as it is */
    double min, max;
    const char *const *choices; /* NULL-terminated */
    int (*set)(void *settings, const struct option_row *row, const char *text, struct err *e);
    const char *help;
    bool command_line_only; /* not in file or environment: --help, --config, --check */
};

struct option_table {
    const struct option_row *rows;
    size_t count;
    const char *usage;              /* "spectrad serve [OPTION]..." */
    const char *summary;            /* one paragraph */
    const char *environment_prefix; /* "SPECTRAD_"; NULL: no environment */
};

int option_defaults(const struct option_table *t, void *settings, struct err *e);
/* Comments begin with ; or #, at a line's start or (;) behind a blank. ERR_USAGE with file:line for an unknown key, a
 * bad value, a key set twice, a section, a line that is none; ERR_IO. */
int option_file(const struct option_table *t, void *settings, const char *path, struct err *e);
int option_environment(const struct option_table *t, void *settings, struct err *e);
/* Operands are moved to argv[*operands..argc). ERR_USAGE. */
int option_arguments(const struct option_table *t, void *settings, int argc, char **argv, int *operands, struct err *e);
void option_help(const struct option_table *t, FILE *out);
void option_release(const struct option_table *t, void *settings); /* frees OPTION_STRING fields */
