/* The engines that cuDNN's heuristics propose, in their order, until one holds what this project promises. */
#include "cuda/dnn_internal.h"
#include <string.h>

/* Heuristics rarely name more; what lies behind is slower than the fallback. */
enum { CANDIDATES = 64 };

struct notes {
    bool numerical[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    bool behavior[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
};

/* What an engine says of itself, and its number. */
static int read_notes(cudnnBackendDescriptor_t config, const char *layer, struct notes *out, int64_t *engine,
                      struct err *e)
{
    int rc = -1;
    cudnnBackendDescriptor_t d = NULL;
    cudnnBackendNumericalNote_t numerical[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    cudnnBackendBehaviorNote_t behavior[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
    int64_t count = 0;

    memset(out, 0, sizeof *out);
    if (dnn_check(cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &d), layer, "engine", e) != 0)
        return -1;
    if (dnn_check(
            cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &d),
            layer, "engine", e) != 0)
        goto done;
    if (dnn_check(cudnnBackendGetAttribute(d, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &count, engine),
                  layer, "the engine's number", e) != 0)
        goto done;
    if (dnn_check(cudnnBackendGetAttribute(d, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                           CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, numerical),
                  layer, "the engine's numerical notes", e) != 0)
        goto done;
    for (int64_t i = 0; i < count && i < CUDNN_NUMERICAL_NOTE_TYPE_COUNT; i++)
        if ((unsigned)numerical[i] < CUDNN_NUMERICAL_NOTE_TYPE_COUNT)
            out->numerical[numerical[i]] = true;
    if (dnn_check(cudnnBackendGetAttribute(d, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                           CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, &count, behavior),
                  layer, "the engine's behaviour notes", e) != 0)
        goto done;
    for (int64_t i = 0; i < count && i < CUDNN_BEHAVIOR_NOTE_TYPE_COUNT; i++)
        if ((unsigned)behavior[i] < CUDNN_BEHAVIOR_NOTE_TYPE_COUNT)
            out->behavior[behavior[i]] = true;
    rc = 0;
done:
    cudnnBackendDestroyDescriptor(d);
    return rc;
}

/* Why an engine is passed over, or NULL. */
static const char *unfit(const struct notes *n, enum precision p)
{
    if (n->numerical[CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC])
        return "its sums depend on timing"; /* a pixel's bits depend on its patch alone */
    if (n->numerical[CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION])
        return "it does not sum in float";
    if (n->numerical[CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS])
        return "it rounds its operands to a narrower type";
    if (p != PRECISION_FP32)
        return NULL;
    if (n->numerical[CUDNN_NUMERICAL_NOTE_TENSOR_CORE])
        return "it rounds to tf32";
    if (n->numerical[CUDNN_NUMERICAL_NOTE_FFT] || n->numerical[CUDNN_NUMERICAL_NOTE_WINOGRAD])
        return "it computes through a transform";
    return NULL;
}

/* Makes the plan of one candidate. */
static int make_plan(struct dnn_plan *p, const struct dnn_target *t, cudnnBackendDescriptor_t config, struct err *e)
{
    cudnnBackendDescriptor_t d = NULL;
    int64_t bytes = 0, count = 0;
    cudnnStatus_t s;

    if (dnn_check(cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &d), p->layer, "plan", e) != 0)
        return -1;
    s = t->handle != NULL
            ? cudnnBackendSetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &t->handle)
            : cudnnBackendSetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                       &t->properties);
    if (s == CUDNN_STATUS_SUCCESS)
        s = cudnnBackendSetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                     &config);
    if (s == CUDNN_STATUS_SUCCESS)
        s = cudnnBackendFinalize(d);
    if (s == CUDNN_STATUS_SUCCESS)
        s = cudnnBackendGetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &bytes);
    if (dnn_check(s, p->layer, "plan", e) != 0)
        goto failed;
    if (bytes < 0 || (uint64_t)bytes > t->workspace_limit) {
        err_set(e, ERR_DEVICE, "%s: plan: it needs %lld bytes of workspace", p->layer, (long long)bytes);
        goto failed;
    }
    p->plan = d;
    p->workspace = (size_t)bytes;
    return 0;
