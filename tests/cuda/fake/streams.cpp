/* streams.cpp - streams: queues of work that runs when something waits for it. */
#include "tests/cuda/fake/state.h"
#include <algorithm>

namespace fake
{
namespace
{
std::shared_ptr<Stream> make_stream()
{
    auto s = std::make_shared<Stream>();
    s->number = state().next_stream++;
    s->device = current_device();
    return s;
}

/* Runs what can be run. */
void drain(Call &c, Stream &s)
{
    Window window;
    while (step(c, s)) {
    }
}

/* CUDA forbids waiting for a stream that is being captured. */
bool broken_by_waiting(Stream &s)
{
    if (!s.capture)
        return false;
    s.capture->broken = true;
    return true;
}

cudaError_t create(cudaStream_t *out)
{
    Call c(cudaErrorMemoryAllocation);
    if (c.refused())
        return c.end();
    state().streams.push_back(make_stream());
    *out = reinterpret_cast<cudaStream_t>(state().streams.back().get());
    return c.end();
}
} // namespace

std::shared_ptr<Stream> stream_of(cudaStream_t handle)
{
    State &s = state();
    if (!handle) {
        std::shared_ptr<Stream> &standard = s.default_streams[current_device()];
        if (!standard)
            standard = make_stream();
        return standard;
    }
    for (const std::shared_ptr<Stream> &stream : s.streams)
        if (reinterpret_cast<cudaStream_t>(stream.get()) == handle && stream->open)
            return stream;
    die("a stream that is not, or no longer, open");
}

/* The lock is let go of while a host function runs: it may wait for a thread that is inside CUDA. */
static void execute_host(Call &c, const Operation &o)
{
    Shutter shutter;
    c.hold.unlock();
    set_in_host_function(true);
    o.work(c);
    set_in_host_function(false);
    c.hold.lock();
}

void execute(Call &c, const Operation &o)
{
    if (o.what == FAKE_CUDA_HOST) {
        execute_host(c, o);
        return;
    }
    Window window;
    o.work(c);
}

bool step(Call &c, Stream &s)
{
    if (s.busy) { /* another thread runs its host function */
        Shutter shutter;
        state().idle.wait(c.hold, [&s] { return !s.busy; });
        return true;
    }
    if (s.queue.empty())
        return false;
    Operation &first = s.queue.front();
    if (first.hangs)
        return false;
    if (first.what == FAKE_CUDA_WAIT && first.event->done < first.number) {
        std::shared_ptr<Stream> source = first.source;
        return step(c, *source);
    }
    Operation o = std::move(first);
    s.queue.pop_front();
    if (o.what == FAKE_CUDA_RECORD) {
        o.event->done = std::max(o.event->done, o.number);
        o.event->time = std::chrono::steady_clock::now();
    }
    if (o.work) {
        s.busy = true;
        execute(c, o);
        s.busy = false;
        state().idle.notify_all();
    }
    return true;
}

void finish(Call &c, Stream &s)
{
    drain(c, s);
    if (!s.queue.empty())
        die("waits for a stream that hangs (SPECTRAD_FAKE_HANG): it would wait for ever");
}

void finish_device(Call &c)
{
    State &all = state();
    std::vector<std::shared_ptr<Stream>> streams = all.streams; /* host functions let others in */
    if (all.default_streams.count(current_device()))
        streams.push_back(all.default_streams[current_device()]);
    for (const std::shared_ptr<Stream> &s : streams)
        if (s->device == current_device())
            finish(c, *s);
    all.streams.erase(std::remove_if(all.streams.begin(), all.streams.end(),
                                     [](const std::shared_ptr<Stream> &s) { return !s->open && s->queue.empty(); }),
                      all.streams.end());
    host_has_seen(all.launched);
}

cudaError_t push(Call &c, const std::shared_ptr<Stream> &s, Operation &&o)
{
    if (s->capture)
        return capture_operation(*s, std::move(o));
    count(o, *s);
    s->queue.push_back(std::move(o));
    if (state().switches.eager)
        drain(c, *s);
    return cudaSuccess;
}
} // namespace fake

using namespace fake;

extern "C" cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned)
{
    return create(out);
}

extern "C" cudaError_t cudaStreamCreateWithPriority(cudaStream_t *out, unsigned, int)
{
    return create(out);
}

/* Work that is queued still runs, when the device is next waited for. */
extern "C" cudaError_t cudaStreamDestroy(cudaStream_t handle)
{
    Call c;
    if (c.refused_to_release())
        return c.end();
    std::shared_ptr<Stream> s = stream_of(handle);
    broken_by_waiting(*s);
    s->open = false;
    if (s->queue.empty())
        state().streams.erase(std::find(state().streams.begin(), state().streams.end(), s));
    return c.end();
}

extern "C" cudaError_t cudaStreamSynchronize(cudaStream_t handle)
{
    Call c;
    if (c.refused())
        return c.end();
    std::shared_ptr<Stream> s = stream_of(handle);
    if (broken_by_waiting(*s))
        return c.end(cudaErrorStreamCaptureUnsupported);
    finish(c, *s);
    count_wait(FAKE_CUDA_SYNC_STREAM, s.get(), nullptr);
    host_has_seen(s->after);
    return c.end();
}

/* Each query lets one operation run, so that a host that polls gets on. */
extern "C" cudaError_t cudaStreamQuery(cudaStream_t handle)
{
    Call c;
    if (c.refused())
        return c.end();
    std::shared_ptr<Stream> s = stream_of(handle);
    if (broken_by_waiting(*s))
        return c.end(cudaErrorStreamCaptureUnsupported);
    step(c, *s);
    if (!s->queue.empty())
        return c.end(cudaErrorNotReady);
    count_wait(FAKE_CUDA_SYNC_STREAM, s.get(), nullptr);
    host_has_seen(s->after);
    return c.end();
}

extern "C" cudaError_t cudaDeviceSynchronize(void)
{
    Call c;
    if (c.refused() || c.forbidden_by_capture())
        return c.end();
    finish_device(c);
    state().counters.device_syncs++;
    count_wait(FAKE_CUDA_SYNC_DEVICE, nullptr, nullptr);
    return c.end();
}

extern "C" cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void *context)
{
    Call c;
    if (c.refused())
        return c.end();
    Operation o(FAKE_CUDA_HOST);
    o.work = [function, context](Call &) { function(context); };
    return c.end(push(c, stream_of(handle), std::move(o)));
}
