/* emulator.h - the words of CUDA C++ for g++ and clang++: with `-include` of this file a kernel file is a C++ file.
 *
 * A launch runs one block after another, a block as one fiber per CUDA thread. What a kernel may say is what
 * cuda/port.h and this folder's headers name; anything else does not compile. A kernel's mistakes end the process
 * with status 99 and a line that names kernel, block and thread:
 *   threads that wait at different __syncthreads or have exited; lanes of a warp in different collectives or masks;
 *   copies never waited for; misaligned rows and copies, or such that leave shared memory; operands not rounded to
 *   tf32; shared memory or a launch shape that the device does not have (those fail with CUDA's own error).
 * What is only undefined shows as values: shared memory is filled with NaN, the destination of a copy until it landed.
 * -fsanitize=address adds reads and writes out of bounds and of copies in flight, -fsanitize=thread races: there each
 * CUDA thread is a thread of its own, and only __syncthreads, __syncwarp and launches order their memory.
 *
 * The environment chooses the schedule and the device:
 *   SPECTRAD_EMULATOR_ORDER=forward|reverse|random:SEED   in which order blocks, warps and lanes go on
 *   SPECTRAD_EMULATOR_SHARED=bytes                        most shared memory of a block (232448, that of sm_90)
 *
 * Compile kernels with -fno-strict-aliasing, as nvcc does. Threading: any host thread may launch; launches take turns.
 */
#pragma once
#define SPECTRAD_EMULATOR 1
#include <cuda_runtime.h>

#undef __global__
#undef __device__
#undef __host__
#undef __constant__
#undef __shared__
#undef __forceinline__
#undef __launch_bounds__
#undef __grid_constant__
#define __global__
#define __device__
#define __host__
#define __constant__
#define __shared__      static_assert(false, "shared memory is dynamic here: SHARED_MEMORY(type, name)");
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "tests/cuda/emulator/copy.h"
#include "tests/cuda/emulator/device_functions.h"
#include "tests/cuda/emulator/lane.h"
#include "tests/cuda/emulator/launch.h"
#include "tests/cuda/emulator/matrix.h"

#define threadIdx (emulator::current->thread)
#define blockIdx  (emulator::place.index)
#define blockDim  (emulator::place.block)
#define gridDim   (emulator::place.grid)

/* See cuda/port.h. The memory is the block's own: filled with 0xff, and not a byte larger than was asked for. */
#define SHARED_MEMORY(type, name) type *name = static_cast<type *>(emulator::shared_memory())
#define LAUNCH(kernel, grid, block, bytes, stream, ...)                                                                \
    emulator::launch(#kernel, (grid), (block), (bytes), (stream), (kernel), ##__VA_ARGS__)
#define UNROLL
