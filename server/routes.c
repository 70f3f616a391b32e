#include "server/routes.h"
#include "engine/scheduler.h"
#include "server/exposition.h"
#include "server/service.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

static const char json[] = "application/json";

static void get_models(struct service *s, struct answer *a)
{
    static const struct models none = {0};
    answer_text(a, 200, json, models_json(service_state(s) == SERVICE_LOADING ? &none : &s->models));
}

static void get_live(struct service *s, struct answer *a)
{
    (void)s;
    answer_text(a, 200, json, strdup("{\"status\":\"live\"}"));
}

/* What the engines say of themselves; never waits for them. */
static void add_device(cJSON *o, struct service *s, bool loaded)
{
    struct engine_info info;
    struct scheduler_stats stats;
    if (!loaded || s->scheduler == NULL) {
        cJSON_AddNullToObject(o, "device");
        cJSON_AddNullToObject(o, "last_inference_age_s");
        return;
    }
    scheduler_engine_info(s->scheduler, 0, &info);
    scheduler_stats(s->scheduler, &stats);
    cJSON_AddStringToObject(o, "device", info.device);
    if (stats.last_success_age < 0)
        cJSON_AddNullToObject(o, "last_inference_age_s");
    else
        cJSON_AddNumberToObject(o, "last_inference_age_s", stats.last_success_age);
}

static void get_ready(struct service *s, struct answer *a)
{
    static const char *const names[] = {
        [SERVICE_LOADING] = "loading",  [SERVICE_READY] = "ready",       [SERVICE_FAILED] = "failed",
        [SERVICE_LEAVING] = "draining", [SERVICE_DRAINING] = "draining",
    };
    enum service_state state = service_state(s);
    bool loaded = state != SERVICE_LOADING;
    char reason[sizeof s->reason];
    service_reason(s, reason, sizeof reason);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "status", names[state]);
    if (reason[0] == '\0')
        cJSON_AddNullToObject(o, "reason");
    else
        cJSON_AddStringToObject(o, "reason", reason);
    cJSON_AddNumberToObject(o, "models", loaded ? (double)s->models.count : 0);
    add_device(o, s, loaded);
    answer_text(a, state == SERVICE_READY ? 200 : 503, json, cJSON_PrintUnformatted(o));
    if (state == SERVICE_LOADING)
        a->retry_after = 1;
    cJSON_Delete(o);
}

static void get_metrics(struct service *s, struct answer *a)
{
    answer_text(a, 200, "text/plain; version=0.0.4; charset=utf-8", exposition_text(s));
}

static const struct route routes[] = {
    {"/classify", "POST", NULL},
    {"/models", "GET, HEAD", get_models},
    {"/health/live", "GET, HEAD", get_live},
    {"/health/ready", "GET, HEAD", get_ready},
    {"/v2/health/live", "GET, HEAD", get_live}, /* the Open Inference Protocol's names */
    {"/v2/health/ready", "GET, HEAD", get_ready},
    {"/metrics", "GET, HEAD", get_metrics},
};
enum { COUNT = sizeof routes / sizeof routes[0] };
_Static_assert((int)COUNT < (int)METRICS_ROUTES, "one number is left for paths that are not served");

const struct route *routes_find(const char *path)
{
    for (size_t i = 0; i < COUNT; i++)
        if (strcmp(routes[i].path, path) == 0)
            return &routes[i];
    return NULL;
}

bool route_allows(const struct route *r, const char *method)
{
    if (r->get == NULL)
        return strcmp(method, "POST") == 0;
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

size_t routes_index(const struct route *r)
{
    return r == NULL ? COUNT : (size_t)(r - routes);
}

const char *routes_label(size_t index)
{
    return index < COUNT ? routes[index].path : "other";
}