failed:
    cudnnBackendDestroyDescriptor(d);
    return -1;
}

/* Tries one candidate; 0 if it is taken. */
static int try_candidate(struct dnn_plan *p, const struct dnn_target *t, enum precision precision,
                         cudnnBackendDescriptor_t config, struct err *e)
{
    struct notes notes;
    const char *why;
    int64_t engine = -1;
    if (read_notes(config, p->layer, &notes, &engine, e) != 0)
        return -1;
    if ((why = unfit(&notes, precision)) != NULL)
        return err_set(e, ERR_DEVICE, "%s: engine %lld is unfit: %s", p->layer, (long long)engine, why);
    if (make_plan(p, t, config, e) != 0)
        return -1;
    p->choice.engine = engine;
    p->choice.tensor_cores = notes.numerical[CUDNN_NUMERICAL_NOTE_TENSOR_CORE];
    p->choice.runtime_compiled = notes.behavior[CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION];
    return 0;
}

/* Asks the heuristics; *count candidates in out, each the caller's to destroy, also on failure. */
static int propose(const struct dnn_plan *p, const struct dnn_target *t, cudnnBackendDescriptor_t operations,
                   cudnnBackendHeurMode_t mode, cudnnBackendDescriptor_t out[CANDIDATES], int64_t *count, struct err *e)
{
    int rc = -1;
    int64_t found = 0;
    cudnnBackendDescriptor_t d = NULL;
    cudnnStatus_t s = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &d);
    *count = 0;
    if (s == CUDNN_STATUS_SUCCESS)
        s = cudnnBackendSetAttribute(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                     &operations);
    if (s == CUDNN_STATUS_SUCCESS)
        s = cudnnBackendSetAttribute(d, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (s == CUDNN_STATUS_SUCCESS && t->handle == NULL)
        s = cudnnBackendSetAttribute(d, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                     &t->properties);
    if (s == CUDNN_STATUS_SUCCESS)
        s = cudnnBackendFinalize(d);
    for (; s == CUDNN_STATUS_SUCCESS && *count < CANDIDATES; ++*count)
        if ((s = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &out[*count])) !=
            CUDNN_STATUS_SUCCESS)
            break;
    if (s == CUDNN_STATUS_SUCCESS)
        s = cudnnBackendGetAttribute(d, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, CANDIDATES,
                                     &found, out);
    if (dnn_check(s, p->layer, "heuristics", e) != 0)
        goto done;
    while (*count > found) /* those that were made ready and not filled */
        cudnnBackendDestroyDescriptor(out[--*count]);
    rc = 0;
done:
    if (d != NULL)
        cudnnBackendDestroyDescriptor(d);
    return rc;
}

int dnn_choose(struct dnn_plan *p, const struct dnn_target *t, enum precision precision,
               cudnnBackendDescriptor_t operations, struct err *e)
{
    static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    struct err last = {ERR_DEVICE, "the heuristics name no engine"};

    for (size_t m = 0; m < sizeof modes / sizeof *modes && p->plan == NULL; m++) {
        cudnnBackendDescriptor_t candidates[CANDIDATES];
        int64_t count = 0;
        bool asked = propose(p, t, operations, modes[m], candidates, &count, &last) == 0;
        for (int64_t i = 0; i < count; i++) {
            if (asked && p->plan == NULL && try_candidate(p, t, precision, candidates[i], &last) == 0) {
                p->config = candidates[i];
                p->choice.fallback = modes[m] == CUDNN_HEUR_MODE_FALLBACK;
                continue;
            }
            p->choice.passed_over += p->plan == NULL;
            cudnnBackendDestroyDescriptor(candidates[i]);
        }
    }
    if (p->plan != NULL)
        return 0;
    err_set(e, ERR_DEVICE,
            "%s: cuDNN has no %s plan for this layer within %zu MiB of workspace (%d engines, the last: %s)", p->layer,
            precision_name(precision), t->workspace_limit >> 20, p->choice.passed_over, last.message);
    return -1;
}
