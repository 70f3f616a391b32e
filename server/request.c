#include "server/request.h"
#include "base/clock.h"
#include "engine/scheduler.h"
#include "server/service.h"
#include "server/workers.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

static void random_hex(char *out, size_t bytes)
{
    unsigned char raw[32];
    size_t got = 0;
    while (got < bytes) {
        ssize_t n = getrandom(raw + got, bytes - got, 0);
        got += n > 0 ? (size_t)n : 0;
    }
    for (size_t i = 0; i < bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", raw[i]);
}

/* A request line may name the whole address (RFC 9112, 3.2.2), as proxies do. */
static const char *path_of(const char *target)
{
    static const char scheme[] = "http://";
    if (strncasecmp(target, scheme, sizeof scheme - 1) != 0)
        return target;
    const char *slash = strchr(target + sizeof scheme - 1, '/');
    return slash == NULL ? "/" : slash;
}

struct request *request_open(struct service *s, const char *target)
{
    struct request *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->service = s;
    r->started = clock_now();
    target = path_of(target);
    size_t length = strcspn(target, "?");
    if (length >= sizeof r->path)
        length = sizeof r->path - 1;
    memcpy(r->path, target, length);
    answer_init(&r->answer);
    upload_init(&r->upload);
    query_init(&r->query);
    pthread_mutex_init(&r->lock, NULL);
    random_hex(r->id, 16);
    return r;
}

void request_close(struct request *r)
{
    if (r == NULL)
        return;
    request_dismiss(r);
    answer_release(&r->answer);
    spool_release(&r->result);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static bool id_allowed(const struct header *h)
{
    if (h == NULL || h->value_length == 0 || h->value_length > 128)
        return false;
    for (size_t i = 0; i < h->value_length; i++) {
        char c = h->value[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '_' ||
              c == '-'))
            return false;
    }
    return true;
}

static bool is_hex(const char *text, size_t n, bool *zero)
{
    *zero = true;
    for (size_t i = 0; i < n; i++) {
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
            return false;
        *zero = *zero && text[i] == '0';
    }
    return true;
}

/* W3C Trace Context, version 00: 00-<32 hex, not all zero>-<16 hex, not all zero>-<2 hex>. */
static bool trace_allowed(const struct header *h)
{
    bool zero;
    if (h == NULL || h->value_length != 55)
        return false;
    const char *t = h->value;
    return memcmp(t, "00-", 3) == 0 && is_hex(t + 3, 32, &zero) && !zero && t[35] == '-' && is_hex(t + 36, 16, &zero) &&
           !zero && t[52] == '-' && is_hex(t + 53, 2, &zero);
}

void request_identify(struct request *r, const struct headers *h)
{
    const struct header *id = headers_find(h, "X-Request-Id"), *trace = headers_find(h, "traceparent");
    if (id_allowed(id)) {
        memcpy(r->id, id->value, id->value_length);
        r->id[id->value_length] = '\0';
    }
    if (trace_allowed(trace)) {
        memcpy(r->traceparent, trace->value, 55);
        return;
    }
    char trace_id[33], parent[17];
    random_hex(trace_id, 16);
    random_hex(parent, 8);
    snprintf(r->traceparent, sizeof r->traceparent, "00-%s-%s-00", trace_id, parent);
}

void request_cancel(struct request *r, enum err_code why)
{
    int none = ERR_NONE;
    atomic_compare_exchange_strong(&r->why, &none, (int)why);
    pthread_mutex_lock(&r->lock);
    if (!atomic_exchange(&r->cancel, true) && r->job != NULL)
        scheduler_job_cancel(r->job);
    pthread_mutex_unlock(&r->lock);
}

void request_set_job(struct request *r, struct scheduler_job *job)
{
    pthread_mutex_lock(&r->lock);
    r->job = job;
    if (job != NULL && atomic_load(&r->cancel))
        scheduler_job_cancel(job);
    pthread_mutex_unlock(&r->lock);
}

int request_canceled(const struct request *r, struct err *e)
{
    switch (atomic_load(&r->why)) {
    case ERR_DEADLINE:
        return err_set(e, ERR_DEADLINE, "the request's deadline passed; give it more seconds, or a smaller window");
    case ERR_UNAVAILABLE:
        return err_set(e, ERR_UNAVAILABLE, "the server stops; send the request again, elsewhere or later");
    default:
        return err_set(e, ERR_CANCELED, "the client left");
    }
}

void request_fail(struct request *r, const struct err *e)
{
    r->failed = true;
    answer_problem(&r->answer, e, r->id);
    metrics_rejected(&r->service->metrics, e->code);
    spool_release(&r->result);
    request_dismiss(r);
}

void request_dismiss(struct request *r)
{
    upload_release(&r->upload);
    if (r->admitted)
        workers_dismiss(r->service->workers);
    r->admitted = false;
}
