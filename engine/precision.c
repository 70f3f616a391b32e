#include "engine/precision.h"
#include <string.h>

static const char *const names[] = {
    [PRECISION_FP32] = "fp32", [PRECISION_TF32] = "tf32", [PRECISION_FP16] = "fp16", [PRECISION_BF16] = "bf16"};

const char *precision_name(enum precision p)
{
    return names[p];
}

int precision_parse(const char *name, enum precision *out, struct err *e)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum precision)i;
            return 0;
        }
    return err_set(e, ERR_REQUEST, "unknown precision; choose one of fp32, tf32, fp16, bf16");
}
