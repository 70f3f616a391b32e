#include "server/admission.h"
#include "base/text.h"
#include "proto/accept.h"
#include "server/monitor.h"
#include "server/routes.h"
#include "server/service.h"
#include "server/workers.h"
#include <stdio.h>
#include <string.h>

static int find_route(struct request *r, const char *method, struct err *e)
{
    char shown[sizeof r->path];
    r->route = routes_find(r->path);
    if (r->route == NULL)
        return err_set(e, ERR_NOT_FOUND, "there is nothing at '%s'; see /classify, /models, /health/ready, /metrics",
                       text_show(shown, sizeof shown, r->path, strlen(r->path)));
    if (route_allows(r->route, method))
        return 0;
    r->answer.allow = r->route->allow;
    return err_set(e, ERR_METHOD, "%s takes %s", r->route->path, r->route->allow);
}

static int check_state(struct service *s, struct err *e)
{
    char reason[sizeof s->reason];
    switch (service_state(s)) {
    case SERVICE_LOADING:
        return err_set(e, ERR_UNAVAILABLE, "the models are loading; try again in a moment");
    case SERVICE_FAILED:
        service_reason(s, reason, sizeof reason);
        return err_set(e, ERR_UNAVAILABLE, "nothing can be classified: %s", reason);
    case SERVICE_DRAINING:
        return err_set(e, ERR_UNAVAILABLE, "the server stops; send the request again, elsewhere or later");
    case SERVICE_READY:
    case SERVICE_LEAVING:
        break;
    }
    return 0;
}

static int check_body(const struct request *r, const struct headers *h, struct err *e)
{
    uint64_t most = r->service->settings->max_body;
    if (r->framing.chunked || !r->framing.has_length)
        return err_set(e, ERR_LENGTH, "send the body with a Content-Length, and without Transfer-Encoding");
    if (r->framing.length > most)
        return err_set(e, ERR_TOO_LARGE, "the body of %llu bytes is larger than the %llu that are taken here",
                       (unsigned long long)r->framing.length, (unsigned long long)most);
    if (headers_find(h, "Content-Encoding") != NULL)
        return err_set(e, ERR_FORMAT, "a Content-Encoding is not served; send the cube as it is");
    if (r->framing.length == 0)
        return err_set(e, ERR_REQUEST, "the body is empty; send a GeoTIFF, or an ENVI pair as multipart/form-data");
    return 0;
}

static int parse_query(struct query *q, const struct headers *arguments, struct err *e)
{
    if (arguments->too_many)
        return err_set(e, ERR_REQUEST, "the query has more than %d keys", HEADERS_MOST);
    for (size_t i = 0; i < arguments->count; i++) {
        const struct header *a = &arguments->item[i];
        char key[64];
        if (a->name_length >= sizeof key || memchr(a->name, '\0', a->name_length) != NULL)
            return err_set(e, ERR_REQUEST, "the query has a key '%s' that is not known",
                           text_show(key, sizeof key, a->name, a->name_length));
        memcpy(key, a->name, a->name_length);
        key[a->name_length] = '\0';
        if (query_set(q, key, a->value == NULL ? "" : a->value, a->value_length, e) != 0)
            return -1;
    }
    return 0;
}

/* Several Accept headers are one list (RFC 9110, 5.3). */
static int negotiate(struct request *r, const struct headers *h, struct err *e)
{
    char accept[1024];
    size_t used = 0;
    for (size_t i = 0; i < h->count; i++) {
        const struct header *one = &h->item[i];
        if (!header_named(one, "Accept"))
            continue;
        if (used + one->value_length + 3 > sizeof accept)
            return err_set(e, ERR_REQUEST, "the header Accept is longer than %zu bytes", sizeof accept);
        used += (size_t)snprintf(accept + used, sizeof accept - used, "%s%.*s", used == 0 ? "" : ", ",
                                 (int)one->value_length, one->value);
    }
    return accept_choose(r->query.format, used == 0 ? NULL : accept, &r->format, e);
}

static int set_deadline(struct request *r, struct err *e)
{
    double asked = r->query.deadline_s, most = r->service->settings->deadline;
    if (most != 0 && asked > most)
        return err_set(e, ERR_REQUEST, "deadline is at most %g seconds here; ask for less, or leave it out", most);
    double seconds = asked != 0 ? asked : most;
    r->deadline = seconds == 0 ? 0 : r->started + seconds;
    return 0;
}

static int admit(struct request *r, const struct headers *h, const struct headers *arguments, struct err *e)
{
    struct service *s = r->service;
    if (check_state(s, e) != 0 || check_body(r, h, e) != 0 || parse_query(&r->query, arguments, e) != 0 ||
        models_choose(&s->models, r->query.model, s->settings->default_model, &r->model, e) != 0 ||
        negotiate(r, h, e) != 0 || set_deadline(r, e) != 0)
        return -1;
    if (workers_admit(s->workers, e) != 0)
        return -1;
    r->admitted = true;
    return upload_open(&r->upload, &s->spool, headers_find(h, "Content-Type"), r->framing.length, e);
}

/* Refused for what others hold; not for what the spool could never take. */
static bool wants_room(const struct request *r, enum err_code why)
{
    return why == ERR_BUSY || (why == ERR_SPACE && r->framing.length <= r->service->settings->spool_limit);
}

static int decide(struct request *r, const char *method, const struct headers *h, const struct headers *arguments,
                  struct err *e)
{
    if (guard_check(h, &r->framing, e) != 0) {
        r->answer.close = true;
        return -1;
    }
    bool body = r->framing.chunked || r->framing.length > 0;
    r->answer.close = body; /* of what is refused, the body is not read */
    if (find_route(r, method, e) != 0)
        return -1;
    if (r->route->get == NULL)
        return admit(r, h, arguments, e);
    if (body)
        return err_set(e, ERR_REQUEST, "%s takes no body", r->route->path);
    r->route->get(r->service, &r->answer);
    return 0;
}

enum admission admission_decide(struct request *r, const char *method, const struct headers *h,
                                const struct headers *arguments)
{
    struct err e;
    snprintf(r->method, sizeof r->method, "%s", method);
    request_identify(r, h);
    if (decide(r, method, h, arguments, &e) != 0) {
        if (wants_room(r, e.code) && monitor_make_room(r->service))
            r->answer.retry_after = 1;
        request_fail(r, &e);
        return ADMISSION_ANSWER;
    }
    if (r->answer.status != 0)
        return ADMISSION_ANSWER;
    r->answer.close = false;
    return ADMISSION_BODY;
}
