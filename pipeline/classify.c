#include "pipeline/classify.h"
#include "base/clock.h"
#include "base/file.h"
#include "pipeline/label_map.h"
#include "pipeline/lines.h"
#include "pipeline/statistics.h"
#include "pipeline/strips.h"
#include "pipeline/summary.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS_OUT = 4 };

/* What is decided before the first line is read. */
struct plan {
    const struct classify_request *request;
    struct classification *out;
    struct spectral_match match;
    struct validity validity;
    struct affine_map map;
    struct scheduler_job *job;
    struct class_sum *sums; /* (N) */
    double read_s;
};

static int choose_window(const struct query *q, const struct cube_description *d, struct window *w, struct err *e)
{
    *w = q->has_window ? q->window : (struct window){0, 0, d->columns, d->lines};
    if (w->column >= 0 && w->line >= 0 && w->columns > 0 && w->lines > 0 && w->columns <= d->columns &&
        w->lines <= d->lines && w->column <= d->columns - w->columns && w->line <= d->lines - w->lines)
        return 0;
    return err_set(e, ERR_INPUT,
                   "the window %d,%d,%d,%d does not lie wholly inside the scene of %d columns and %d lines; "
                   "give window=column,row,columns,rows within 0,0,%d,%d",
                   w->column, w->line, w->columns, w->lines, d->columns, d->lines, d->columns, d->lines);
}

/* A float sample beyond what the network can take is no measurement; an integer one would be the scaling's fault. */
static int bound_samples(struct plan *p, enum sample_type type, struct err *e)
{
    p->validity.largest = affine_map_reach(&p->map);
    if (p->validity.largest > sample_most(type))
        return 0;
    return err_set(e, ERR_INPUT,
                   "the scale and offset of the file make values of it that no measurement has (beyond %g); correct "
                   "them, or give scale=",
                   PREPROCESS_MOST);
}

/* Opens the cube and decides bands, scaling, nodata and the window: all that can be refused before a sample is read. */
static int prepare(struct plan *p, struct err *e)
{
    const struct classify_request *q = p->request;
    const struct package *k = q->model->package;
    if (cube_open(&p->out->cube, &q->files, &q->limits, e) != 0)
        return -1;
    const struct cube_description *d = cube_describe(p->out->cube);
    if (choose_window(q->query, d, &p->out->result.window, e) != 0 ||
        spectral_match_init(&p->match, k, d, &q->query->spectral, e) != 0 ||
        validity_init(&p->validity, k, d, &p->match, &q->query->nodata, e) != 0 ||
        affine_map_init(&p->map, &k->preprocess, p->match.gain, p->match.offset, e) != 0 ||
        bound_samples(p, d->type, e) != 0)
        return -1;
    const struct window *w = &p->out->result.window;
    p->out->labels_length = (size_t)w->columns * (size_t)w->lines;
    if (q->reserve != NULL && q->reserve(q->reserve_arg, w, e) != 0)
        return -1;
    return label_map_open(&p->out->labels, p->out->labels_length, q->directory, e);
}

static int write_logits(const struct plan *p, const struct block *b, int row, struct err *e)
{
    const struct window *w = &p->out->result.window;
    const float *logits = b->logits + (size_t)row * (size_t)b->columns * (size_t)b->N;
    size_t pixel = (size_t)(b->line - w->line + row) * (size_t)w->columns + (size_t)(b->column - w->column);
    off_t at = (off_t)p->request->logits_offset + (off_t)(pixel * (size_t)b->N * sizeof *logits);
    return file_write(p->request->logits_fd, logits, (size_t)b->columns * (size_t)b->N * sizeof *logits, at,
                      "the logits", e);
}

/* A finished block: class ids into the map, sums, logits. */
static int store(void *arg, const struct block *b, struct err *e)
{
    struct plan *p = arg;
    const struct window *w = &p->out->result.window;
    const struct package_class *classes = p->request->model->package->classes;
    for (int row = 0; row < b->lines; row++) {
        const uint8_t *labels = b->labels + (size_t)row * (size_t)b->columns;
        const float *confidence = b->confidence + (size_t)row * (size_t)b->columns;
        uint8_t *out =
            p->out->labels + (size_t)(b->line - w->line + row) * (size_t)w->columns + (b->column - w->column);
        for (int c = 0; c < b->columns; c++) {
            out[c] = labels[c] == 0 ? 0 : (uint8_t)classes[labels[c] - 1].id;
            if (labels[c] != 0)
                class_sum_add(&p->sums[labels[c] - 1], confidence[c]);
        }
        if (b->logits != NULL && write_logits(p, b, row, e) != 0)
            return -1;
    }
    if (p->request->progress != NULL) {
        uint64_t done = p->out->result.pixels.invalid;
        for (int i = 0; i < b->N; i++)
            done += p->sums[i].pixels;
        p->request->progress(p->request->progress_arg, done, p->out->labels_length);
    }
    return 0;
}

