#include "model/checkpoint.h"
#include "base/text.h"
#include "model/network.h"
#include <stdlib.h>
#include <string.h>

enum need {
    REQUIRED,
    DISTINCT, /* required where the attention has two distinct layers, ignored elsewhere */
    OPTIONAL,
    COUNTER, /* an optional int64 scalar, which nothing reads */
};

/* A shape is a text of numbers and of the letters that `dimension` knows. */
struct row {
    const char *name, *shape;
    enum need need;
};

#define ROW(...)                                                                                                       \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define LAYER(name, need, out, in) ROW(name ".weight", out " " in, need), ROW(name ".bias", out, need)
#define NORM(name, channels)                                                                                           \
    ROW(name ".weight", channels, REQUIRED), ROW(name ".bias", channels, REQUIRED),                                    \
        ROW(name ".running_mean", channels, REQUIRED), ROW(name ".running_var", channels, REQUIRED),                   \
        ROW(name ".num_batches_tracked", "", COUNTER)
#define BLOCK(name, kernel)                                                                                            \
    LAYER(name ".conv1.0", REQUIRED, "C", "C " kernel), NORM(name ".bn1", "C"),                                        \
        LAYER(name ".conv2", REQUIRED, "C", "C " kernel), ROW(name ".ecalayer.conv.weight", "1 1 3 3", REQUIRED)

/* (out, in, row, column, spectral) */
static const struct row rows[] = {
    ROW("preprocess.scale", "B", OPTIONAL),
    ROW("preprocess.matrix", "K B", OPTIONAL),
    ROW("preprocess.offset", "K", OPTIONAL),
    LAYER("conv1x1", REQUIRED, "C", "1 1 1 7"),
    NORM("batch_norm1x1.0", "C"),
    LAYER("conv3x3", REQUIRED, "C", "1 3 3 7"),
    NORM("batch_norm3x3.0", "C"),
    LAYER("conv_se.0", DISTINCT, "S", "C 1 1 1"),
    LAYER("conv_ex_3x3", DISTINCT, "C", "S 1 1 1"),
    LAYER("conv_ex_1x1", DISTINCT, "C", "S 1 1 1"),
    BLOCK("res_net1", "1 1 7"),
    NORM("res_net1.bn2", "C"),
    BLOCK("res_net2", "1 1 7"),
    NORM("res_net2.bn0", "C"),
    LAYER("conv2", REQUIRED, "128", "C 1 1 D"),
    NORM("batch_norm2.0", "128"),
    LAYER("conv3", REQUIRED, "C", "1 3 3 128"),
    NORM("batch_norm3.0", "C"),
    BLOCK("res_net3", "3 3 1"),
    NORM("res_net3.bn0", "C"),
    BLOCK("res_net4", "3 3 1"),
    NORM("res_net4.bn0", "C"),
    NORM("res_net4.bn2", "C"),
    LAYER("full_connection.0", REQUIRED, "N", "C"),
};

enum { ROWS = sizeof rows / sizeof rows[0] };

/* Layers that the authors' module holds and its forward pass does not use. (The distinct form uses conv_se: its row is
 * checked all the same.) */
static const char *const unused[] = {"conv_se.", "conv_ex.", "res_net2.bn2.", "res_net3.bn2."};

static size_t dimension(const char *symbol, const struct checkpoint_sizes *z)
{
    switch (*symbol) {
    case 'B':
        return (size_t)z->B;
    case 'C':
        return (size_t)z->C;
    case 'D':
        return (size_t)network_spectral_positions(z->K);
    case 'K':
        return (size_t)z->K;
    case 'N':
        return (size_t)z->N;
    case 'S':
        return (size_t)z->K / 2;
    default:
        return strtoul(symbol, NULL, 10);
    }
}

static int expected_shape(size_t shape[SAFETENSORS_MAX_DIMENSIONS], const struct row *r,
                          const struct checkpoint_sizes *z)
{
    int dimensions = 0;
    const char *symbol = r->shape;
    while (*symbol != '\0') {
        shape[dimensions++] = dimension(symbol, z);
        symbol += strcspn(symbol, " ");
        symbol += strspn(symbol, " ");
    }
    return dimensions;
}

static int check_row(const struct row *r, const struct safetensors_tensor *t, const struct checkpoint_sizes *z,
                     bool required, struct err *e)
{
    size_t shape[SAFETENSORS_MAX_DIMENSIONS];
    char found[192], expected[192];
    int dimensions = expected_shape(shape, r, z);
    safetensors_shape_text(expected, sizeof expected, shape, dimensions);
    if (t == NULL)
        return required ? err_set(e, ERR_INPUT, "tensor %s is missing, expected with the shape %s", r->name, expected)
                        : 0;
    if (t->dimensions != dimensions || memcmp(t->shape, shape, (size_t)dimensions * sizeof *shape) != 0)
        return err_set(e, ERR_INPUT, "tensor %s has the shape %s, expected %s", r->name,
                       safetensors_shape_text(found, sizeof found, t->shape, t->dimensions), expected);
    if (r->need == COUNTER && t->dtype != ST_I64)
        return err_set(e, ERR_INPUT, "tensor %s has the dtype %s, expected I64", r->name, t->dtype_name);
    return 0;
}

static bool is_known(const char *name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(name, rows[i].name) == 0)
            return true;
    for (size_t i = 0; i < sizeof unused / sizeof unused[0]; i++)
        if (strncmp(name, unused[i], strlen(unused[i])) == 0)
            return true;
    return false;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* One of the two distinct layers is enough to mean the distinct form: then the other is missing, not superfluous. */
static bool has_distinct_attention(const struct safetensors *s)
{
    for (size_t i = 0; i < safetensors_count(s); i++)
        if (strncmp(safetensors_at(s, i)->name, "conv_ex_", strlen("conv_ex_")) == 0)
            return true;
    return false;
}

int checkpoint_check(const struct safetensors *s, const struct checkpoint_sizes *sizes,
                     struct checkpoint_findings *findings, struct err *e)
{
    *findings = (struct checkpoint_findings){.distinct_attention = has_distinct_attention(s)};
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        if (r->need == DISTINCT && !findings->distinct_attention)
            continue;
        if (check_row(r, safetensors_find(s, r->name), sizes, r->need == REQUIRED || r->need == DISTINCT, e) != 0)
            return -1;
    }
    for (size_t i = 0; i < safetensors_count(s); i++) {
        const struct safetensors_tensor *t = safetensors_at(s, i);
        char shown[96];
        if (!is_known(t->name))
            return err_set(e, ERR_INPUT, "tensor %s is unknown: the network has no such layer",
                           text_show(shown, sizeof shown, t->name, strlen(t->name)));
        if (ends_with(t->name, ".weight") || ends_with(t->name, ".bias"))
            findings->parameters += t->count;
    }
    if (sizes->K != sizes->B && safetensors_find(s, "preprocess.matrix") == NULL)
        return err_set(
            e, ERR_INPUT,
            "tensor preprocess.matrix is missing, expected with the shape (%d, %d): without it %d sensor_bands "
            "cannot become %d bands",
            sizes->K, sizes->B, sizes->B, sizes->K);
    return 0;
}
