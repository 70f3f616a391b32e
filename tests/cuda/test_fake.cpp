/* test_fake.cpp - the fake CUDA runtime: the mistakes of host code that it finds, failures that were asked for,
 * devices. */
#include "tests/cuda/small_engine.h"
#include <string>

using planted::expect;

namespace
{

template <Mistake M> void engine()
{
    Engine e;
    good(e.open(M));
    for (int round = 0; round < 3; round++) {
        good(e.run(static_cast<float>(100 * round), M));
        expect(e.right(static_cast<float>(100 * round)), "the sums");
    }
    e.close(M);
    fake_cuda_set("LEAKS", "1");
}

/* ---- failures that were asked for ------------------------------------------------------------------------------- */

cudaError_t open_run_close()
{
    Engine e;
    cudaError_t error = e.open(NONE);
    if (error == cudaSuccess)
        error = e.run(1.f, NONE);
    if (error == cudaSuccess)
        expect(e.right(1.f), "the sums, where all calls succeed");
    e.close(NONE);
    return error;
}

void every_call_can_fail_and_nothing_leaks()
{
    int failures = 0;
    struct fake_cuda_counters all;
    expect(open_run_close() == cudaSuccess, "success");
    fake_cuda_count(&all);
    for (size_t n = 1; n <= all.calls; n++) {
        fake_cuda_reset();
        fake_cuda_set("FAIL", std::to_string(n).c_str());
        failures += open_run_close() != cudaSuccess;
        expect(fake_cuda_leaks() == 0, "nothing to leak");
        cudaGetLastError();
    }
    expect(failures >= 20, "a failure for each call of opening and running");
    fake_cuda_reset();
    expect(open_run_close() == cudaSuccess, "success again");
}

void malloc_fails_for_want_of_memory()
{
    void *p = nullptr;
    fake_cuda_set("FAIL", "1");
    expect(cudaMalloc(&p, 100) == cudaErrorMemoryAllocation, "out of memory");
    expect(cudaPeekAtLastError() == cudaErrorMemoryAllocation, "the last error");
    expect(cudaGetLastError() == cudaErrorMemoryAllocation && cudaGetLastError() == cudaSuccess, "once");
    good(cudaMalloc(&p, 100));
    good(cudaFree(p));
}

void launch_fails_for_want_of_resources()
{
    fake_cuda_set("FAIL", "1");
    expect(LAUNCH(add_kernel, dim3(1), dim3(1), 0, nullptr, nullptr, nullptr, nullptr, 0) ==
               cudaErrorLaunchOutOfResources,
           "out of resources");
}

void sticky_error_stays()
{
    Engine e;
    good(e.open(NONE));
    fake_cuda_set("STICKY", "1");
    fake_cuda_set("FAIL", "2");
    expect(e.run(1.f, NONE) == cudaErrorIllegalAddress, "the error");
    expect(cudaGetLastError() == cudaErrorIllegalAddress && cudaGetLastError() == cudaErrorIllegalAddress, "it again");
    expect(cudaEventQuery(e.done) == cudaErrorIllegalAddress, "and again");
    e.close(NONE);
    expect(fake_cuda_leaks() == 0, "nothing to leak");
}

void events_hang()
{
    Engine e;
    fake_cuda_set("HANG", "3");
    good(e.open(NONE));
    good(e.run(0.f, NONE));
    good(cudaGraphLaunch(e.launchable, e.stream));
    good(cudaEventRecord(e.done, e.stream));
    for (int i = 0; i < 1000; i++)
        expect(cudaEventQuery(e.done) == cudaErrorNotReady, "never ready");
    fake_cuda_reset();
    good(cudaEventSynchronize(e.done));
    e.close(NONE);
}

void waiting_for_what_hangs()
{
    Engine e;
    fake_cuda_set("HANG", "2");
    good(e.open(NONE));
    good(e.run(0.f, NONE));
}

void memory_is_limited()
{
    void *p = nullptr, *q = nullptr;
    size_t available, total;
    fake_cuda_set("MEMORY", "1000000");
    good(cudaMalloc(&p, 900000));
    good(cudaMemGetInfo(&available, &total));
    expect(total == 1000000 && available == 100000, "what is left");
    expect(cudaMalloc(&q, 200000) == cudaErrorMemoryAllocation, "no more");
    good(cudaFree(p));
    good(cudaMalloc(&q, 200000));
    expect(p != q, "another address");
    good(cudaFree(q));
}

void no_device()
{
    int count = -1;
    expect(cudaGetDeviceCount(&count) == cudaErrorNoDevice && count == 0, "no device");
    expect(cudaSetDevice(0) == cudaErrorNoDevice, "nor can it be set");
}

void no_driver()
{
    int count, version = -1;
    void *p;
    expect(cudaGetDeviceCount(&count) == cudaErrorInsufficientDriver, "no driver");
    expect(cudaMalloc(&p, 1) == cudaErrorInsufficientDriver, "for any call");
    expect(cudaDriverGetVersion(&version) == cudaSuccess && version == 0, "version 0");
    expect(std::strstr(cudaGetErrorString(cudaErrorInsufficientDriver), "driver") != nullptr, "a text");
}

void devices_are_like_those_they_imitate()
{
    const struct {
        const char *capability;
        int processors, shared;
    } all[] = {{"75", 40, 65536}, {"80", 108, 166912}, {"89", 58, 101376}, {"90", 132, 232448}, {"120", 170, 101376}};
    for (const auto &d : all) {
        fake_cuda_set("CAPABILITY", d.capability);
        cudaDeviceProp p;
        int shared;
        good(cudaGetDeviceProperties(&p, 0));
        good(cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
        expect(p.major * 10 + p.minor == std::atoi(d.capability) && p.multiProcessorCount == d.processors, "numbers");
        expect(shared == d.shared && std::strstr(p.name, "fake"), "shared memory, and a name that says it");
        expect(kernel_allow(add_kernel, static_cast<size_t>(shared)) == cudaSuccess, "all of it to be had");
        expect(kernel_allow(add_kernel, static_cast<size_t>(shared) + 1) == cudaErrorInvalidValue, "and no more");
    }
}

void shared_memory_is_allowed_for_each_device()
{
    fake_cuda_set("DEVICES", "2");
    auto launch = [] { return LAUNCH(add_kernel, dim3(1), dim3(32), 60000, nullptr, nullptr, nullptr, nullptr, 0); };
    good(cudaSetDevice(0));
    good(kernel_allow(add_kernel, 60000));
    good(launch());
    good(cudaSetDevice(1));
    expect(launch() == cudaErrorInvalidValue, "the other device not to have heard of it");
    cudaStream_t s;
    good(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    good(cudaSetDevice(0));
    expect(LAUNCH(add_kernel, dim3(1), dim3(32), 0, s, nullptr, nullptr, nullptr, 0) == cudaErrorInvalidResourceHandle,
           "streams to belong to their device");
    good(cudaStreamDestroy(s));
}

using namespace planted;
const char *const EAGER = "SPECTRAD_FAKE_STREAMS=eager";
#if defined(PLANTED_ADDRESS) || defined(PLANTED_THREAD)
const char *const HOST_WORDS = "Sanitizer"; /* whose own handler sees the fault first */
#else
const char *const HOST_WORDS = "host code touches device memory";
#endif
const char *const KERNEL_WORDS = BUILD == PLAIN ? "touches device memory" : "Sanitizer";

const Case CASES[] = {
    {"engine, lazy streams", engine<NONE>, ALL, nullptr, nullptr},
    {"engine, eager streams", engine<NONE>, ALL, nullptr, EAGER},
    {"no wait for an event", engine<NO_EVENT_WAIT>, ALL, "expected: the sums", nullptr},
    {"staging memory reused too early", engine<STAGING_REUSED>, ALL, "expected: the sums", nullptr},
    {"results read too early", engine<NO_SYNC>, ALL, "expected: the sums", nullptr},
    {"asynchronous copy to pageable memory", engine<PAGEABLE>, ALL, "to pageable host memory", nullptr},
    {"copy in the wrong direction", engine<WRONG_DIRECTION>, ALL, "does not fit its pointers", nullptr},
    {"graph over freed memory", engine<FREED_IN_GRAPH>, ALL, "memory that was freed", nullptr},
    {"host code reads device memory", engine<HOST_READS_DEVICE>, ALL, HOST_WORDS, nullptr},
    {"copy past an allocation", engine<TOO_SMALL>, ALL, "runs past a device allocation", nullptr},
    {"kernel past an allocation", engine<KERNEL_PAST_END>, ALL, KERNEL_WORDS, nullptr},
    {"device memory leaks", engine<LEAK>, ALL, "never released: 1 device", nullptr},
    {"device memory freed twice", engine<FREED_TWICE>, ALL, "no longer, allocated", nullptr},
    {"stream used after it was destroyed", engine<STREAM_AFTER_CLOSE>, ALL, "no longer, open", nullptr},
    {"every call can fail and nothing leaks", every_call_can_fail_and_nothing_leaks, ALL, nullptr, nullptr},
    {"the same with eager streams", every_call_can_fail_and_nothing_leaks, ALL, nullptr, EAGER},
    {"malloc fails for want of memory", malloc_fails_for_want_of_memory, ALL, nullptr, nullptr},
    {"launch fails for want of resources", launch_fails_for_want_of_resources, ALL, nullptr, nullptr},
    {"sticky error stays", sticky_error_stays, ALL, nullptr, nullptr},
    {"events hang", events_hang, ALL, nullptr, nullptr},
    {"events hang with eager streams", events_hang, ALL, nullptr, EAGER},
    {"waiting for what hangs", waiting_for_what_hangs, ALL, "wait for ever", nullptr},
    {"memory is limited", memory_is_limited, ALL, nullptr, nullptr},
    {"no device", no_device, ALL, nullptr, "SPECTRAD_FAKE_DEVICES=0"},
    {"no driver", no_driver, ALL, nullptr, "SPECTRAD_FAKE_DEVICES=driver"},
    {"devices are like those they imitate", devices_are_like_those_they_imitate, ALL, nullptr, nullptr},
    {"shared memory is allowed for each device", shared_memory_is_allowed_for_each_device, ALL, nullptr, nullptr},
};

} // namespace

int main()
{
    return run_all(CASES);
}
