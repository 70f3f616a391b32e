/* plans - proves, without a GPU, that cuDNN has a plan for every layer of the network on the GPUs that matter.
 *
 * usage: plans [--quick] [--verbose] [--jobs N] [--device TEXT]
 * Needs the stand-in driver of stand_in.sh first on the library path. It says nothing about numbers or speed: those are
 * checked on a GPU. Exit status 1 if anything failed; the last line counts.
 */
#include "cases.h"
#include "cuda/dnn.h"
#include "engine/engine.h"
#include <cudnn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHOSEN_MAX = 32 };

struct choice {
    struct case_options options;
    const struct device *devices[CHOSEN_MAX];
    size_t count;
};

/* Piece 0 is what has to do with no device; the others are the devices. */
static void check_piece(size_t piece, void *context, FILE *out, struct tally *t)
{
    const struct choice *c = context;
    if (piece > 0) {
        check_device(c->devices[piece - 1], &c->options, out, t);
        return;
    }
    struct dnn_target *target = NULL;
    struct err e = {ERR_NONE, ""};
    bool refused = dnn_open(&target, 0, &e) != 0 && target == NULL && strstr(e.message, "no CUDA driver") != NULL;
    refused ? t->passed++ : t->failed++;
    fprintf(out, "%-4s  the stand-in is no driver: %s\n", refused ? "ok" : "FAIL", e.message);
    dnn_close(target);
    bool unread = dnn_open_described(&target, "{\"deviceVer\":900}", 0, &e) != 0 && target == NULL;
    unread ? t->passed++ : t->failed++;
    fprintf(out, "%-4s  half a description is refused: %s\n", unread ? "ok" : "FAIL", e.message);
    dnn_close(target);
}

static int usage(void)
{
    fprintf(stderr, "usage: plans [--quick] [--verbose] [--jobs N] [--device TEXT]\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct choice c = {.count = 0};
    struct tally total = {0, 0};
    const char *device = "";
    long jobs = sysconf(_SC_NPROCESSORS_ONLN);

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            c.options.quick = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            c.options.verbose = true;
        else if (strcmp(argv[i], "--jobs") == 0 && i + 1 < argc)
            jobs = strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--device") == 0 && i + 1 < argc)
            device = argv[++i];
        else
            return usage();
    }
    for (size_t i = 0; i < device_count && c.count < CHOSEN_MAX; i++)
        if (strstr(devices[i].name, device) != NULL)
            c.devices[c.count++] = &devices[i];
    if (c.count == 0 || jobs < 1 || jobs > 256)
        return usage();

    size_t version = cudnnGetVersion();
    printf("cuDNN %zu.%zu.%zu, %zu devices described, %ld at once\n", version / 10000, version / 100 % 100,
           version % 100, c.count, jobs);
    printf("      %-23s %-4s  %5s %12s %8s %8s %11s %9s %8s\n", "device", "", "plans", "tensor cores", "compiled",
           "fallback", "passed over", "MiB most", "seconds");
    if (spread(c.count + 1, (int)jobs, check_piece, &c, &total) != 0) {
        fprintf(stderr, "plans: cannot start a process: %s\n", strerror(errno));
        return 2;
    }
    printf("%d passed, %d failed\n", total.passed, total.failed);
    return total.failed == 0 ? 0 : 1;
}
