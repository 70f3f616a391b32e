#include "server/metrics.h"
#include <math.h>

/* Seconds: from a health check to a large scene. */
static const double bounds[METRICS_BUCKETS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                               2.5,   5,    10,    30,   60,  120,  300, 600};

static const struct {
    const char *name, *help;
} stages[METRICS_STAGES] = {
    [STAGE_REQUEST] = {"spectrad_request_seconds", "Classify requests that succeeded, from first line to result."},
    [STAGE_UPLOAD] = {"spectrad_upload_seconds", "Of these, taking the body."},
    [STAGE_QUEUE] = {"spectrad_queue_seconds", "Of these, waiting for a worker and for the engine."},
    [STAGE_READ] = {"spectrad_read_seconds", "Of these, reading the cube."},
    [STAGE_COMPUTE] = {"spectrad_compute_seconds", "Of these, in the engine."},
    [STAGE_ENCODE] = {"spectrad_encode_seconds", "Of these, writing the result."},
};

void metrics_init(struct metrics *m)
{
    *m = (struct metrics){0};
    pthread_mutex_init(&m->lock, NULL);
}

void metrics_release(struct metrics *m)
{
    pthread_mutex_destroy(&m->lock);
}

void metrics_request(struct metrics *m, size_t route, int status, uint64_t received, uint64_t sent)
{
    pthread_mutex_lock(&m->lock);
    m->requests[route][status > 0 && status < METRICS_STATUSES ? status : 0]++;
    m->received += received;
    m->sent += sent;
    pthread_mutex_unlock(&m->lock);
}

void metrics_rejected(struct metrics *m, enum err_code why)
{
    pthread_mutex_lock(&m->lock);
    m->rejected[why]++;
    pthread_mutex_unlock(&m->lock);
}

static void observe(struct histogram *h, double seconds)
{
    if (!isfinite(seconds))
        return;
    size_t i = 0;
    while (i < METRICS_BUCKETS && seconds > bounds[i])
        i++;
    h->counts[i]++;
    h->sum += seconds;
}

void metrics_classified(struct metrics *m, const struct result_timing *t, uint64_t valid, uint64_t invalid)
{
    pthread_mutex_lock(&m->lock);
    observe(&m->seconds[STAGE_REQUEST], t->total_s);
    observe(&m->seconds[STAGE_UPLOAD], t->upload_s);
    observe(&m->seconds[STAGE_QUEUE], t->queue_s);
    observe(&m->seconds[STAGE_READ], t->read_s);
    observe(&m->seconds[STAGE_COMPUTE], t->compute_s);
    observe(&m->seconds[STAGE_ENCODE], t->encode_s);
    m->pixels[0] += valid;
    m->pixels[1] += invalid;
    pthread_mutex_unlock(&m->lock);
}

void metrics_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_value(FILE *out, const char *name, double value)
{
    fprintf(out, "%s %.17g\n", name, value);
}

void metrics_label(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '\\' || *text == '"')
            fprintf(out, "\\%c", *text);
        else if (*text == '\n')
            fputs("\\n", out);
        else
            fputc(*text, out);
}

static void write_histogram(FILE *out, const char *name, const char *help, const struct histogram *h)
{
    uint64_t sum = 0;
    metrics_head(out, name, "histogram", help);
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        sum += h->counts[i];
        fprintf(out, "%s_bucket{le=\"%g\"} %llu\n", name, bounds[i], (unsigned long long)sum);
    }
    sum += h->counts[METRICS_BUCKETS];
    fprintf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.17g\n%s_count %llu\n", name, (unsigned long long)sum, name,
            h->sum, name, (unsigned long long)sum);
}

void metrics_write(struct metrics *m, FILE *out, const char *(*route_name)(size_t route))
{
    pthread_mutex_lock(&m->lock);
    metrics_head(out, "spectrad_http_requests_total", "counter", "Requests by route and status; 499: the client left.");
    for (size_t r = 0; r < METRICS_ROUTES; r++)
        for (int s = 0; s < METRICS_STATUSES; s++)
            if (m->requests[r][s] != 0)
                fprintf(out, "spectrad_http_requests_total{route=\"%s\",code=\"%d\"} %llu\n", route_name(r), s,
                        (unsigned long long)m->requests[r][s]);
    metrics_head(out, "spectrad_rejected_total", "counter", "Requests answered with a problem, by reason.");
    for (int code = ERR_REQUEST; code < ERR_USAGE; code++)
        fprintf(out, "spectrad_rejected_total{reason=\"%s\"} %llu\n", err_name((enum err_code)code),
                (unsigned long long)m->rejected[code]);
    metrics_head(out, "spectrad_received_bytes_total", "counter", "Bytes of request bodies.");
    fprintf(out, "spectrad_received_bytes_total %llu\n", (unsigned long long)m->received);
    metrics_head(out, "spectrad_sent_bytes_total", "counter", "Bytes of answers, without their headers.");
    fprintf(out, "spectrad_sent_bytes_total %llu\n", (unsigned long long)m->sent);
    metrics_head(out, "spectrad_pixels_total", "counter",
                 "Pixels of results sent, by whether they could be classified.");
    fprintf(out, "spectrad_pixels_total{state=\"valid\"} %llu\nspectrad_pixels_total{state=\"invalid\"} %llu\n",
            (unsigned long long)m->pixels[0], (unsigned long long)m->pixels[1]);
    for (int i = 0; i < METRICS_STAGES; i++)
        write_histogram(out, stages[i].name, stages[i].help, &m->seconds[i]);
    pthread_mutex_unlock(&m->lock);
}
