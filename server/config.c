#include "server/config.h"
#include "base/log.h"
#include <stdlib.h>
#include <string.h>

static int add_models(void *settings, const struct option_row *row, const char *text, struct err *e);

static const char *const log_levels[] = {"debug", "info", "warning", "error", NULL};
static const char *const log_formats[] = {"auto", "json", "text", NULL};

/* A row's value has the type that its macro names; the offset is of the field of that name. */
#define ROW(kind, field, key) .name = key, .type = OPTION_##kind, .offset = offsetof(struct server_settings, field)

static const struct option_row rows[] = {
    {ROW(STRING, listen, "listen"), .value = "ADDR:PORT", .fallback = "127.0.0.1:8080",
     .help = "address to serve on; [::]:8080 for IPv6, port 0 for any free one"},
    {ROW(CALLBACK, models, "models"), .value = "PATH", .set = add_models,
     .help = "folder of packages (*.safetensors), or one package; may be repeated, or several joined by ':'"},
    {ROW(STRING, default_model, "default-model"), .value = "NAME", .fallback = "",
     .help = "model of a request that names none, where several are loaded"},

    {ROW(STRING, device, "device"), .value = "NAME", .fallback = "auto", .help = "engine: auto or cpu"},
    {ROW(STRING, precision, "precision"), .value = "NAME", .fallback = "fp32",
     .help = "arithmetic of the engine: fp32"},
    {ROW(INTEGER, threads, "threads"), .value = "N", .fallback = "0", .min = 0, .max = 1024,
     .help = "threads of the CPU engine; 0: as many as the process may use"},
    {ROW(STRING, isa, "isa"), .value = "NAME", .fallback = "auto",
     .help = "instruction set of the CPU engine: auto, sse2, avx2, avx512, neon"},

    {ROW(INTEGER, workers, "workers"), .value = "N", .fallback = "4", .min = 1, .max = 256,
     .help = "requests decoded and encoded at once"},
    {ROW(INTEGER, max_requests, "max-requests"), .value = "N", .fallback = "32", .min = 1, .max = 4096,
     .help = "classify requests held at once (uploading, queued, running); one more is refused with 429"},
    {ROW(BYTES, max_body, "max-body"), .value = "BYTES", .fallback = "4G", .min = 1, .max = 0x1p53,
     .help = "largest request body; a larger one is refused with 413"},
    {ROW(STRING, spool, "spool"), .value = "DIR", .fallback = "",
     .help = "folder in which uploads lie while they are classified, and results until they are sent; empty: $TMPDIR, "
             "else /var/tmp"},
    {ROW(BYTES, spool_limit, "spool-limit"), .value = "BYTES", .fallback = "16G", .min = 1, .max = 0x1p53,
     .help = "bytes of all uploads, label maps and results together; above it requests are refused with 507"},
    {ROW(NUMBER, max_pixels, "max-pixels"), .value = "N", .fallback = "1e10", .min = 1, .max = 1e15,
     .help = "largest scene in pixels"},
    {ROW(INTEGER, max_bands, "max-bands"), .value = "N", .fallback = "4096", .min = 1, .max = 65535,
     .help = "most bands of a cube"},
    {ROW(NUMBER, max_inflation, "max-inflation"), .value = "RATIO", .fallback = "1000", .min = 1, .max = 1e9,
     .help = "most bytes that a file may declare for each byte that it has"},
    {ROW(INTEGER, json_label_pixels, "json-label-pixels"), .value = "N", .fallback = "10000000", .min = 0, .max = 1e15,
     .help = "above so many pixels the JSON leaves the label rows out; 0: never"},

    {ROW(NUMBER, deadline, "deadline"), .value = "SECONDS", .fallback = "3600", .min = 0, .max = 1e6,
     .help = "deadline of a request that names none, and the longest that one may name; 0: none"},
    {ROW(NUMBER, header_timeout, "header-timeout"), .value = "SECONDS", .fallback = "10", .min = 0.1, .max = 3600,
     .help = "time for a request's headers, and time over which min-rate is judged"},
    {ROW(NUMBER, idle_timeout, "idle-timeout"), .value = "SECONDS", .fallback = "75", .min = 0.1, .max = 1e6,
     .help = "time that a connection may stay open between requests"},
    {ROW(BYTES, min_rate, "min-rate"), .value = "BYTES", .fallback = "16K", .min = 0, .max = 0x1p40,
     .help = "bytes a second that a client must send of a body and take of an answer"},
    {ROW(NUMBER, drain_delay, "drain-delay"), .value = "SECONDS", .fallback = "0", .min = 0, .max = 3600,
     .help = "after SIGTERM, time during which requests are still taken while /health/ready says no"},
    {ROW(NUMBER, drain_timeout, "drain-timeout"), .value = "SECONDS", .fallback = "25", .min = 0, .max = 86400,
     .help = "after SIGTERM, time that accepted requests have left"},
    {ROW(INTEGER, max_connections, "max-connections"), .value = "N", .fallback = "0", .min = 0, .max = 1e6,
     .help = "most connections; 0: what the limit of open files allows, 16384 at most"},
    {ROW(INTEGER, http_threads, "http-threads"), .value = "N", .fallback = "2", .min = 1, .max = 64,
     .help = "threads that talk to clients"},

    {ROW(CHOICE, log_level, "log-level"), .value = "LEVEL", .fallback = "info", .choices = log_levels,
     .help = "least severe event that is logged: debug, info, warning, error"},
    {ROW(CHOICE, log_format, "log-format"), .value = "FORMAT", .fallback = "auto", .choices = log_formats,
     .help = "json, text, or auto: text on a terminal, else json"},

    {ROW(STRING, config, "config"), .value = "FILE", .command_line_only = true,
     .help = "file of 'key = value' lines, one for each option without its dashes"},
    {ROW(FLAG, check, "check"), .command_line_only = true,
     .help = "try the settings and read the packages, say what is wrong, and leave"},
    {ROW(FLAG, help, "help"), .letter = 'h', .command_line_only = true, .help = "show this"},
};

