#include "server/work.h"
#include "base/clock.h"
#include "base/log.h"
#include "pipeline/classify.h"
#include "proto/accept.h"
#include "server/connections.h"
#include "server/request.h"
#include "server/service.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void job_opened(void *arg, struct scheduler_job *job)
{
    request_set_job(arg, job);
}

/* The label map takes its blocks at once. */
static int reserve(void *arg, const struct window *w, struct err *e)
{
    struct request *r = arg;
    const long long most = r->service->settings->json_label_pixels;
    uint64_t map = (uint64_t)w->columns * (uint64_t)w->lines;
    bool rows = r->query.labels && (most == 0 || map <= (uint64_t)most);
    if (spool_claim(&r->service->spool, &r->result, map + classification_most_bytes(r->format, w, rows), e) != 0)
        return -1;
    spool_wrote(&r->result, map);
    return 0;
}

static int classify(struct request *r, struct classification *c, struct err *e)
{
    const struct server_settings *s = r->service->settings;
    const struct classify_request q = {
        .scheduler = r->service->scheduler,
        .model = r->model,
        .query = &r->query,
        .files = {.data = r->upload.cube, .header = r->upload.header, .pair = r->upload.parser != NULL},
        .directory = r->upload.folder,
        .limits = {.pixels = (uint64_t)s->max_pixels, .bands = (int)s->max_bands, .inflation = s->max_inflation},
        .deadline = r->deadline,
        .logits_fd = -1,
        .label_pixels = (uint64_t)s->json_label_pixels,
        .cancel = &r->cancel,
        .reserve = reserve,
        .reserve_arg = r,
        .opened = job_opened,
        .opened_arg = r,
    };
    return classify_run(&q, c, e);
}

/* Opens the result for sending; its name goes with the folder. */
static int open_result(struct request *r, const char *path, struct err *e)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0) {
        log_event(LOG_ERROR, "a result cannot be read", LOG_STR("error", strerror(errno)));
        if (fd >= 0)
            close(fd);
        return err_set(e, ERR_IO, "the result cannot be read");
    }
    r->answer.file = fd;
    r->answer.file_size = (uint64_t)about.st_size;
    return 0;
}

static void describe_answer(struct request *r, const struct result_timing *t)
{
    struct answer *a = &r->answer;
    const struct package *p = r->model->package;
    a->status = 200;
    a->type = accept_media_type(r->format);
    a->negotiated = true;
    snprintf(a->file_name, sizeof a->file_name, "labels.%s", accept_extension(r->format));
    snprintf(a->model, sizeof a->model, "%s/%s %s", p->name, p->version, p->sha256);
    snprintf(a->timing, sizeof a->timing,
             "upload;dur=%.1f, queue;dur=%.1f, read;dur=%.1f, compute;dur=%.1f, encode;dur=%.1f", t->upload_s * 1e3,
             t->queue_s * 1e3, t->read_s * 1e3, t->compute_s * 1e3, t->encode_s * 1e3);
}

static int encode(struct request *r, struct classification *c, struct err *e)
{
    struct result_timing *t = &c->result.timing;
    char *path;
    snprintf(c->result.request_id, sizeof c->result.request_id, "%s", r->id);
    if (asprintf(&path, "%s/result", r->upload.folder) < 0)
        return err_nomem(e);
    const double begun = clock_now();
    c->result.encode_begun = begun;
    t->total_s = begun - r->started;
    int result = classification_write(c, r->format, path, false, e);
    t->encode_s = clock_now() - begun;
    t->total_s = clock_now() - r->started;
    if (result == 0)
        result = open_result(r, path, e);
    free(path);
    return result;
}

static int perform(struct request *r, struct err *e)
{
    struct classification c;
    double begun = clock_now();
    if (atomic_load(&r->cancel))
        return request_canceled(r, e);
    if (classify(r, &c, e) != 0)
        return -1;
    c.result.timing.upload_s = r->uploaded - r->started;
    c.result.timing.queue_s += begun - r->uploaded;
    int result = encode(r, &c, e);
    if (result == 0) {
        describe_answer(r, &c.result.timing);
        metrics_classified(&r->service->metrics, &c.result.timing, c.result.pixels.valid, c.result.pixels.invalid);
    }
    classification_release(&c);
    if (result == 0)
        spool_keep(&r->result, r->answer.file_size);
    return result;
}

/* Nothing of r may be touched after the connection goes on: it may be gone. */
static void hand_back(struct request *r)
{
    request_dismiss(r);
    connections_resume(&r->service->connections, r->connection);
}

void work_perform(struct request *r)
{
    struct err e;
    if (perform(r, &e) != 0) {
        if (e.code == ERR_CANCELED)
            request_canceled(r, &e);
        request_fail(r, &e);
    }
    hand_back(r);
}

void work_abandon(struct request *r)
{
    struct err e;
    request_canceled(r, &e);
    request_fail(r, &e);
    hand_back(r);
}
