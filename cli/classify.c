#include "base/clock.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/session.h"
#include "proto/accept.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct settings {
    struct engine_settings engine;
    struct query query;
    char *model, *output, *truth, *logits;
    bool quiet, help;
};

static const struct option_row own_rows[] = {
    {.name = "model",
     .letter = 'm',
     .type = OPTION_STRING,
     .offset = offsetof(struct settings, model),
     .value = "FILE",
     .help = "the package (.safetensors) to classify with; required"},
    {.name = "output",
     .letter = 'o',
     .type = OPTION_STRING,
     .offset = offsetof(struct settings, output),
     .value = "OUT",
     .help = "where the result goes; - is standard output; required"},
    {.name = "truth",
     .type = OPTION_STRING,
     .offset = offsetof(struct settings, truth),
     .value = "FILE",
     .help = "a raster of class ids, of the scene's size: adds an accuracy report"},
    {.name = "logits",
     .type = OPTION_STRING,
     .offset = offsetof(struct settings, logits),
     .value = "FILE.npy",
     .help = "write the logits too: float32 (rows, columns, classes), NaN where not valid"},
    ENGINE_OPTION_ROWS(offsetof(struct settings, engine)),
    {.name = "quiet",
     .letter = 'q',
     .type = OPTION_FLAG,
     .offset = offsetof(struct settings, quiet),
     .help = "no progress bar and no summary"},
    {.name = "help",
     .letter = 'h',
     .type = OPTION_FLAG,
     .offset = offsetof(struct settings, help),
     .help = "this text"},
};

enum { OWN = sizeof own_rows / sizeof own_rows[0], MOST = OWN + 32, NAME = 32 };

static int set_query_key(void *settings, const struct option_row *row, const char *text, struct err *e)
{
    struct settings *s = settings;
    char key[NAME];
    size_t n = 0;
    for (; row->name[n] != '\0' && n < NAME - 1; n++)
        key[n] = row->name[n] == '-' ? '_' : row->name[n];
    key[n] = '\0';
    return query_set(&s->query, key, text, strlen(text), e);
}

/* The options: this subcommand's own, and every query key but `model`, with dashes for its underscores. */
static void make_table(struct option_table *t, struct option_row rows[MOST], char names[][NAME])
{
    memcpy(rows, own_rows, sizeof own_rows);
    size_t count = OWN;
    for (size_t i = 0; i < query_key_count && count < MOST; i++) {
        if (strcmp(query_keys[i].name, "model") == 0)
            continue;
        snprintf(names[i], NAME, "%s", query_keys[i].name);
        for (char *c = names[i]; *c != '\0'; c++)
            *c = *c == '_' ? '-' : *c;
        rows[count++] = (struct option_row){.name = names[i],
                                            .type = OPTION_CALLBACK,
                                            .value = query_keys[i].value,
                                            .help = query_keys[i].help,
                                            .set = set_query_key};
    }
    *t = (struct option_table){
        .rows = rows,
        .count = count,
        .usage = "spectrad classify --model FILE.safetensors [OPTION]... CUBE -o OUT",
        .summary = "Classifies every pixel of CUBE (a GeoTIFF, or an ENVI pair named by its data file or its "
                   "header) and writes the label map. Without --format the name of OUT decides: .tif, "
                   ".npy, .json or no ending (JSON)."};
}

static atomic_bool interrupted;

static void on_signal(int signal)
{
    (void)signal;
    atomic_store(&interrupted, true);
}

static void catch_signals(void)
{
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND}; /* a second signal ends at once */
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* The format that the name of OUT asks for; a name that ends otherwise needs --format. */
static int choose_format(struct settings *s, struct err *e)
{
    static const struct {
        const char *end;
        enum result_format format;
    } ends[] = {{".tif", FORMAT_GEOTIFF}, {".tiff", FORMAT_GEOTIFF}, {".npy", FORMAT_NPY}, {".json", FORMAT_JSON}};
    const char *slash = strrchr(s->output, '/'), *dot = strrchr(slash == NULL ? s->output : slash, '.');
    if (s->query.format != FORMAT_UNSET)
        return 0;
    for (size_t i = 0; dot != NULL && i < sizeof ends / sizeof ends[0]; i++)
        if (strcasecmp(dot, ends[i].end) == 0)
            s->query.format = ends[i].format;
    if (s->query.format == FORMAT_UNSET && dot != NULL)
        return err_set(e, ERR_USAGE,
                       "the name of OUT ends in '%s', which is no format; give --format, or .tif, .npy, .json", dot);
    if (s->query.format == FORMAT_UNSET)
        s->query.format = FORMAT_JSON;
    return 0;
}

static void on_progress(void *arg, uint64_t done, uint64_t pixels)
{
    progress_update(arg, done, pixels);
}

/* Puts the .npy head before the logits that the run wrote behind it. */
static int finish_logits(int *fd, const struct classification *c, struct err *e)
{
    char head[128];
    size_t n = npy_header(head, "<f4", c->result.window.lines, c->result.window.columns, c->result.package->network.N);
    if (file_write(*fd, head, n, 0, "the logits", e) != 0)
        return -1;
    int closed = file_close(*fd, "the logits", e);
    *fd = -1;
    return closed;
}