const struct option_table server_options = {
    .rows = rows,
    .count = sizeof rows / sizeof rows[0],
    .usage = "spectrad serve [OPTION]...",
    .summary = "Serves POST /classify and its companions over HTTP until SIGTERM. Each option is also a key of the "
               "configuration file and, in capitals after SPECTRAD_, a variable of the environment; the command line "
               "beats the environment, which beats the file.",
    .environment_prefix = "SPECTRAD_",
};

static void clear_paths(struct path_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct path_list){0};
}

static int add_path(struct path_list *l, const char *path, size_t length, struct err *e)
{
    char **grown = realloc(l->items, (l->count + 1) * sizeof *grown);
    if (grown == NULL)
        return err_nomem(e);
    l->items = grown;
    l->items[l->count] = strndup(path, length);
    if (l->items[l->count] == NULL)
        return err_nomem(e);
    l->count++;
    return 0;
}

static int add_models(void *settings, const struct option_row *row, const char *text, struct err *e)
{
    struct path_list *l = &((struct server_settings *)settings)->models;
    if (l->stale)
        clear_paths(l);
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ":");
        if (length == 0)
            return err_set(e, ERR_USAGE, "%s names an empty path", row->name);
        if (add_path(l, at, length, e) != 0)
            return -1;
        at += length;
        if (*at == '\0')
            return 0;
    }
}

/* The command line is read twice: first for --config and --help alone, since the file it names comes before it in
 * order. */
static int find_file(char **config, bool *help, int argc, char **argv, struct err *e)
{
    struct server_settings first = {0};
    int operands, result = -1;
    if (option_defaults(&server_options, &first, e) != 0 ||
        option_arguments(&server_options, &first, argc, argv, &operands, e) != 0)
        goto done;
    if (operands < argc) {
        err_set(e, ERR_USAGE, "serve takes no operands, got '%s'", argv[operands]);
        goto done;
    }
    *config = first.config;
    first.config = NULL;
    *help = first.help;
    result = 0;
done:
    server_settings_release(&first);
    return result;
}

int server_settings_load(struct server_settings *s, int argc, char **argv, struct err *e)
{
    char *config = NULL;
    int operands, result = -1;
    *s = (struct server_settings){0};
    if (find_file(&config, &s->help, argc, argv, e) != 0)
        return -1;
    if (option_defaults(&server_options, s, e) != 0)
        goto done;
    if (s->help) {
        result = 0;
        goto done;
    }
    s->models.stale = true;
    if (config != NULL && option_file(&server_options, s, config, e) != 0)
        goto done;
    s->models.stale = true;
    if (option_environment(&server_options, s, e) != 0)
        goto done;
    s->models.stale = true;
    result = option_arguments(&server_options, s, argc, argv, &operands, e);
done:
    free(config);
    return result;
}

void server_settings_release(struct server_settings *s)
{
    clear_paths(&s->models);
    option_release(&server_options, s);
}
