#include "server/exposition.h"
#include "engine/scheduler.h"
#include "server/routes.h"
#include "server/service.h"
#include "server/workers.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static void gauge(FILE *out, const char *name, const char *help, double value)
{
    metrics_head(out, name, "gauge", help);
    metrics_value(out, name, value);
}

static void counter(FILE *out, const char *name, const char *help, double value)
{
    metrics_head(out, name, "counter", help);
    metrics_value(out, name, value);
}

static void write_requests(struct service *s, FILE *out)
{
    static const char name[] = "spectrad_requests_held";
    struct workers_load load;
    workers_load(s->workers, &load);
    int uploading = load.held - load.queued - load.running;
    metrics_head(out, name, "gauge", "Classify requests held, by what they are at.");
    fprintf(out, "%s{state=\"uploading\"} %d\n%s{state=\"queued\"} %d\n%s{state=\"running\"} %d\n", name,
            uploading > 0 ? uploading : 0, name, load.queued, name, load.running);
    gauge(out, "spectrad_connections", "Open connections.", connections_count(&s->connections));
}

static void write_engines(struct service *s, FILE *out)
{
    struct engine_info info;
    size_t count = scheduler_engine_count(s->scheduler);
    metrics_head(out, "spectrad_engine_info", "gauge", "1 for each engine.");
    for (size_t i = 0; i < count; i++) {
        scheduler_engine_info(s->scheduler, i, &info);
        fprintf(out, "spectrad_engine_info{engine=\"%zu\",backend=\"%s\",isa=\"%s\",precision=\"%s\",device=\"", i,
                info.backend, info.isa, precision_name(info.precision));
        metrics_label(out, info.device);
        fputs("\"} 1\n", out);
    }
    metrics_head(out, "spectrad_engine_memory_bytes", "gauge", "Weights and working memory of each engine.");
    for (size_t i = 0; i < count; i++) {
        scheduler_engine_info(s->scheduler, i, &info);
        fprintf(out, "spectrad_engine_memory_bytes{engine=\"%zu\"} %llu\n", i, (unsigned long long)info.memory);
    }
}

static void write_scheduler(struct service *s, FILE *out)
{
    struct scheduler_stats stats;
    scheduler_stats(s->scheduler, &stats);
    metrics_head(out, "spectrad_queue_blocks", "gauge", "Blocks of requests at the engines, by what they are at.");
    fprintf(out, "spectrad_queue_blocks{state=\"queued\"} %d\nspectrad_queue_blocks{state=\"running\"} %d\n",
            stats.blocks_queued, stats.blocks_running);
    counter(out, "spectrad_engine_pixels_total", "Pixels that went through the engines, one patch each.",
            (double)stats.pixels);
    counter(out, "spectrad_engine_batches_total", "Batches; pixels over batches is the mean size of one.",
            (double)stats.batches);
    counter(out, "spectrad_engine_failures_total", "Batches that an engine failed.", (double)stats.failures);
    if (stats.last_success_age >= 0)
        gauge(out, "spectrad_last_inference_age_seconds", "Time since an engine last finished a batch.",
              stats.last_success_age);
}

/* /proc/self/statm: pages in all, resident. */
static void write_memory(FILE *out)
{
    unsigned long all, resident;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return;
    if (fscanf(f, "%lu %lu", &all, &resident) == 2) {
        double page = (double)sysconf(_SC_PAGESIZE);
        gauge(out, "process_virtual_memory_bytes", "Virtual memory size in bytes.", (double)all * page);
        gauge(out, "process_resident_memory_bytes", "Resident memory size in bytes.", (double)resident * page);
    }
    fclose(f);
}

static void write_files(FILE *out)
{
    struct rlimit limit;
    DIR *d = opendir("/proc/self/fd");
    if (d != NULL) {
        int count = -3; /* ".", "..", and the one that reads this */
        while (readdir(d) != NULL)
            count++;
        closedir(d);
        gauge(out, "process_open_fds", "Number of open file descriptors.", count);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        gauge(out, "process_max_fds", "Maximum number of open file descriptors.", (double)limit.rlim_cur);
}

static void write_process(const struct service *s, FILE *out)
{
    struct timespec used;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0)
        counter(out, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
                (double)used.tv_sec + (double)used.tv_nsec * 1e-9);
    gauge(out, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.", s->started);
    write_memory(out);
    write_files(out);
}

char *exposition_text(struct service *s)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL)
        return NULL;
    bool loaded = service_state(s) != SERVICE_LOADING;
    metrics_head(out, "spectrad_build_info", "gauge", "1, with the version.");
    fprintf(out, "spectrad_build_info{version=\"%s\"} 1\n", SPECTRAD_VERSION);
    gauge(out, "spectrad_ready", "1 where /health/ready says yes.", service_state(s) == SERVICE_READY);
    gauge(out, "spectrad_models", "Models loaded.", loaded ? (double)s->models.count : 0);
    metrics_write(&s->metrics, out, routes_label);
    write_requests(s, out);
    if (loaded) {
        gauge(out, "spectrad_spool_bytes", "Bytes of uploads, label maps and results, held or announced.",
              (double)spool_used(&s->spool));
        write_engines(s, out);
        write_scheduler(s, out);
    }
    write_process(s, out);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