/* Everything is written before anything gets its name. */
static int write_results(const struct settings *s, const struct classification *c, struct output *out,
                         struct output *logits, int *logits_fd, struct err *e)
{
    if (classification_write(c, s->query.format, out->path, out->target != NULL, e) != 0)
        return -1;
    if (s->logits != NULL && (finish_logits(logits_fd, c, e) != 0 || output_commit(logits, e) != 0))
        return -1;
    return output_commit(out, e);
}

static int run(const struct settings *s, struct session *session, struct classify_request *q, struct err *e)
{
    struct output out = {0}, logits = {0};
    struct classification c = {0};
    struct progress bar;
    int result = -1;
    progress_init(&bar, s->quiet);
    q->logits_fd = -1;
    if (output_open(&out, s->output, e) != 0)
        goto done;
    if (s->logits != NULL) {
        if (output_open(&logits, s->logits, e) != 0)
            goto done;
        q->logits_fd = open(logits.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (q->logits_fd < 0) {
            err_set(e, ERR_IO, "%s cannot be written: %s", s->logits, strerror(errno));
            goto done;
        }
        q->logits_offset = 128;
    }
    q->scheduler = session->scheduler;
    q->model = &session->model;
    q->query = &s->query;
    q->directory = out.directory;
    q->cancel = &interrupted;
    q->progress = on_progress;
    q->progress_arg = &bar;
    int failed = classify_run(q, &c, e);
    progress_clear(&bar);
    if (failed != 0 || write_results(s, &c, &out, &logits, &q->logits_fd, e) != 0)
        goto done;
    if (!s->quiet)
        report_classification(stderr, &c);
    result = 0;
done:
    if (q->logits_fd >= 0)
        close(q->logits_fd);
    classification_release(&c);
    output_release(&logits);
    output_release(&out);
    return result;
}

/* 0 with *cube the operand; 1 after --help. */
static int parse(struct settings *s, const struct option_table *t, int argc, char **argv, const char **cube,
                 struct err *e)
{
    int first;
    query_init(&s->query);
    if (option_defaults(t, s, e) != 0 || option_arguments(t, s, argc, argv, &first, e) != 0)
        return -1;
    if (s->help) {
        option_help(t, stdout);
        return 1;
    }
    if (argc - first != 1)
        return err_set(e, ERR_USAGE, "%s; see spectrad classify --help",
                       argc == first ? "no CUBE is given" : "more than one CUBE is given");
    if (s->model == NULL || s->output == NULL)
        return err_set(e, ERR_USAGE, "%s; see spectrad classify --help",
                       s->model == NULL ? "--model FILE.safetensors is missing" : "-o OUT is missing");
    if (s->logits != NULL && strcmp(s->logits, s->output) == 0)
        return err_set(e, ERR_USAGE, "OUT and --logits name the same file, %s", s->output);
    *cube = argv[first];
    return choose_format(s, e);
}

/* True if both name one file that exists, by whatever paths. */
static bool same_file(const char *a, const char *b)
{
    struct stat first, second;
    return a != NULL && b != NULL && stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

/* What is read must not be what is written. */
static int keep_inputs(const struct settings *s, const char *data, const char *header, struct err *e)
{
    const char *inputs[] = {data, header, s->model, s->truth}, *outputs[] = {s->output, s->logits};
    for (size_t o = 0; o < 2; o++)
        for (size_t i = 0; i < 4; i++)
            if (same_file(inputs[i], outputs[o]))
                return err_set(e, ERR_USAGE, "%s is read here, and would be written over; give another output",
                               outputs[o]);
    if (same_file(s->output, s->logits))
        return err_set(e, ERR_USAGE, "OUT and --logits name the same file, %s", s->output);
    return 0;
}

int cli_classify(int argc, char **argv, const struct engine_backend *const *engines)
{
    struct settings s = {0};
    struct option_row rows[MOST];
    char names[MOST][NAME];
    struct option_table table;
    struct session session = {0};
    struct classify_request q = {.limits = cube_limits_default};
    struct err e = {0};
    const char *cube = NULL;
    char *data = NULL, *header = NULL;
    make_table(&table, rows, names);
    int parsed = parse(&s, &table, argc, argv, &cube, &e);
    if (parsed != 0)
        goto done;
    catch_signals();
    scene_init(64 << 20);
    q.deadline = s.query.deadline_s > 0 ? clock_now() + s.query.deadline_s : 0;
    q.truth = s.truth;
    if (cube_find_files(cube, &data, &header, &e) != 0 || keep_inputs(&s, data, header, &e) != 0 ||
        session_open(&session, s.model, &s.engine, engines, &e) != 0)
        goto done;
    q.files = (struct cube_files){data, header};
    run(&s, &session, &q, &e);
done:
    session_close(&session);
    free(data);
    free(header);
    option_release(&table, &s);
    return e.code == ERR_NONE ? 0 : cli_fail("classify", &e);
}
