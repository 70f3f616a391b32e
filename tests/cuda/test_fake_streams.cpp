/* test_fake_streams.cpp - the fake CUDA runtime: streams, events, captures, counters, threads. */
#include "tests/cuda/small_engine.h"
#include <atomic>
#include <thread>

using planted::expect;

namespace
{

/* ---- streams and events ----------------------------------------------------------------------------------------- */

void polling_makes_progress()
{
    Engine e;
    good(e.open(NONE));
    for (int i = 0; i < Engine::N; i++)
        e.host_in[i] = static_cast<float>(i);
    good(cudaGraphLaunch(e.launchable, e.stream));
    good(cudaEventRecord(e.done, e.stream));
    int polls = 0;
    while (cudaEventQuery(e.done) == cudaErrorNotReady)
        expect(++polls < 100, "an end");
    expect(e.right(0.f), "the sums");
    while (cudaStreamQuery(e.other) == cudaErrorNotReady)
        expect(++polls < 100, "an end");
    e.close(NONE);
}

void rows_are_copied()
{
    float *host, *device, *back;
    good(cudaMallocHost(address(&host), 6 * 4));
    good(cudaMallocHost(address(&back), 6 * 4));
    good(cudaMalloc(address(&device), 2 * 4 * 4));
    for (int i = 0; i < 6; i++)
        host[i] = static_cast<float>(i);
    good(cudaMemsetAsync(device, 0, 32, nullptr));
    good(cudaMemcpy2DAsync(device, 16, host, 12, 12, 2, cudaMemcpyHostToDevice, nullptr));
    good(cudaMemcpy2DAsync(back, 12, device + 1, 16, 12, 1, cudaMemcpyDeviceToHost, nullptr));
    expect(cudaMemcpy2DAsync(back, 8, device, 16, 12, 2, cudaMemcpyDeviceToHost, nullptr) == cudaErrorInvalidPitchValue,
           "rows wider than their pitch to be refused");
    good(cudaDeviceSynchronize());
    expect(back[0] == 1.f && back[1] == 2.f && back[2] == 0.f, "a row, and the padding");
    good(cudaMemcpy(back, device + 4, 12, cudaMemcpyDeviceToHost));
    expect(back[0] == 3.f && back[2] == 5.f, "the second row");
    good(cudaFree(device));
    good(cudaFreeHost(host));
    good(cudaFreeHost(back));
}

void counters_and_timeline_say_what_was_asked_for()
{
    Engine e;
    good(e.open(NONE));
    fake_cuda_reset();
    good(e.run(0.f, NONE));
    struct fake_cuda_counters c;
    fake_cuda_count(&c);
    expect(c.bytes_up == Engine::BYTES && c.bytes_down == Engine::BYTES, "bytes of the graph");
    expect(c.allocations == 0 && c.device_syncs == 0 && c.calls == 3 && c.most_in_flight == 1, "nothing but the run");
    const enum fake_cuda_what want[] = {FAKE_CUDA_GRAPH, FAKE_CUDA_UP,     FAKE_CUDA_KERNEL,
                                        FAKE_CUDA_DOWN,  FAKE_CUDA_RECORD, FAKE_CUDA_SYNC_EVENT};
    struct fake_cuda_record all[8];
    expect(fake_cuda_timeline(0, all, 8) == 6, "six records");
    for (int i = 0; i < 6; i++)
        expect(all[i].what == want[i] && all[i].stream == e.stream, "in this order, on this stream");
    expect(all[1].bytes == Engine::BYTES && !std::strcmp(all[2].name, "add_kernel"), "bytes and names");
    e.close(NONE);
}

void batches_in_flight_are_counted()
{
    Engine e;
    struct fake_cuda_counters c;
    good(e.open(NONE));
    fake_cuda_reset();
    cudaEvent_t first;
    good(cudaEventCreateWithFlags(&first, cudaEventDisableTiming));
    auto batch = [&](cudaEvent_t end) {
        good(LAUNCH(add_kernel, dim3(1), dim3(32), 0, e.stream, e.in, e.bias, e.out, 32));
        good(LAUNCH(add_kernel, dim3(1), dim3(32), 0, e.stream, e.in, e.bias, e.out, 32));
        good(cudaEventRecord(end, e.stream));
    };
    batch(first);
    batch(e.done);
    good(cudaStreamWaitEvent(e.other, first, 0)); /* the host learns of the first through another stream */
    good(cudaEventRecord(e.uploaded, e.other));
    good(cudaEventSynchronize(e.uploaded));
    batch(first);
    fake_cuda_count(&c);
    expect(c.most_in_flight == 2, "two at once");
    good(cudaEventDestroy(first));
    e.close(NONE);
}

struct Doubling {
    float *values;
    int count;
};

void doubling(const void *arguments)
{
    const Doubling *d = static_cast<const Doubling *>(arguments);
    for (int i = 0; i < d->count; i++)
        d->values[i] *= 2.f;
}

/* A library's double in the place of its kernel, captured and launched twice. */
void functions_are_queued_as_kernels()
{
    Engine e;
    good(e.make(NONE));
    for (int i = 0; i < Engine::N; i++)
        e.host_in[i] = 1.f;
    good(cudaMemcpy(e.out, e.host_in, Engine::BYTES, cudaMemcpyHostToDevice));
    good(cudaStreamBeginCapture(e.stream, cudaStreamCaptureModeThreadLocal));
    Doubling d = {e.out, Engine::N};
    expect(fake_cuda_queue(e.stream, "doubling", doubling, &d, sizeof d) == cudaSuccess, "it to be captured");
    d.count = 0;
    good(cudaStreamEndCapture(e.stream, &e.graph));
    good(cudaGraphInstantiate(&e.launchable, e.graph, 0));
    good(cudaGraphLaunch(e.launchable, e.stream));
    good(cudaGraphLaunch(e.launchable, e.stream));
    good(cudaMemcpyAsync(e.host_out, e.out, Engine::BYTES, cudaMemcpyDeviceToHost, e.stream));
    good(cudaStreamSynchronize(e.stream));
    expect(e.host_out[0] == 4.f && e.host_out[Engine::N - 1] == 4.f, "twice the double");
    e.close(NONE);
}

void set_flag(void *flag)
{
    static_cast<std::atomic<int> *>(flag)->fetch_add(1);
}

void host_functions_run_in_their_turn()
{
    std::atomic<int> flag(0);
    cudaStream_t s;
    good(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    good(cudaLaunchHostFunc(s, set_flag, &flag));
    expect(flag == 0, "not yet");
    good(cudaStreamSynchronize(s));
    expect(flag == 1, "now");
    good(cudaStreamDestroy(s));
}

void call_cuda(void *)
{
    cudaDeviceSynchronize();
}

void host_function_calls_cuda()
{
    good(cudaLaunchHostFunc(nullptr, call_cuda, nullptr));
    good(cudaDeviceSynchronize());
}

/* A host function that waits for a thread which is inside CUDA. */
void wait_for_flag(void *flag)
{
    while (static_cast<std::atomic<int> *>(flag)->load() == 0)
        std::this_thread::yield();
}

void host_functions_may_wait_for_other_threads()
{
    std::atomic<int> flag(0);
    cudaStream_t s;
    good(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    good(cudaLaunchHostFunc(s, wait_for_flag, &flag));
    std::thread other([&] {
        Engine e;
        good(e.open(NONE));
        good(e.run(0.f, NONE));
        flag = 1; /* what frees memory waits for the device, and would wait for the host function */
        e.close(NONE);
    });
    good(cudaStreamSynchronize(s));
    other.join();
    good(cudaStreamDestroy(s));
}

void several_threads_have_engines()
{
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++)
        threads.emplace_back([] {
            Engine e;
            good(e.open(NONE));
            for (int round = 0; round < 5; round++) {
                good(e.run(static_cast<float>(round), NONE));
                expect(e.right(static_cast<float>(round)), "the sums");
            }
            e.close(NONE);
        });
    for (std::thread &t : threads)
        t.join();
    expect(fake_cuda_leaks() == 0, "nothing to leak");
}

/* ---- capture ---------------------------------------------------------------------------------------------------- */

/* The download on another stream: forked and joined by events, or not. */
cudaError_t capture_fork(Engine &e, bool fork, bool join)
{
    TRY(cudaStreamBeginCapture(e.stream, cudaStreamCaptureModeThreadLocal));
    TRY(cudaMemcpyAsync(e.in, e.host_in, Engine::BYTES, cudaMemcpyHostToDevice, e.stream));
    TRY(LAUNCH(add_kernel, dim3(8), dim3(128), 0, e.stream, e.in, e.bias, e.out, +Engine::N));
    TRY(cudaEventRecord(e.done, e.stream));
    if (fork) {
        TRY(cudaStreamWaitEvent(e.other, e.done, 0));
        TRY(cudaMemcpyAsync(e.host_out, e.out, Engine::BYTES, cudaMemcpyDeviceToHost, e.other));
        TRY(cudaEventRecord(e.uploaded, e.other));
    }
    if (join)
        TRY(cudaStreamWaitEvent(e.stream, e.uploaded, 0));
    return cudaStreamEndCapture(e.stream, &e.graph);
}

void captures_fork_and_join()
{
    Engine e;
    good(e.make(NONE));
    e.host_bias[0] = 0.25f;
    good(cudaMemcpy(e.bias, e.host_bias, 4, cudaMemcpyHostToDevice));
    good(capture_fork(e, true, true));
    good(cudaGraphInstantiate(&e.launchable, e.graph, 0));
    good(e.run(5.f, NONE));
    expect(e.right(5.f), "the sums");
    e.close(NONE);
}

void captures_that_do_not_join_fail()
{
    Engine e;
    good(e.make(NONE));
    expect(capture_fork(e, true, false) == cudaErrorStreamCaptureUnjoined, "unjoined work");
    good(cudaEventRecord(e.uploaded, e.other));
    expect(capture_fork(e, false, true) == cudaErrorStreamCaptureIsolation, "an event from outside");
    cudaGraph_t none;
    expect(cudaStreamEndCapture(e.stream, &none) == cudaErrorStreamCaptureInvalidated, "and no graph");
    e.close(NONE);
}

void waiting_breaks_a_capture()
{
    Engine e;
    cudaGraph_t none;
    void *p;
    good(e.make(NONE));
    good(cudaStreamBeginCapture(e.stream, cudaStreamCaptureModeThreadLocal));
    expect(cudaStreamSynchronize(e.stream) == cudaErrorStreamCaptureUnsupported, "no waiting");
    expect(cudaStreamEndCapture(e.stream, &none) == cudaErrorStreamCaptureInvalidated, "and no graph");
    good(cudaStreamBeginCapture(e.stream, cudaStreamCaptureModeThreadLocal));
    expect(cudaMalloc(&p, 1) == cudaErrorStreamCaptureUnsupported, "no allocating");
    expect(cudaStreamEndCapture(e.stream, &none) == cudaErrorStreamCaptureInvalidated, "and no graph");
    e.close(NONE);
}

/* Two branches of one graph, of which the second reads what the first writes; without an edge between them. */
template <bool Bug> void edges_of_graphs()
{
    Engine e;
    good(e.make(NONE));
    float *host = e.host_in;
    for (int i = 0; i < Engine::N; i++)
        host[i] = 1.f;
    e.host_bias[0] = 0.25f;
    good(cudaStreamBeginCapture(e.stream, cudaStreamCaptureModeThreadLocal));
    good(cudaEventRecord(e.done, e.stream));
    good(cudaStreamWaitEvent(e.other, e.done, 0));
    good(cudaMemcpyAsync(e.bias, e.host_bias, 4, cudaMemcpyHostToDevice, e.stream));
    good(cudaMemcpyAsync(e.in, host, Engine::BYTES, cudaMemcpyHostToDevice, e.stream));
    good(cudaEventRecord(e.done, e.stream));
    if (!Bug)
        good(cudaStreamWaitEvent(e.other, e.done, 0));
    good(LAUNCH(add_kernel, dim3(8), dim3(128), 0, e.other, e.in, e.bias, e.out, +Engine::N));
    good(cudaMemcpyAsync(e.host_out, e.out, Engine::BYTES, cudaMemcpyDeviceToHost, e.other));
    good(cudaEventRecord(e.uploaded, e.other));
    good(cudaStreamWaitEvent(e.stream, e.uploaded, 0));
    good(cudaStreamEndCapture(e.stream, &e.graph));
    good(cudaGraphInstantiate(&e.launchable, e.graph, 0));
    good(cudaGraphLaunch(e.launchable, e.stream));
    good(cudaStreamSynchronize(e.stream));
    expect(e.host_out[3] == 1.25f, "the sum");
    e.close(NONE);
}

using namespace planted;
const char *const EAGER = "SPECTRAD_FAKE_STREAMS=eager";

const Case CASES[] = {
    {"polling makes progress", polling_makes_progress, ALL, nullptr, nullptr},
    {"rows are copied", rows_are_copied, ALL, nullptr, nullptr},
    {"counters and timeline say what was asked for", counters_and_timeline_say_what_was_asked_for, ALL, nullptr,
     nullptr},
    {"and with eager streams", counters_and_timeline_say_what_was_asked_for, ALL, nullptr, EAGER},
    {"batches in flight are counted", batches_in_flight_are_counted, ALL, nullptr, nullptr},
    {"batches in flight are counted when streams are eager", batches_in_flight_are_counted, ALL, nullptr, EAGER},
    {"functions are queued as kernels", functions_are_queued_as_kernels, ALL, nullptr, nullptr},
    {"host functions run in their turn", host_functions_run_in_their_turn, ALL, nullptr, nullptr},
    {"host function calls CUDA", host_function_calls_cuda, ALL, "a host function calls CUDA", nullptr},
    {"host functions may wait for other threads", host_functions_may_wait_for_other_threads, ALL, nullptr, nullptr},
    {"several threads have engines", several_threads_have_engines, ALL, nullptr, nullptr},
    {"several threads have engines, eager", several_threads_have_engines, ALL, nullptr, EAGER},
    {"captures fork and join", captures_fork_and_join, ALL, nullptr, nullptr},
    {"captures that do not join fail", captures_that_do_not_join_fail, ALL, nullptr, nullptr},
    {"waiting breaks a capture", waiting_breaks_a_capture, ALL, nullptr, nullptr},
    {"branches of a graph with an edge", edges_of_graphs<false>, ALL, nullptr, nullptr},
    {"branches of a graph without one", edges_of_graphs<true>, ALL, "expected: the sum", nullptr},
};

} // namespace

int main()
{
    return run_all(CASES);
}
