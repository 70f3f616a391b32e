/* device.cpp - which devices there are, and what they are like. */
#include "tests/cuda/fake/state.h"
#include <algorithm>
#include <cstdio>
#include <cstring>

namespace fake
{
namespace
{
struct Model {
    int capability, processors, shared, shared_processor, l2_kib,
        threads; /* bytes of shared memory: block, processor */
    const char *name;
};
/* From the CUDA C++ Programming Guide (shared memory, threads) and data sheets (the rest). */
const Model MODELS[] = {
    {75, 40, 65536, 65536, 4096, 1024, "fake sm_75, as Tesla T4"},
    {80, 108, 166912, 167936, 40960, 2048, "fake sm_80, as A100"},
    {86, 72, 101376, 102400, 6144, 1536, "fake sm_86, as A10"},
    {89, 58, 101376, 102400, 49152, 1536, "fake sm_89, as L4"},
    {90, 132, 232448, 233472, 51200, 2048, "fake sm_90, as H100"},
    {100, 148, 232448, 233472, 129024, 2048, "fake sm_100, as B200"},
    {120, 170, 101376, 102400, 98304, 1536, "fake sm_120, as RTX 5090"},
};
enum { REGISTERS = 65536, RESERVED_SHARED = 1024, MOST_BLOCKS = 16 };

const Model &model()
{
    for (const Model &m : MODELS)
        if (m.capability == state().switches.capability)
            return m;
    die("SPECTRAD_FAKE_CAPABILITY=%d is none of 75, 80, 86, 89, 90, 100, 120", state().switches.capability);
}

bool exists(int device)
{
    return device >= 0 && device < state().switches.devices;
}

void describe(const Model &m, int device, cudaDeviceProp *p)
{
    std::memset(static_cast<void *>(p), 0, sizeof *p);
    std::snprintf(p->name, sizeof p->name, "%s", m.name);
    p->uuid.bytes[0] = static_cast<char>(device + 1);
    p->major = m.capability / 10;
    p->minor = m.capability % 10;
    p->multiProcessorCount = m.processors;
    p->totalGlobalMem = state().switches.memory;
    p->sharedMemPerBlock = emulator::SHARED_WITHOUT_ASKING;
    p->sharedMemPerBlockOptin = static_cast<size_t>(m.shared);
    p->sharedMemPerMultiprocessor = static_cast<size_t>(m.shared_processor);
    p->reservedSharedMemPerBlock = RESERVED_SHARED;
    p->regsPerBlock = p->regsPerMultiprocessor = REGISTERS;
    p->warpSize = 32;
    p->maxThreadsPerBlock = p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 0x7fffffff;
    p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->maxThreadsPerMultiProcessor = m.threads;
    p->maxBlocksPerMultiProcessor = MOST_BLOCKS;
    p->l2CacheSize = m.l2_kib * 1024;
    p->pciBusID = device + 1;
    p->asyncEngineCount = 2;
    p->unifiedAddressing = p->concurrentKernels = p->streamPrioritiesSupported = 1;
}

bool attribute_of(const cudaDeviceProp &p, cudaDeviceAttr what, int *value)
{
    switch (what) {
    case cudaDevAttrComputeCapabilityMajor:
        *value = p.major;
        return true;
    case cudaDevAttrComputeCapabilityMinor:
        *value = p.minor;
        return true;
    case cudaDevAttrMultiProcessorCount:
        *value = p.multiProcessorCount;
        return true;
    case cudaDevAttrMaxSharedMemoryPerBlock:
        *value = static_cast<int>(p.sharedMemPerBlock);
        return true;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = static_cast<int>(p.sharedMemPerBlockOptin);
        return true;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
        *value = static_cast<int>(p.sharedMemPerMultiprocessor);
        return true;
    case cudaDevAttrMaxThreadsPerBlock:
        *value = p.maxThreadsPerBlock;
        return true;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
        *value = p.maxThreadsPerMultiProcessor;
        return true;
    case cudaDevAttrL2CacheSize:
        *value = p.l2CacheSize;
        return true;
    case cudaDevAttrWarpSize:
        *value = p.warpSize;
        return true;
    case cudaDevAttrPciBusId:
        *value = p.pciBusID;
        return true;
    case cudaDevAttrPciDeviceId:
    case cudaDevAttrPciDomainId:
    case cudaDevAttrIntegrated:
        *value = 0;
        return true;
    default:
        return false;
    }
}
} // namespace

cudaDeviceProp device_properties()
{
    cudaDeviceProp p;
    describe(model(), current_device(), &p);
    return p;
}
} // namespace fake

using namespace fake;

extern "C" cudaError_t cudaGetDeviceCount(int *count)
{
    Call c(cudaErrorInitializationError);
    *count = 0;
    if (c.refused())
        return c.end();
    *count = state().switches.devices;
    return c.end();
}

extern "C" cudaError_t cudaSetDevice(int device)
{
    Call c(cudaErrorMemoryAllocation); /* the context is made here */
    if (c.refused())
        return c.end();
    if (!exists(device))
        return c.end(cudaErrorInvalidDevice);
    set_current_device(device);
    return c.end();
}

extern "C" cudaError_t cudaGetDevice(int *device)
{
    Call c(cudaErrorInitializationError);
    if (c.refused())
        return c.end();
    *device = current_device();
    return c.end();
}

/* 0 is what CUDA says where no driver is installed. */
extern "C" cudaError_t cudaDriverGetVersion(int *version)
{
    std::lock_guard<std::mutex> hold(state().lock);
    *version = state().switches.no_driver ? 0 : CUDART_VERSION;
    return cudaSuccess;
}

extern "C" cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}

extern "C" cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int device)
{
    Call c(cudaErrorInitializationError);
    if (c.refused())
        return c.end();
    if (!exists(device))
        return c.end(cudaErrorInvalidDevice);
    describe(model(), device, out);
    return c.end();
}

extern "C" cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr what, int device)
{
    Call c(cudaErrorInitializationError);
    if (c.refused())
        return c.end();
    if (!exists(device))
        return c.end(cudaErrorInvalidDevice);
    cudaDeviceProp p;
    describe(model(), device, &p);
    if (!attribute_of(p, what, value))
        die("cudaDeviceGetAttribute(%d) is not imitated; device.cpp is where to add it", what);
    return c.end();
}

extern "C" cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest)
{
    Call c(cudaErrorInitializationError);
    if (c.refused())
        return c.end();
    *least = 0;
    *greatest = -5;
    return c.end();
}

extern "C" cudaError_t cudaMemGetInfo(size_t *available, size_t *total)
{
    Call c(cudaErrorInitializationError);
    if (c.refused())
        return c.end();
    *total = state().switches.memory;
    *available = *total - std::min(*total, device_memory_in_use(current_device()));
    return c.end();
}
