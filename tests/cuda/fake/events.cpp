/* events.cpp - events: places in streams that streams and the host wait for. */
#include "tests/cuda/fake/state.h"

namespace fake
{
namespace
{
std::shared_ptr<Event> event_of(cudaEvent_t handle)
{
    auto found = state().events.find(handle);
    if (found == state().events.end())
        die("an event that is not, or no longer, there");
    return found->second;
}

bool complete(const Event &e)
{
    return e.done >= e.recorded;
}

void seen_by_host(const Event &e, cudaEvent_t handle)
{
    count_wait(FAKE_CUDA_SYNC_EVENT, e.stream.get(), handle);
    host_has_seen(e.after);
}

cudaError_t create(cudaEvent_t *out, bool timing)
{
    Call c(cudaErrorMemoryAllocation);
    if (c.refused())
        return c.end();
    auto e = std::make_shared<Event>();
    e->device = current_device();
    e->timing = timing;
    *out = reinterpret_cast<cudaEvent_t>(e.get());
    state().events[e.get()] = e;
    return c.end();
}
} // namespace
} // namespace fake

using namespace fake;

extern "C" cudaError_t cudaEventCreate(cudaEvent_t *out)
{
    return create(out, true);
}

extern "C" cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags)
{
    return create(out, !(flags & cudaEventDisableTiming));
}

extern "C" cudaError_t cudaEventDestroy(cudaEvent_t handle)
{
    Call c;
    if (c.refused_to_release())
        return c.end();
    state().events.erase(event_of(handle).get());
    return c.end();
}

extern "C" cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream)
{
    Call c;
    if (c.refused())
        return c.end();
    std::shared_ptr<Event> e = event_of(handle);
    std::shared_ptr<Stream> s = stream_of(stream);
    if (e->device != s->device)
        return c.end(cudaErrorInvalidResourceHandle);
    if (s->capture) {
        capture_record(*s, *e);
        return c.end();
    }
    State &all = state();
    Operation o(FAKE_CUDA_RECORD);
    o.event = e;
    o.event_handle = handle;
    o.number = ++e->recorded;
    o.hangs = ++all.records_to_hang >= all.switches.hang && all.switches.hang;
    e->stream = s;
    e->capture = nullptr;
    e->after = s->after;
    return c.end(push(c, s, std::move(o)));
}

extern "C" cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t handle, unsigned)
{
    Call c;
    if (c.refused())
        return c.end();
    std::shared_ptr<Event> e = event_of(handle);
    std::shared_ptr<Stream> s = stream_of(stream);
    if (e->capture || s->capture)
        return c.end(capture_wait(*s, *e));
    if (!e->recorded)
        return c.end();
    Operation o(FAKE_CUDA_WAIT);
    o.event = e;
    o.event_handle = handle;
    o.number = e->recorded;
    o.source = e->stream;
    merge(s->after, e->after);
    return c.end(push(c, s, std::move(o)));
}

/* Lets one operation of the event's stream run, so that a host that polls gets on. */
extern "C" cudaError_t cudaEventQuery(cudaEvent_t handle)
{
    Call c;
    if (c.refused())
        return c.end();
    std::shared_ptr<Event> e = event_of(handle);
    if (e->capture)
        return c.end(cudaErrorCapturedEvent);
    std::shared_ptr<Stream> s = e->stream;
    if (!complete(*e))
        step(c, *s);
    if (!complete(*e))
        return c.end(cudaErrorNotReady);
    seen_by_host(*e, handle);
    return c.end();
}

extern "C" cudaError_t cudaEventSynchronize(cudaEvent_t handle)
{
    Call c;
    if (c.refused())
        return c.end();
    std::shared_ptr<Event> e = event_of(handle);
    if (e->capture)
        return c.end(cudaErrorCapturedEvent);
    Window window;
    while (!complete(*e)) {
        std::shared_ptr<Stream> s = e->stream;
        if (!step(c, *s))
            die("waits for an event that hangs (SPECTRAD_FAKE_HANG): it would wait for ever");
    }
    seen_by_host(*e, handle);
    return c.end();
}

extern "C" cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end)
{
    Call c;
    if (c.refused())
        return c.end();
    std::shared_ptr<Event> first = event_of(start), last = event_of(end);
    if (!first->timing || !last->timing || !first->recorded || !last->recorded)
        return c.end(cudaErrorInvalidResourceHandle);
    if (!complete(*first) || !complete(*last))
        return c.end(cudaErrorNotReady);
    *milliseconds = std::chrono::duration<float, std::milli>(last->time - first->time).count();
    return c.end();
}