static bool by_scene(const struct classify_request *q)
{
    return (q->query->has_normalization ? q->query->normalization : q->model->package->normalization) ==
           NORMALIZATION_SCENE;
}

static struct line_source source_of(struct plan *p, struct validity_count *count)
{
    return (struct line_source){.cube = p->out->cube,
                                .match = &p->match,
                                .validity = &p->validity,
                                .count = count,
                                .cancel = p->request->cancel,
                                .read_s = &p->read_s};
}

/* Step 4 of the preprocessing: the whole scene is read once more, before. */
static int normalize(struct plan *p, struct err *e)
{
    struct line_source source = source_of(p, NULL);
    struct scene_statistics statistics;
    int result = statistics_gather(&statistics, &source, &p->map, p->request->deadline, e);
    if (result == 0)
        affine_map_normalize(&p->map, &statistics);
    scene_statistics_release(&statistics);
    return result;
}

static int run(struct plan *p, struct err *e)
{
    const struct classify_request *q = p->request;
    struct network *n = &q->model->package->network;
    struct engine_info info;
    scheduler_engine_info(q->scheduler, 0, &info);
    if (by_scene(q) && normalize(p, e) != 0)
        return -1;
    if (scheduler_job_open(q->scheduler, q->model->id, q->deadline, &p->job, e) != 0)
        return -1;
    if (q->opened != NULL)
        q->opened(q->opened_arg, p->job);
    struct line_source source = source_of(p, &p->out->result.pixels);
    struct strips strips = {.source = &source,
                            .map = &p->map,
                            .window = p->out->result.window,
                            .halo = n->P / 2,
                            .N = n->N,
                            .job = p->job,
                            .blocks = BLOCKS_OUT,
                            .block_pixels = (int)info.batch_pixels,
                            .strip_lines = q->strip_lines,
                            .block_columns = q->block_columns,
                            .logits = q->logits_fd >= 0,
                            .deadline = q->deadline,
                            .store = store,
                            .store_arg = p};
    if (strips_run(&strips, e) != 0)
        return -1;
    if (p->out->result.pixels.valid == 0)
        return err_set(e, ERR_INPUT,
                       "no pixel of the window is valid: all %llu are nodata, masked or not finite; "
                       "check nodata and nodata_rule, or send another window",
                       (unsigned long long)p->out->result.pixels.invalid);
    scheduler_job_times(p->job, &p->out->result.timing.queue_s, &p->out->result.timing.compute_s);
    return 0;
}

static void release_plan(struct plan *p)
{
    if (p->job != NULL && p->request->opened != NULL)
        p->request->opened(p->request->opened_arg, NULL);
    scheduler_job_close(p->job);
    affine_map_release(&p->map);
    validity_release(&p->validity);
    spectral_match_release(&p->match);
    free(p->sums);
}

int classify_run(const struct classify_request *q, struct classification *out, struct err *e)
{
    *out = (struct classification){0};
    struct plan p = {.request = q, .out = out};
    double start = clock_now();
    int result = -1;
    p.sums = calloc((size_t)q->model->package->network.N, sizeof *p.sums);
    if (p.sums == NULL) {
        err_nomem(e);
        goto done;
    }
    if (prepare(&p, e) != 0 || run(&p, e) != 0)
        goto done;
    out->result.timing.read_s = p.read_s;
    struct summary_input summary = {.request = q,
                                    .match = &p.match,
                                    .validity = &p.validity,
                                    .sums = p.sums,
                                    .normalization = by_scene(q) ? NORMALIZATION_SCENE : NORMALIZATION_MODEL};
    if (summary_fill(out, &summary, e) != 0)
        goto done;
    out->result.timing.total_s = clock_now() - start;
    result = 0;
done:
    release_plan(&p);
    if (result != 0)
        classification_release(out);
    return result;
}

void classification_release(struct classification *c)
{
    label_map_close(c->labels, c->labels_length);
    free(c->result.classes);
    free(c->result.truth.confusion);
    cube_close(c->cube);
    *c = (struct classification){0};
}
