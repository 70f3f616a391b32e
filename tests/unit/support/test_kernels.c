#include "tests/unit/support/test_kernels.h"
#include "cpu/isa.h"

const struct kernels *test_kernels(size_t index)
{
    const struct kernels *const widths[] = {&kernels_4x12, &kernels_16x12};
    size_t runnable = 0;
    while (isa_runnable(runnable) != NULL)
        runnable++;
    if (index < runnable)
        return isa_runnable(index);
    return index - runnable < sizeof widths / sizeof *widths ? widths[index - runnable] : NULL;
}
