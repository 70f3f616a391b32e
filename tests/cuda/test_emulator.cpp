/* test_emulator.cpp - the emulator: meetings, memory and launches, and the mistakes of kernels that it finds.
 *
 * A kernel with a template parameter Bug is right with false and wrong with true; both are run.
 */
#include "tests/cuda/kernel_test.h"
#include <thread>
#include <vector>

using planted::expect;

namespace
{

#if defined(PLANTED_THREAD)
const char *const RACE = "ThreadSanitizer: data race"; /* what a race is called where it is seen for itself, */
const char *const NO_VALUE_OR_RACE = RACE;
#else
const char *const NO_VALUE_OR_RACE = "expected: "; /* or by its result */
#endif

/* ---- between lanes ------------------------------------------------------------------------------------------ */

__global__ void shuffle_kernel(int *out)
{
    int l = static_cast<int>(threadIdx.x), *mine = out + 8 * l;
    mine[0] = __shfl_sync(0xffffffffu, l, 5);
    mine[1] = __shfl_xor_sync(0xffffffffu, l, 3);
    mine[2] = __shfl_down_sync(0xffffffffu, l, 4);
    mine[3] = __shfl_up_sync(0xffffffffu, l, 4);
    mine[4] = __shfl_sync(0xffffffffu, l, 2, 8);
    mine[5] = __shfl_down_sync(0xffffffffu, l, 3, 8);
    mine[6] = static_cast<int>(__shfl_xor_sync(0xffffffffu, static_cast<double>(l), 1));
    mine[7] = l < 8 ? __popc(__ballot_sync(0xffu, l % 2)) : __shfl_xor_sync(0xffffff00u, l, 1);
}

void shuffles_move_values()
{
    Buffer<int> out(256);
    go(1, 32, 0, shuffle_kernel, out.at);
    for (int l = 0; l < 32; l++) {
        const int *mine = out.at + 8 * l;
        expect(mine[0] == 5 && mine[1] == (l ^ 3) && mine[2] == (l < 28 ? l + 4 : l) && mine[3] == (l < 4 ? l : l - 4),
               "shuffles of the warp");
        expect(mine[4] == l / 8 * 8 + 2 && mine[5] == (l % 8 < 5 ? l + 3 : l), "shuffles in segments of eight");
        expect(mine[6] == (l ^ 1), "a shuffle of eight bytes");
        expect(mine[7] == (l < 8 ? 4 : l ^ 1), "collectives of a part of the warp");
    }
}

enum Mistake { NONE, NOT_IN_MASK, NO_SUCH_LANE, EXITED, OTHER_COLLECTIVE, OUTSIDE, AT_BARRIER };

template <Mistake M> __global__ void collective_kernel(int *out)
{
    int l = static_cast<int>(threadIdx.x), v = l;
    if (M == EXITED && l == 7)
        return;
    if (M == AT_BARRIER && l == 7)
        __syncthreads();
    if (M == OTHER_COLLECTIVE && l == 7)
        __syncwarp();
    else
        v = M == NOT_IN_MASK ? __shfl_sync(0xfffffffeu, v, 3)
            : M == OUTSIDE   ? __shfl_sync(l < 16 ? 0xffffu : 0xffff0000u, v, 3)
                             : __shfl_sync(0xffffffffu, v, 3);
    out[l] = v;
}

template <Mistake M> void collective()
{
    Buffer<int> out(32);
    go(1, M == NO_SUCH_LANE ? 16 : 32, 0, collective_kernel<M>, out.at);
    expect(out[9] == 3, "the value of lane 3");
}

/* ---- barriers and shared memory --------------------------------------------------------------------------------- */

/* Sums of neighbours: each thread reads what a thread of the warp before and after wrote. */
template <bool Bug> __global__ void neighbour_kernel(float *out)
{
    SHARED_MEMORY(float, values);
    int i = static_cast<int>(threadIdx.x), n = static_cast<int>(blockDim.x);
    values[i] = static_cast<float>(i);
    if (!Bug)
        __syncthreads();
    out[blockIdx.x * blockDim.x + threadIdx.x] = values[(i + 40) % n] + values[(i + n - 40) % n];
}

template <bool Bug> void barrier()
{
    const int n = 96;
    Buffer<float> out(3 * n);
    go(3, n, n * sizeof(float), neighbour_kernel<Bug>, out.at);
    for (int i = 0; i < 3 * n; i++)
        expect(out[static_cast<size_t>(i)] == static_cast<float>((i + 40) % n + (i % n + n - 40) % n), "sums");
}

template <bool Bug> __global__ void warp_kernel(int *out)
{
    SHARED_MEMORY(int, values);
    int l = static_cast<int>(threadIdx.x);
    values[l] = l;
    if (Bug)
        __shfl_sync(0xffffffffu, l, 0); /* lanes have met, but their memory has not */
    else
        __syncwarp();
    out[l] = values[l ^ 5];
}

template <bool Bug> void syncwarp()
{
    Buffer<int> out(32);
    go(1, 32, 128, warp_kernel<Bug>, out.at);
    expect(out[3] == (3 ^ 5), "the neighbour's value");
}

template <bool Bug> __global__ void leave_early_kernel(int *out)
{
    if (Bug && threadIdx.x >= 40)
        return;
    __syncthreads();
    out[threadIdx.x] = 1;
}

template <bool Bug> void leave_early()
{
    Buffer<int> out(64);
    go(1, 64, 0, leave_early_kernel<Bug>, out.at);
}

template <bool Bug> __global__ void two_barriers_kernel(int *out)
{
    if (Bug && threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
    out[threadIdx.x] = 1;
}

/* The same barrier twice in the source is two barriers. */
template <bool Bug> void two_barriers()
{
    Buffer<int> out(64);
    go(1, 64, 0, two_barriers_kernel<Bug>, out.at);
}

template <bool Bug> __global__ void halo_kernel(float *out)
{
    SHARED_MEMORY(float, row);
    int i = static_cast<int>(threadIdx.x);
    if (!Bug && i < 2)
        row[i * 33] = 0.f; /* the halo */
    row[i + 1] = 1.f;
    __syncthreads();
    out[i] = row[i] + row[i + 1] + row[i + 2];
}

template <bool Bug> void uninitialised()
{
    Buffer<float> out(32);
    go(1, 32, 34 * sizeof(float), halo_kernel<Bug>, out.at);
    expect(out[0] == 2.f && out[31] == 2.f && out[5] == 3.f, "sums without NaN");
}

template <bool Bug> __global__ void past_shared_kernel(int *out)
{
    SHARED_MEMORY(int, values);
    int i = static_cast<int>(threadIdx.x);
    values[i + (Bug ? 4 : 0)] = i;
    __syncthreads();
    out[i] = values[i];
}

template <bool Bug> void past_shared()
{
    Buffer<int> out(32);
    go(1, 32, 128, past_shared_kernel<Bug>, out.at);
}

__global__ void no_shared_kernel(int *out)
{
    SHARED_MEMORY(int, values);
    out[threadIdx.x] = values[threadIdx.x];
}

void no_shared()
{
    Buffer<int> out(32);
    go(1, 32, 0, no_shared_kernel, out.at);
}

template <bool Bug> __global__ void past_global_kernel(const float *in, float *out)
{
    unsigned i = threadIdx.x;
    out[i] = in[i] + in[i + (Bug ? 1 : 0)];
}

template <bool Bug> void past_global()
{
    Buffer<float> in(32, 1.f), out(32);
    go(1, 32, 0, past_global_kernel<Bug>, in.at, out.at);
}

/* Overlapping outputs of two blocks: the same values, two writers. */
template <bool Bug> __global__ void blocks_kernel(int *out)
{
    unsigned i = blockIdx.x * (Bug ? 31 : 32) + threadIdx.x;
    out[i] = static_cast<int>(i);
}

template <bool Bug> void between_blocks()
{
    Buffer<int> out(128);
    go(4, 32, 0, blocks_kernel<Bug>, out.at);
    expect(out[100] == 100, "all written");
}

__global__ void atomic_kernel(int *sum, float *sum_of_floats)
{
    atomicAdd(sum, 1);
    atomicAdd(sum_of_floats, 0.5f);
}

void atomics_are_no_race()
{
    Buffer<int> sum(1);
    Buffer<float> floats(1);
    go(4, 64, 0, atomic_kernel, sum.at, floats.at);
    expect(sum[0] == 256 && floats[0] == 128.f, "every thread's addition");
}

/* ---- copies and rows -------------------------------------------------------------------------------------------- */

enum Slip { CLEAN, NOT_WAITED, NOT_SYNCED, NEVER_WAITED, SLANTED, SLANTED_ROW, PAST_SHARED, SLANTED_WORD };

template <Slip S> __global__ void copy_kernel(const uint32_t *in, uint32_t *out)
{
    SHARED_MEMORY(uint32_t, tile);
    int t = static_cast<int>(threadIdx.x);
    copy_async_16(tile + 4 * t, in + 4 * t + (S == SLANTED ? 1 : 0), t == 63 ? 0 : 16);
    copy_commit();
    copy_async_16(tile + 4 * (t + 64), in, S == PAST_SHARED ? 16 : 0);
    copy_commit();
    if (S != NOT_WAITED && S != NEVER_WAITED)
        copy_wait<1>();
    if (S != NOT_SYNCED)
        __syncthreads();
    out[t] = tile[4 * ((t + 32) % 64)];
    if (S == SLANTED_ROW || S == PAST_SHARED) {
        uint32_t r[4];
        ldmatrix_x4(r, tile + (S == SLANTED_ROW ? 2 : 4 * 64 * 2));
    }
    if (S == SLANTED_WORD)
        out[t] += *reinterpret_cast<const uint32_t *>(reinterpret_cast<const char *>(tile) + 2);
    if (S != NEVER_WAITED)
        copy_wait<0>();
}

template <Slip S> void copies()
{
    Buffer<uint32_t> in(65 * 4), out(64);
    for (size_t i = 0; i < in.size; i++)
        in[i] = static_cast<uint32_t>(i);
    go(1, 64, 64 * 2 * 16, copy_kernel<S>, in.at, out.at);
    for (unsigned t = 0; t < 64; t++)
        expect(out[t] == (t == 31 ? 0 : 4 * ((t + 32) % 64)), "what was copied, and zeros where nothing was");
}

/* ---- launches --------------------------------------------------------------------------------------------------- */

__global__ void place_kernel(unsigned *out)
{
    unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    out[block * blockDim.x * blockDim.y * blockDim.z + thread]++;
}

void every_thread_of_every_block_runs_once()
{
    Buffer<unsigned> out(3 * 4 * 5 * 11 * 3 * 2);
    expect(LAUNCH(place_kernel, dim3(3, 4, 5), dim3(11, 3, 2), 0, nullptr, out.at) == cudaSuccess, "a launch");
    for (size_t i = 0; i < out.size; i++)
        expect(out[i] == 1, "once");
}

void shapes_that_no_device_has_are_refused()
{
    Buffer<unsigned> out(1);
    auto refused = [&](dim3 grid, dim3 block, size_t bytes, cudaError_t e) {
        return LAUNCH(place_kernel, grid, block, bytes, nullptr, out.at) == e;
    };
    expect(refused(dim3(1), dim3(1025), 0, cudaErrorInvalidConfiguration), "1025 threads to be refused");
    expect(refused(dim3(1), dim3(1, 1, 65), 0, cudaErrorInvalidConfiguration), "65 threads in z to be refused");
    expect(refused(dim3(0), dim3(1), 0, cudaErrorInvalidConfiguration), "no blocks to be refused");
    expect(refused(dim3(1, 65536), dim3(1), 0, cudaErrorInvalidConfiguration), "65536 blocks in y to be refused");
    expect(refused(dim3(1), dim3(1), 49153, cudaErrorInvalidValue), "more than 48 KiB unasked to be refused");
    expect(kernel_allow(place_kernel, 60000) == cudaSuccess, "60000 bytes to be allowed");
    expect(refused(dim3(1), dim3(1), 49153, cudaSuccess), "and then granted");
    emulator::set_shared_limit(50000);
    expect(refused(dim3(1), dim3(1), 50001, cudaErrorInvalidValue), "more than the device has to be refused");
    expect(kernel_allow(place_kernel, 60000) == cudaErrorInvalidValue, "nor can it be allowed");
}

void several_host_threads_launch_in_turn()
{
    Buffer<float> out(4 * 96);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&out, i] {
            for (int round = 0; round < 5; round++)
                go(1, 96, 96 * sizeof(float), neighbour_kernel<false>, out.at + 96 * i);
        });
    for (std::thread &t : threads)
        t.join();
    expect(out[3 * 96] == 40 + 56, "results of each");
}

