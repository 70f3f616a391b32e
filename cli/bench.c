#include "base/clock.h"
#include "cli/bench_scene.h"
#include "cli/cli.h"
#include "cli/session.h"
#include "cpu/peak.h"
#include "engine/select.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 100, SAMPLE = 32, RUNS_LEAST = 3, RUNS_MOST = 1000, BLOCK_LINES = 32 };

struct settings {
    struct engine_settings engine;
    char *model;
    double seconds;
    bool patches, json, help;
};

static const struct option_row rows[] = {
    {.name = "model",
     .letter = 'm',
     .type = OPTION_STRING,
     .offset = offsetof(struct settings, model),
     .value = "FILE",
     .help = "the package (.safetensors) to run; required"},
    {.name = "seconds",
     .type = OPTION_NUMBER,
     .offset = offsetof(struct settings, seconds),
     .value = "S",
     .fallback = "10",
     .min = 0,
     .max = 86400,
     .help = "go on for so long; three runs at least"},
    {.name = "patches",
     .type = OPTION_FLAG,
     .offset = offsetof(struct settings, patches),
     .help = "as many single patches instead of a scene: nothing is shared between neighbours"},
    ENGINE_OPTION_ROWS(offsetof(struct settings, engine)),
    {.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct settings, json), .help = "print one JSON object"},
    {.name = "help",
     .letter = 'h',
     .type = OPTION_FLAG,
     .offset = offsetof(struct settings, help),
     .help = "this text"},
};

static const struct option_table table = {
    .rows = rows,
    .count = sizeof rows / sizeof rows[0],
    .usage = "spectrad bench --model FILE.safetensors [OPTION]...",
    .summary = "Measures the engine alone, on a synthetic scene of 100 x 100 valid pixels that is classified again and "
               "again, after its logits were compared with the plain engine's on a sample.",
};

struct figures {
    double median_s, gflops, max_logit_error, flop_per_patch;
    int runs;
    struct engine_info info;
};

/* One engine with one network. */
struct bench {
    const struct engine_backend *backend;
    struct engine *engine;
    struct engine_model *model;
};

static int bench_open(struct bench *b, const struct engine_backend *backend, const struct engine_options *o,
                      const struct network *n, struct err *e)
{
    *b = (struct bench){.backend = backend};
    if (backend->open(&b->engine, o, e) != 0)
        return -1;
    return backend->load(b->engine, n, &b->model, e);
}

static void bench_close(struct bench *b)
{
    if (b->engine == NULL)
        return;
    b->backend->unload(b->engine, b->model);
    b->backend->close(b->engine);
    b->engine = NULL;
}

static int run_blocks(struct bench *b, struct block **blocks, size_t count, struct err *e)
{
    static const atomic_bool never;
    struct engine_task *tasks = calloc(count, sizeof *tasks);
    if (tasks == NULL)
        return err_nomem(e);
    for (size_t i = 0; i < count; i++)
        tasks[i] = (struct engine_task){.model = b->model, .block = blocks[i], .canceled = &never};
    int result = b->backend->run(b->engine, tasks, count, e);
    free(tasks);
    return result;
}

/* Largest difference of a logit from the plain engine's, on SAMPLE pixels spread over the scene. */
static int compare(struct bench *b, const struct engine_backend *oracle, const struct bench_scene *scene,
                   const struct network *n, double *worst, struct err *e)
{
    const struct engine_options o = {.precision = PRECISION_FP32};
    struct bench plain;
    struct block *pixel = NULL;
    int result = -1;
    float *logits = calloc((size_t)n->N, sizeof *logits);
    *worst = 0;
    if (logits == NULL)
        return err_nomem(e);
    if (bench_open(&plain, oracle, &o, n, e) != 0)
        goto done;
    for (int i = 0; i < SAMPLE; i++) {
        int at = (int)((long)i * (SIDE * SIDE - 1) / (SAMPLE - 1));
        if (bench_scene_pixel(scene, n, at / SIDE, at % SIDE, &pixel, e) != 0 || run_blocks(b, &pixel, 1, e) != 0)
            goto done;
        memcpy(logits, pixel->logits, (size_t)n->N * sizeof *logits);
        if (run_blocks(&plain, &pixel, 1, e) != 0)
            goto done;
        for (int c = 0; c < n->N; c++)
            *worst = fmax(*worst, fabs((double)logits[c] - (double)pixel->logits[c]));
        block_close(pixel);
        pixel = NULL;
    }
    result = 0;
done:
    block_close(pixel);
    bench_close(&plain);
    free(logits);
    return result;
}

