/* small_engine.h - an engine of one kernel, right or with one mistake in it, for the tests of the fake runtime. */
#pragma once
#include "cuda/port.h"
#include "tests/cuda/fake/fake_cuda.h"
#include "tests/cuda/planted.h"
#include <vector>

inline void good(cudaError_t e)
{
    planted::expect(e == cudaSuccess, cudaGetErrorName(e));
}

inline __global__ void add_kernel(const float *in, const float *bias, float *out, int n)
{
    int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n)
        out[i] = in[i] + bias[0];
}

enum Mistake {
    NONE,
    NO_EVENT_WAIT,      /* the bias is uploaded on another stream */
    STAGING_REUSED,     /* filled again before the copy from it has run */
    NO_SYNC,            /* results read before they are there */
    PAGEABLE,           /* downloaded to ordinary memory */
    WRONG_DIRECTION,    /* of a copy */
    FREED_IN_GRAPH,     /* the graph holds memory that was freed */
    HOST_READS_DEVICE,  /* host code follows a device pointer */
    TOO_SMALL,          /* a copy past an allocation */
    KERNEL_PAST_END,    /* a kernel past an allocation */
    LEAK,               /* of device memory */
    FREED_TWICE,        /* device memory */
    STREAM_AFTER_CLOSE, /* used after it was destroyed */
};

/* Adds a bias to n numbers, in a graph: upload, kernel, download. */
struct Engine {
    static constexpr int N = 1000;
    static constexpr size_t BYTES = N * sizeof(float);
    cudaStream_t stream = nullptr, other = nullptr;
    cudaEvent_t uploaded = nullptr, done = nullptr;
    float *in = nullptr, *out = nullptr, *bias = nullptr, *host_in = nullptr, *host_out = nullptr, *host_bias = nullptr;
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t launchable = nullptr;

    cudaError_t make(Mistake m);
    cudaError_t record(Mistake m);
    cudaError_t open(Mistake m);
    cudaError_t run(float first, Mistake m);
    bool right(float first) const;
    void close(Mistake m);
};

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        cudaError_t error_ = (call);                                                                                   \
        if (error_ != cudaSuccess)                                                                                     \
            return error_;                                                                                             \
    } while (0)

template <class T> void **address(T **p)
{
    return reinterpret_cast<void **>(p);
}

inline cudaError_t Engine::make(Mistake m)
{
    TRY(cudaSetDevice(0));
    TRY(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    TRY(cudaStreamCreateWithPriority(&other, cudaStreamNonBlocking, 0));
    TRY(cudaEventCreateWithFlags(&uploaded, cudaEventDisableTiming));
    TRY(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
    TRY(cudaMalloc(address(&in), m == TOO_SMALL ? BYTES - 4 : BYTES));
    TRY(cudaMalloc(address(&out), m == KERNEL_PAST_END ? BYTES - 3 * 256 : BYTES));
    TRY(cudaMalloc(address(&bias), sizeof(float)));
    TRY(cudaHostAlloc(address(&host_in), BYTES, cudaHostAllocDefault));
    TRY(cudaMallocHost(address(&host_out), BYTES));
    TRY(cudaMallocHost(address(&host_bias), sizeof(float)));
    return cudaSuccess;
}

inline cudaError_t Engine::record(Mistake m)
{
    TRY(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    cudaError_t e = cudaMemcpyAsync(in, host_in, BYTES,
                                    m == WRONG_DIRECTION ? cudaMemcpyDeviceToHost : cudaMemcpyHostToDevice, stream);
    if (e == cudaSuccess)
        e = LAUNCH(add_kernel, dim3(8), dim3(128), 0, stream, in, bias, out, +N);
    if (e == cudaSuccess && m != KERNEL_PAST_END)
        e = cudaMemcpyAsync(host_out, out, BYTES, cudaMemcpyDeviceToHost, stream);
    cudaError_t end = cudaStreamEndCapture(stream, &graph);
    TRY(e);
    TRY(end);
    TRY(cudaGraphInstantiate(&launchable, graph, 0));
    return cudaGraphUpload(launchable, stream);
}

inline cudaError_t Engine::open(Mistake m)
{
    TRY(make(m));
    host_bias[0] = 0.25f;
    TRY(cudaMemcpyAsync(bias, host_bias, sizeof(float), cudaMemcpyHostToDevice, other));
    TRY(cudaEventRecord(uploaded, other));
    if (m != NO_EVENT_WAIT)
        TRY(cudaStreamWaitEvent(stream, uploaded, 0));
    return record(m);
}

inline cudaError_t Engine::run(float first, Mistake m)
{
    for (int i = 0; i < N; i++)
        host_in[i] = first + static_cast<float>(i);
    if (m == FREED_IN_GRAPH) {
        TRY(cudaFree(in));
        in = nullptr;
    }
    TRY(cudaGraphLaunch(launchable, stream));
    if (m == STAGING_REUSED)
        host_in[7] = 0.f;
    TRY(cudaEventRecord(done, stream));
    if (m == NO_SYNC)
        return cudaSuccess;
    TRY(cudaEventSynchronize(done));
    if (m == HOST_READS_DEVICE)
        host_out[0] = out[0];
    if (m == PAGEABLE) {
        std::vector<float> pageable(N);
        TRY(cudaMemcpyAsync(pageable.data(), out, BYTES, cudaMemcpyDeviceToHost, stream));
        TRY(cudaStreamSynchronize(stream));
    }
    return cudaSuccess;
}

inline bool Engine::right(float first) const
{
    for (int i = 0; i < N; i++)
        if (host_out[i] != first + static_cast<float>(i) + 0.25f)
            return false;
    return true;
}

/* As an engine closes after any failure: what is there. */
inline void Engine::close(Mistake m)
{
    if (launchable)
        cudaGraphExecDestroy(launchable);
    if (graph)
        cudaGraphDestroy(graph);
    if (m != LEAK)
        cudaFree(in);
    if (m == FREED_TWICE)
        cudaFree(in);
    for (void *p : {out, bias})
        cudaFree(p);
    for (void *p : {host_in, host_out, host_bias})
        cudaFreeHost(p);
    for (cudaEvent_t e : {uploaded, done})
        if (e)
            cudaEventDestroy(e);
    for (cudaStream_t s : {stream, other})
        if (s)
            cudaStreamDestroy(s);
    if (m == STREAM_AFTER_CLOSE)
        cudaStreamSynchronize(stream);
}