using namespace planted;
const char *const REVERSE = "SPECTRAD_EMULATOR_ORDER=reverse", *const RANDOM = "SPECTRAD_EMULATOR_ORDER=random:7";
#if defined(PLANTED_ADDRESS)
const char *const PAST_SHARED_WORDS = "heap-buffer-overflow", *const NOT_WAITED_WORDS = "use-after-poison";
#else
const char *const PAST_SHARED_WORDS = "touches memory that is not there", *const NOT_WAITED_WORDS = "expected: what";
#endif

const Case CASES[] = {
    {"shuffles move values", shuffles_move_values, ALL, nullptr, nullptr},
    {"shuffles move values in random order", shuffles_move_values, ALL, nullptr, RANDOM},
    {"shuffle with all lanes", collective<NONE>, ALL, nullptr, nullptr},
    {"lane calls with a mask without itself", collective<NOT_IN_MASK>, ALL, "mask does not name it", nullptr},
    {"mask names lanes that do not exist", collective<NO_SUCH_LANE>, ALL, "lanes that do not exist", nullptr},
    {"shuffle after a lane has exited", collective<EXITED>, ALL, "lane 7, which has exited", nullptr},
    {"lanes in different collectives", collective<OTHER_COLLECTIVE>, ALL, "__syncwarp", nullptr},
    {"shuffle from outside of the mask", collective<OUTSIDE>, ALL, "outside of the mask", nullptr},
    {"shuffle while a lane is at the barrier", collective<AT_BARRIER>, ALL, "stands at __syncthreads", nullptr},
    {"barrier between write and read", barrier<false>, ALL, nullptr, nullptr},
    {"barrier between write and read in random order", barrier<false>, ALL, nullptr, RANDOM},
    {"no barrier, forward", barrier<true>, ALL, NO_VALUE_OR_RACE, nullptr},
    {"no barrier, reverse", barrier<true>, ALL, NO_VALUE_OR_RACE, REVERSE},
    {"no barrier, random", barrier<true>, ALL, NO_VALUE_OR_RACE, RANDOM},
    {"syncwarp between write and read", syncwarp<false>, ALL, nullptr, nullptr},
    {"no syncwarp", syncwarp<true>, THREAD, "ThreadSanitizer: data race", nullptr},
    {"all threads at the barrier", leave_early<false>, ALL, nullptr, nullptr},
    {"barrier after threads have exited", leave_early<true>, ALL, "divergent barrier", RANDOM},
    {"one barrier", two_barriers<false>, ALL, nullptr, nullptr},
    {"threads at different barriers", two_barriers<true>, ALL, "another __syncthreads", nullptr},
    {"halo filled", uninitialised<false>, ALL, nullptr, nullptr},
    {"halo not filled", uninitialised<true>, ALL, "expected: sums without NaN", nullptr},
    {"write inside shared memory", past_shared<false>, ALL, nullptr, nullptr},
    {"write past shared memory", past_shared<true>, PLAIN | ADDRESS, PAST_SHARED_WORDS, nullptr},
    {"shared memory that was not asked for", no_shared, ALL, "launched with none", nullptr},
    {"read inside global memory", past_global<false>, ALL, nullptr, nullptr},
    {"read past global memory", past_global<true>, ADDRESS, "heap-buffer-overflow", nullptr},
    {"blocks write apart", between_blocks<false>, ALL, nullptr, nullptr},
    {"blocks write the same", between_blocks<true>, THREAD, "ThreadSanitizer: data race", nullptr},
    {"atomics are no race", atomics_are_no_race, ALL, nullptr, nullptr},
    {"copies waited for", copies<CLEAN>, ALL, nullptr, nullptr},
    {"copies waited for in random order", copies<CLEAN>, ALL, nullptr, RANDOM},
    {"copy read without waiting", copies<NOT_WAITED>, ALL, NOT_WAITED_WORDS, nullptr},
    {"copy waited for without a barrier", copies<NOT_SYNCED>, THREAD, "ThreadSanitizer: data race", nullptr},
    {"copy in flight at exit", copies<NEVER_WAITED>, PLAIN | THREAD, "never waited for", nullptr},
    {"copy from a slanted address", copies<SLANTED>, ALL, "cp.async from an address", nullptr},
    {"ldmatrix of a slanted row", copies<SLANTED_ROW>, ALL, "ldmatrix.x4 16 bytes at an address", nullptr},
    {"ldmatrix past shared memory", copies<PAST_SHARED>, ALL, "outside of the block's shared memory", nullptr},
    {"word read at a slanted address", copies<SLANTED_WORD>, ADDRESS, "misaligned address", nullptr},
    {"every thread of every block runs once", every_thread_of_every_block_runs_once, ALL, nullptr, nullptr},
    {"and in random order", every_thread_of_every_block_runs_once, ALL, nullptr, RANDOM},
    {"shapes that no device has are refused", shapes_that_no_device_has_are_refused, ALL, nullptr, nullptr},
    {"several host threads launch in turn", several_host_threads_launch_in_turn, ALL, nullptr, nullptr},
};

} // namespace

int main()
{
    return run_all(CASES);
}
