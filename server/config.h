/* config.h - what the operator can set, as one table: flags, SPECTRAD_* variables, configuration file, --help, --check.
 *
 * config/spectrad.conf shows every row of the table with its default; a test compares the two.
 * Threading: filled at start by one thread, read-only afterwards.
 */
#pragma once
#include "base/err.h"
#include "base/option.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Paths, each a malloc'ed string. */
struct path_list {
    char **items;
    size_t count;
    bool stale; /* the next path starts the list anew: it comes from a source that beats the earlier ones */
};

struct server_settings {
    bool help, check;
    char *config; /* NULL: no file */

    char *listen; /* "127.0.0.1:8080" */
    struct path_list models;
    char *default_model; /* "": none */

    char *device, *precision, *isa;
    long long threads; /* 0: as many as the process may use */

    long long workers;      /* requests decoded and encoded at once */
    long long max_requests; /* classify requests held: uploading, queued, running */
    uint64_t max_body;
    char *spool; /* "": $TMPDIR, else /var/tmp */
    uint64_t spool_limit;
    double max_pixels;
    long long max_bands;
    double max_inflation;
    long long json_label_pixels; /* 0: no limit */

    double deadline; /* of a request that names none, and the most that one may name; 0: none. All times in seconds */
    double header_timeout; /* for the headers, and the time over which min_rate is judged */
    double idle_timeout;   /* of a connection between requests */
    uint64_t min_rate;     /* bytes a second that a client must send of a body, and take of an answer */
    double drain_delay, drain_timeout;
    long long max_connections; /* 0: what the limit of open files allows */
    long long http_threads;

    int log_level;  /* enum log_level */
    int log_format; /* enum log_format */
};

extern const struct option_table server_options;

/* Reads every source in order: default, file, environment, command line. Errors: ERR_USAGE with the place; ERR_IO for a
 * file that cannot be read. *s is for server_settings_release also on failure. */
int server_settings_load(struct server_settings *s, int argc, char **argv, struct err *e);
void server_settings_release(struct server_settings *s);
