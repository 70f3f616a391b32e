/* kernels.cpp - kernels as the runtime knows them: attributes, occupancy, and launches on their way to a stream. */
#include "tests/cuda/fake/state.h"
#include <algorithm>
#include <cstring>

using namespace fake;

namespace
{
enum { REGISTERS_OF_A_KERNEL = 64 }; /* what every kernel is taken to use */

size_t allowed_to(const void *kernel, int device)
{
    auto found = state().allowed.find({device, kernel});
    return found == state().allowed.end() ? emulator::SHARED_WITHOUT_ASKING : found->second;
}

/* LAUNCH comes here. */
cudaError_t queue_kernel(emulator::Launch &&l, cudaStream_t stream)
{
    Call c(cudaErrorLaunchOutOfResources);
    if (c.refused())
        return c.end();
    std::shared_ptr<Stream> s = stream_of(stream);
    if (s->device != current_device())
        return c.end(cudaErrorInvalidResourceHandle);
    emulator::set_shared_limit(device_properties().sharedMemPerBlockOptin);
    cudaError_t e = emulator::check(l, allowed_to(l.kernel, s->device));
    if (e != cudaSuccess)
        return c.end(e);
    Operation o(FAKE_CUDA_KERNEL);
    o.name = l.name;
    o.work = [launch = std::move(l)](Call &) { emulator::run(launch); };
    return c.end(push(c, s, std::move(o)));
}

const bool connected = (emulator::queue = queue_kernel) != nullptr;
} // namespace

extern "C" int fake_cuda_queue(void *stream, const char *name, void (*function)(const void *), const void *arguments,
                               size_t bytes)
{
    Call c(cudaErrorLaunchOutOfResources);
    if (c.refused())
        return c.end();
    const char *first = static_cast<const char *>(arguments);
    Operation o(FAKE_CUDA_KERNEL);
    o.name = name;
    o.work = [function, copy = std::vector<char>(first, first + bytes)](Call &) { function(copy.data()); };
    return c.end(push(c, stream_of(static_cast<cudaStream_t>(stream)), std::move(o)));
}

extern "C" cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute what, int value)
{
    Call c(cudaErrorInvalidDeviceFunction);
    if (c.refused())
        return c.end();
    if (what == cudaFuncAttributePreferredSharedMemoryCarveout)
        return c.end(value < -1 || value > 100 ? cudaErrorInvalidValue : cudaSuccess);
    if (what != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
        static_cast<size_t>(value) > device_properties().sharedMemPerBlockOptin)
        return c.end(cudaErrorInvalidValue);
    state().allowed[{current_device(), kernel}] = static_cast<size_t>(value);
    return c.end();
}

extern "C" cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *out, const void *kernel)
{
    Call c(cudaErrorInvalidDeviceFunction);
    if (c.refused())
        return c.end();
    const cudaDeviceProp p = device_properties();
    std::memset(static_cast<void *>(out), 0, sizeof *out);
    out->maxThreadsPerBlock = p.maxThreadsPerBlock;
    out->numRegs = REGISTERS_OF_A_KERNEL;
    out->binaryVersion = out->ptxVersion = p.major * 10 + p.minor;
    out->maxDynamicSharedSizeBytes = static_cast<int>(allowed_to(kernel, current_device()));
    return c.end();
}

/* By shared memory, threads and registers. */
extern "C" cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *kernel, int threads,
                                                                     size_t bytes)
{
    Call c(cudaErrorInvalidDeviceFunction);
    if (c.refused())
        return c.end();
    if (threads <= 0)
        return c.end(cudaErrorInvalidValue);
    const cudaDeviceProp p = device_properties();
    int by_shared = static_cast<int>(p.sharedMemPerMultiprocessor / (bytes + p.reservedSharedMemPerBlock));
    int by_threads = std::min(p.maxThreadsPerMultiProcessor, p.regsPerMultiprocessor / REGISTERS_OF_A_KERNEL) / threads;
    bool fits = threads <= p.maxThreadsPerBlock && bytes <= allowed_to(kernel, current_device());
    *blocks = fits ? std::min({by_shared, by_threads, p.maxBlocksPerMultiProcessor}) : 0;
    return c.end();
}
