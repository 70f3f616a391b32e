#include "cases.h"
#include "cuda/dnn_internal.h"
#include "cuda/dnn_layers.h"
#include <string.h>
#include <time.h>

enum { PATCHES = 64, LAYERS_MAX = 80 };
static const size_t workspace_limit = (size_t)256 << 20;

struct size {
    int K, C, P;
};

/* The first is the quick one. Bands, kernels and patch sides in each of their values; one kernel and 64 are the ends of
 * what a package may hold. */
static const struct size sizes[] = {
    {204, 24, 7}, {15, 24, 9}, {425, 24, 11}, {204, 16, 7}, {204, 1, 7}, {204, 64, 7},
};

/* The layers of one device in one precision. */
struct run {
    const struct device *device;
    const struct case_options *options;
    struct dnn_target *target;
    enum precision precision;
    FILE *out;
    struct tally *tally;
    struct dnn_layer seen[LAYERS_MAX]; /* many sizes share a layer: each shape is planned once */
    int seen_count;
    int tensor_cores, compiled, fallback, passed_over;
    size_t workspace;
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool same_layer(const struct dnn_layer *a, const struct dnn_layer *b)
{
    return a->batch == b->batch && a->in == b->in && a->height == b->height && a->width == b->width &&
           a->out == b->out && a->kernel_h == b->kernel_h && a->kernel_w == b->kernel_w && a->pad_h == b->pad_h &&
           a->pad_w == b->pad_w && a->dilation_w == b->dilation_w && a->bias == b->bias && a->residual == b->residual &&
           a->relu == b->relu;
}

static void count(struct run *r, bool good, const char *what, const char *why)
{
    if (good) {
        r->tally->passed++;
        return;
    }
    r->tally->failed++;
    fprintf(r->out, "FAIL  %s %s: %s: %s\n", r->device->name, precision_name(r->precision), what, why);
}

/* What a plan must be besides there. */
static const char *broken_promise(const struct run *r, const struct dnn_plan *p)
{
    const struct dnn_choice *c = dnn_chosen(p);
    if (dnn_workspace(p) > workspace_limit)
        return "the workspace is above the limit";
    if (r->precision == PRECISION_FP32 && c->tensor_cores)
        return "fp32 on tensor cores, which round to tf32";
    if ((r->precision == PRECISION_FP16 || r->precision == PRECISION_BF16) && !c->tensor_cores)
        return "16-bit operands and no tensor cores";
    return NULL;
}

static void plan(struct run *r, const struct dnn_layer *l, const struct size *s)
{
    struct dnn_plan *p = NULL;
    struct err e;
    for (int i = 0; i < r->seen_count; i++)
        if (same_layer(&r->seen[i], l))
            return;
    if (r->seen_count == LAYERS_MAX) {
        count(r, false, l->name, "more layers than LAYERS_MAX");
        return;
    }
    r->seen[r->seen_count++] = *l;

    double start = seconds();
    if (dnn_build(r->target, l, &p, &e) != 0) {
        count(r, false, l->name, e.message);
        return;
    }
    const struct dnn_choice *c = dnn_chosen(p);
    const char *broken = broken_promise(r, p);
    count(r, broken == NULL, l->name, broken);
    if (r->options->verbose)
        fprintf(r->out,
                "      %-23s %s  K=%-3d C=%-2d P=%-2d %-14s engine %-3lld %s%s%s over %-2d %9zu bytes %5.0f ms\n",
                r->device->name, precision_name(r->precision), s->K, s->C, s->P, l->name, (long long)c->engine,
                c->tensor_cores ? "T" : "-", c->runtime_compiled ? "C" : "-", c->fallback ? "F" : "-", c->passed_over,
                dnn_workspace(p), 1e3 * (seconds() - start));
    r->tensor_cores += c->tensor_cores;
    r->compiled += c->runtime_compiled;
    r->fallback += c->fallback;
    r->passed_over += c->passed_over;
    if (dnn_workspace(p) > r->workspace)
        r->workspace = dnn_workspace(p);
    dnn_release(p);
}

/* Steps that a layer can have or lack beyond the network's own choice; --quick takes all of them together. */
static void plan_steps(struct run *r, const struct dnn_layer *l, const struct size *s)
{
    for (int steps = r->options->quick ? 7 : 0; steps < 8; steps++) {
        struct dnn_layer other = *l;
        other.name = "other steps";
        other.bias = steps & 1;
        other.residual = steps & 2;
        other.relu = steps & 4;
        plan(r, &other, s);
    }
}

static void refuse(struct run *r, const char *what, const struct dnn_layer *l, const struct dnn_shapes *s,
                   const char *words)
{
    struct dnn_plan *p = NULL;
    struct err e = {ERR_NONE, ""};
    int rc = s != NULL ? dnn_build_shapes(r->target, l, s, &p, &e) : dnn_build(r->target, l, &p, &e);
    bool named = e.code == ERR_DEVICE && strncmp(e.message, l->name, strlen(l->name)) == 0;
    bool good = rc != 0 && p == NULL && named && strstr(e.message, words) != NULL;
    if (r->options->verbose)
        fprintf(r->out, "      %-23s %s  refused: %s\n", r->device->name, precision_name(r->precision), e.message);
    count(r, good, what, rc == 0 ? "was accepted" : e.message);
    dnn_release(p);
}

static void refuse_wrong(struct run *r, const struct dnn_layer *good)
{
    struct dnn_shapes shapes;
    struct dnn_layer l = *good;
    struct err e;
    if (dnn_shapes_of(good, &shapes, &e) != 0) {
        count(r, false, good->name, e.message);
        return;
    }
    shapes.w[1] -= dnn_channel_multiple(r->precision);
    refuse(r, "weights of fewer channels than the input", good, &shapes, "convolution");
    shapes.w[1] = shapes.x[1];
    shapes.y[2]++;
    refuse(r, "an output with a line too many", good, &shapes, "convolution");
    shapes.y[2]--;
    shapes.y[1] += dnn_channel_multiple(r->precision);
    refuse(r, "an output with more channels than the weights", good, &shapes, "convolution");

    l.kernel_w = l.width + 2 * l.pad_w + 1;
    refuse(r, "a kernel wider than the input", &l, NULL, "larger than the padded input");
    l = *good;
    l.stride_h = 0;
    refuse(r, "a stride of zero", &l, NULL, "not positive");
    l = *good;
    l.batch = 1 << 30;
    refuse(r, "a tensor beyond 2^31 elements", &l, NULL, "smaller batch");
    if (dnn_channel_multiple(r->precision) > 1) {
        l = *good;
        l.in--;
        refuse(r, "channels that are not padded", &l, NULL, "padded to a multiple");
    }
}

static void check_precision(struct run *r)
{
    struct dnn_layer layers[DNN_NETWORK_LAYERS];
    const size_t networks = r->options->quick ? 1 : sizeof sizes / sizeof *sizes;
    const int failed = r->tally->failed;
    double start = seconds();
    for (size_t i = 0; i < networks; i++) {
        const struct size *s = &sizes[i];
        dnn_network_layers(layers, s->K, s->C, s->P, PATCHES, r->precision);
        for (int j = 0; j < DNN_NETWORK_LAYERS; j++)
            plan(r, &layers[j], s);
        if (i == 0)
            plan_steps(r, &layers[DNN_SPATIAL], s);
    }
    dnn_network_layers(layers, sizes[0].K, sizes[0].C, sizes[0].P, PATCHES, r->precision);
    refuse_wrong(r, &layers[DNN_SPATIAL]);
    fprintf(r->out, "%-4s  %-23s %-4s  %5d %12d %8d %8d %11d %9.1f %8.1f\n", r->tally->failed == failed ? "ok" : "FAIL",
            r->device->name, precision_name(r->precision), r->seen_count, r->tensor_cores, r->compiled, r->fallback,
            r->passed_over, (double)r->workspace / (1 << 20), seconds() - start);
}

/* With no workspace allowed, a layer whose fastest engine wants one gets another engine or none. In tf32 every device
 * has such layers; the T4 has them in fp32. */
static void check_limit(struct run *r, const char *properties)
{
    struct dnn_layer layers[DNN_NETWORK_LAYERS];
    struct dnn_target *tight = NULL;
    struct dnn_plan *p = NULL;
    struct err e;
    r->precision = device_has(r->device, PRECISION_TF32) ? PRECISION_TF32 : PRECISION_FP32;
    if (dnn_open_described(&tight, properties, 0, &e) != 0) {
        count(r, false, "a target without workspace", e.message);
        return;
    }
    dnn_network_layers(layers, sizes[0].K, sizes[0].C, sizes[0].P, PATCHES, r->precision);
    for (int i = 0; i < DNN_NETWORK_LAYERS; i++) {
        bool built = dnn_build(tight, &layers[i], &p, &e) == 0;
        count(r, built ? dnn_workspace(p) == 0 : strstr(e.message, "within 0 MiB") != NULL, layers[i].name,
              built ? "a plan exceeds the limit of its target" : e.message);
        dnn_release(p);
    }
    dnn_close(tight);
}

static void check_described(struct run *r)
{
    struct dnn_layer layers[DNN_NETWORK_LAYERS];
    struct dnn_plan *p = NULL;
    struct err e;
    struct dnn_buffers nothing = {NULL};
    r->precision = PRECISION_FP32;
    dnn_network_layers(layers, sizes[0].K, sizes[0].C, sizes[0].P, PATCHES, r->precision);
    bool refused = dnn_build(r->target, &layers[DNN_CONV3], &p, &e) == 0 && dnn_run(p, &nothing, NULL, &e) != 0 &&
                   strstr(e.message, "described") != NULL;
    count(r, refused, "a plan for a described device", "it ran, or could not be made");
    dnn_release(p);
    if (!device_has(r->device, PRECISION_BF16)) {
        r->precision = PRECISION_BF16;
        dnn_network_layers(layers, sizes[0].K, sizes[0].C, sizes[0].P, PATCHES, r->precision);
        refuse(r, "bf16 on a device without it", &layers[DNN_SPATIAL], NULL, "no bf16 plan");
    }
}

void check_device(const struct device *d, const struct case_options *o, FILE *out, struct tally *t)
{
    char properties[2048];
    struct dnn_target *target = NULL;
    struct run shared = {.device = d, .options = o, .out = out, .tally = t};
    struct err e = {ERR_DEVICE, "its properties do not fit"};
    if (device_properties(d, properties, sizeof properties) != 0 ||
        dnn_open_described(&target, properties, workspace_limit, &e) != 0) {
        count(&shared, false, "device properties", e.message);
        return;
    }
    for (enum precision p = PRECISION_FP32; p <= PRECISION_BF16; p++) {
        if (!device_has(d, p))
            continue;
        struct run r = {.device = d, .options = o, .target = target, .precision = p, .out = out, .tally = t};
        check_precision(&r);
    }
    shared.target = target;
    check_described(&shared);
    check_limit(&shared, properties);
    dnn_close(target);
}
