/* stand_in.c - the part of the driver's interface that cuDNN calls while it finalises a plan, without a device.
 *
 * Engines that compile their kernels at run time load each one and set its attributes. Here a load succeeds, hands out
 * numbers for handles, and loads nothing. Everything else in libcuda is written by stand_in.sh and answers
 * CUDA_ERROR_STUB_LIBRARY, as the toolkit's own stub does, so that no program can believe it has a GPU.
 */
#include <cuda.h>
#include <stdint.h>
#undef cuLibraryLoadData

enum { SOME_HANDLE = 0x1000 };

CUresult cuDriverGetVersion(int *version)
{
    *version = CUDA_VERSION;
    return CUDA_SUCCESS;
}

CUresult cuLibraryLoadData(CUlibrary *library, const void *code, CUjit_option *jit, void **jit_values,
                           unsigned jit_count, CUlibraryOption *options, void **values, unsigned count)
{
    (void)code, (void)jit, (void)jit_values, (void)jit_count, (void)options, (void)values, (void)count;
    *library = (CUlibrary)(uintptr_t)SOME_HANDLE;
    return CUDA_SUCCESS;
}

CUresult cuLibraryUnload(CUlibrary library)
{
    (void)library;
    return CUDA_SUCCESS;
}

CUresult cuLibraryGetKernel(CUkernel *kernel, CUlibrary library, const char *name)
{
    (void)library, (void)name;
    *kernel = (CUkernel)(uintptr_t)SOME_HANDLE;
    return CUDA_SUCCESS;
}

CUresult cuLibraryGetModule(CUmodule *module, CUlibrary library)
{
    (void)library;
    *module = (CUmodule)(uintptr_t)SOME_HANDLE;
    return CUDA_SUCCESS;
}

CUresult cuKernelGetFunction(CUfunction *function, CUkernel kernel)
{
    (void)kernel;
    *function = (CUfunction)(uintptr_t)SOME_HANDLE;
    return CUDA_SUCCESS;
}

CUresult cuKernelSetAttribute(CUfunction_attribute attribute, int value, CUkernel kernel, CUdevice device)
{
    (void)attribute, (void)value, (void)kernel, (void)device;
    return CUDA_SUCCESS;
}

CUresult cuKernelGetAttribute(int *value, CUfunction_attribute attribute, CUkernel kernel, CUdevice device)
{
    (void)attribute, (void)kernel, (void)device;
    *value = 0;
    return CUDA_SUCCESS;
}

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value)
{
    (void)function, (void)attribute, (void)value;
    return CUDA_SUCCESS;
}

CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function)
{
    (void)attribute, (void)function;
    *value = 0;
    return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult error, const char **name)
{
    (void)error;
    *name = "CUDA_ERROR_STUB_LIBRARY";
    return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult error, const char **words)
{
    (void)error;
    *words = "the stand-in driver of the plan check does nothing";
    return CUDA_SUCCESS;
}