/* The plain engine, against which the others are held; it bears this name in every build. */
static const struct engine_backend *find_oracle(const struct engine_backend *const *engines)
{
    while (*engines != NULL && strcmp((*engines)->name, "cpu-plain") != 0)
        engines++;
    return *engines;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of a run of all blocks: the median of as many as fit `seconds`, after one that is not counted. */
static int measure(struct bench *b, struct block **blocks, size_t count, double seconds, struct figures *f,
                   struct err *e)
{
    static double taken[RUNS_MOST];
    double start = clock_now();
    for (f->runs = -1; f->runs < RUNS_LEAST || (f->runs < RUNS_MOST && clock_now() - start < seconds); f->runs++) {
        double began = clock_now();
        if (run_blocks(b, blocks, count, e) != 0)
            return -1;
        if (f->runs >= 0)
            taken[f->runs] = clock_now() - began;
    }
    qsort(taken, (size_t)f->runs, sizeof taken[0], ascending);
    f->median_s = f->runs % 2 == 1 ? taken[f->runs / 2] : (taken[f->runs / 2 - 1] + taken[f->runs / 2]) / 2;
    return 0;
}

static int run(const struct settings *s, const struct network *n, const struct scheduler_engine *engine,
               const struct engine_backend *oracle, struct figures *f, struct err *e)
{
    struct bench b = {.backend = engine->backend, .engine = engine->engine};
    struct bench_scene scene = {0};
    struct block **blocks = NULL;
    size_t count = 0;
    int result = -1, lines = s->patches ? 1 : BLOCK_LINES;
    if (b.backend->load(b.engine, n, &b.model, e) != 0 || bench_scene_init(&scene, n, SIDE, SIDE, e) != 0)
        goto done;
    b.backend->describe(b.engine, &f->info);
    int columns = s->patches ? 1 : (int)(f->info.batch_pixels / BLOCK_LINES);
    columns = columns < 1 ? 1 : columns > SIDE ? SIDE : columns;
    if (compare(&b, oracle, &scene, n, &f->max_logit_error, e) != 0)
        goto done;
    if (f->max_logit_error > 1e-3) {
        err_set(e, ERR_DEVICE,
                "the engine's logits differ from the plain engine's by %.2g: no speed is given for wrong answers",
                f->max_logit_error);
        goto done;
    }
    if (bench_scene_blocks(&scene, n, lines, columns, &blocks, &count, e) != 0 ||
        measure(&b, blocks, count, s->seconds, f, e) != 0)
        goto done;
    f->flop_per_patch = 2 * network_multiply_adds(n);
    f->gflops = cpu_fma_peak_gflops(s->engine.isa, f->info.threads, 0.5);
    result = 0;
done:
    bench_scene_close_blocks(blocks, count);
    bench_scene_release(&scene);
    bench_close(&b);
    return result;
}

static int print(const struct settings *s, const struct package *p, const struct figures *f, struct err *e)
{
    double rate = SIDE * SIDE / f->median_s, naive = f->gflops * 1e9 / f->flop_per_patch;
    if (!s->json) {
        printf("%s/%s on %s, %s\n", p->name, p->version, f->info.device, precision_name(f->info.precision));
        printf("%.1f patches/s (median of %d runs of %d %s)\n", rate, f->runs, SIDE * SIDE,
               s->patches ? "single patches" : "pixels of a scene");
        printf("FMA peak %.1f GFLOP/s, naive peak %.1f patches/s: %.2f x\n", f->gflops, naive, rate / naive);
        printf("largest logit error against the plain engine %.2g\n", f->max_logit_error);
        return cli_flush(e);
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "model", p->name);
    cJSON_AddNumberToObject(o, "patches_per_second", rate);
    cJSON_AddNumberToObject(o, "runs", f->runs);
    cJSON_AddStringToObject(o, "workload", s->patches ? "patches" : "scene");
    cJSON_AddStringToObject(o, "device", f->info.device);
    cJSON_AddStringToObject(o, "backend", f->info.backend);
    cJSON_AddStringToObject(o, "precision", precision_name(f->info.precision));
    cJSON_AddNumberToObject(o, "threads", f->info.threads);
    cJSON_AddStringToObject(o, "isa", f->info.isa);
    cJSON_AddNumberToObject(o, "fma_peak_gflops", f->gflops);
    cJSON_AddNumberToObject(o, "naive_flop_per_patch", f->flop_per_patch);
    cJSON_AddNumberToObject(o, "naive_peak_patches_per_second", naive);
    cJSON_AddNumberToObject(o, "max_logit_error", f->max_logit_error);
    char *text = cJSON_Print(o);
    cJSON_Delete(o);
    if (text == NULL)
        return err_nomem(e);
    puts(text);
    cJSON_free(text);
    return cli_flush(e);
}

int cli_bench(int argc, char **argv, const struct engine_backend *const *engines)
{
    struct settings s = {0};
    struct figures f = {0};
    struct err e = {0};
    struct package *p = NULL;
    struct engine_options options;
    struct scheduler_engine opened[SELECT_MOST];
    const struct engine_backend *oracle = find_oracle(engines);
    size_t count = 0;
    int first;
    if (option_defaults(&table, &s, &e) != 0 || option_arguments(&table, &s, argc, argv, &first, &e) != 0)
        goto done;
    if (s.help) {
        option_help(&table, stdout);
        goto done;
    }
    if (s.model == NULL || first != argc) {
        err_set(&e, ERR_USAGE, "%s; see spectrad bench --help",
                s.model == NULL ? "--model FILE.safetensors is missing" : "there are no operands");
        goto done;
    }
    if (oracle == NULL) {
        err_set(&e, ERR_DEVICE, "this build has no plain engine to check against");
        goto done;
    }
    if (session_engine_options(&s.engine, &options, &e) != 0)
        goto done;
    if (package_open(&p, s.model, &e) != 0) {
        err_prefix(&e, "%s", s.model);
        goto done;
    }
    if (select_engines(engines, s.engine.device, &options, opened, &count, &e) != 0)
        goto done;
    for (size_t i = 1; i < count; i++) /* one device is measured */
        opened[i].backend->close(opened[i].engine);
    if (run(&s, &p->network, &opened[0], oracle, &f, &e) == 0)
        print(&s, p, &f, &e);
done:
    package_close(p);
    option_release(&table, &s);
    return e.code == ERR_NONE ? 0 : cli_fail("bench", &e);
}
