#include "cuda/check.h"

int cuda_check(cudaError_t status, const char *what, struct err *e)
{
    if (status == cudaSuccess)
        return 0;
    (void)cudaGetLastError(); /* what does not stick must not be met again by the next call */
    enum err_code code = status == cudaErrorMemoryAllocation ? ERR_NOMEM : ERR_DEVICE;
    return err_set(e, code, "the GPU failed while %s: %s", what, cudaGetErrorName(status));
}

/* CUDA Runtime API, "Data types used by CUDA Runtime": errors that "leave the process in an inconsistent state". */
bool cuda_is_sticky(cudaError_t status)
{
    switch (status) {
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorTensorMemoryLeak:
    case cudaErrorContained:
    case cudaErrorExternalDevice:
        return true;
    default:
        return false;
    }
}
