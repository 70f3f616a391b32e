/* launch.h - launching a kernel: its arguments copied at the call, its shape checked against the device.
 *
 * Without a fake runtime a launch runs to its end inside the call. With one (tests/cuda/fake) it goes through `queue`,
 * which checks it for the current device and runs it when the stream's turn comes.
 */
#pragma once
#include <cstddef>
#include <cuda_runtime.h>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace emulator
{

struct Launch {
    const char *name;   /* of the kernel, as written */
    const void *kernel; /* what cudaFuncSetAttribute knows it by */
    dim3 grid, block;
    size_t bytes;               /* dynamic shared memory */
    std::function<void()> body; /* one thread's work */
};

constexpr size_t SHARED_WITHOUT_ASKING = 48 * 1024;

/* CUDA's error for a shape that no device has, or for more shared memory than `allowed`; says why on stderr. */
cudaError_t check(const Launch &l, size_t allowed);
/* Runs all blocks. Waits for its turn if another host thread's launch is running. */
void run(const Launch &l);
/* Checks and runs, or hands over to `queue`. */
cudaError_t submit(Launch &&l, cudaStream_t stream);
/* Set by a fake runtime before anything is launched. */
extern cudaError_t (*queue)(Launch &&l, cudaStream_t stream);

/* Reports faults of kernels, and of host code at the addresses for which `explain` (NULL: none) knows a reason; called
 * by run, and by a fake runtime for its memory. Does nothing under sanitizers. */
void watch_faults(const char *(*explain)(const void *address));

/* The schedule of launches from now on, in the words of SPECTRAD_EMULATOR_ORDER. */
void set_order(const char *words);
/* The most shared memory of a block. */
void set_shared_limit(size_t bytes);
size_t shared_limit();

template <class... Parameters, class... Arguments>
inline cudaError_t launch(const char *name, dim3 grid, dim3 block, size_t bytes, cudaStream_t stream,
                          void (*kernel)(Parameters...), Arguments &&...arguments)
{
    typedef std::tuple<typename std::decay<Parameters>::type...> Copies;
    static_assert((std::is_trivially_copyable<typename std::decay<Parameters>::type>::value && ...),
                  "arguments reach the device byte by byte");
    static_assert(sizeof(Copies) <= 4096, "arguments of 4 KiB at most");
    Copies copies(std::forward<Arguments>(arguments)...);
    return submit({name, reinterpret_cast<const void *>(kernel), grid, block, bytes,
                   [kernel, copies] { std::apply(kernel, copies); }},
                  stream);
}

} // namespace emulator
