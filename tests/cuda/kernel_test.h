/* kernel_test.h - what tests of kernels under the emulator share: memory watched to the byte, and a launch that must be
 * accepted.
 */
#pragma once
#include "cuda/port.h"
#include "tests/cuda/planted.h"
#include <cstdlib>

/* Memory that the sanitizers watch to the byte. */
template <class T> struct Buffer {
    explicit Buffer(size_t n, T value = T()) : at(static_cast<T *>(aligned_alloc16(n * sizeof(T)))), size(n)
    {
        for (size_t i = 0; i < n; i++)
            at[i] = value;
    }
    ~Buffer()
    {
        std::free(at);
    }
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    static void *aligned_alloc16(size_t bytes)
    {
        void *p = nullptr;
        if (posix_memalign(&p, 16, bytes))
            std::abort();
        return p;
    }
    T &operator[](size_t i)
    {
        return at[i];
    }
    T *at;
    size_t size;
};

template <class... P, class... A> void go(int blocks, int threads, size_t bytes, void (*kernel)(P...), A... arguments)
{
    planted::expect(LAUNCH(kernel, dim3(static_cast<unsigned>(blocks)), dim3(static_cast<unsigned>(threads)), bytes,
                           nullptr, arguments...) == cudaSuccess,
                    "the launch to be accepted");
}
