/* timeline.cpp - what tests read: counters, the timeline, batches in flight, leaks. */
#include "tests/cuda/fake/state.h"
#include <algorithm>
#include <cstdio>

namespace fake
{
namespace
{
/* The handle by which the host knows a stream; the default stream's is NULL. */
const void *handle_of(const Stream *s)
{
    for (const auto &entry : state().default_streams)
        if (entry.second.get() == s)
            return nullptr;
    return s;
}

void count_bytes(const Operation &o)
{
    if (o.what == FAKE_CUDA_UP)
        state().counters.bytes_up += o.bytes;
    if (o.what == FAKE_CUDA_DOWN)
        state().counters.bytes_down += o.bytes;
}

/* A graph is a batch, and so are the kernels of a stream between two events. */
void count_batch(const Operation &o, Stream &s)
{
    if (o.what == FAKE_CUDA_RECORD)
        s.kernels_open = false;
    if (o.what != FAKE_CUDA_GRAPH && (o.what != FAKE_CUDA_KERNEL || s.kernels_open))
        return;
    s.kernels_open = o.what == FAKE_CUDA_KERNEL;
    State &all = state();
    all.launched[s.number] = s.after[s.number] = ++s.batches;
    size_t in_flight = 0;
    for (const auto &entry : all.launched)
        in_flight += entry.second - all.seen[entry.first];
    all.counters.most_in_flight = std::max(all.counters.most_in_flight, in_flight);
}

size_t report(const char *what, size_t count)
{
    if (count)
        std::fprintf(stderr, "fake cuda: never released: %zu %s\n", count, what);
    return count;
}
} // namespace

void count(const Operation &o, Stream &s)
{
    state().timeline.push_back({o.what, handle_of(&s), o.event_handle, o.bytes, o.name});
    count_bytes(o);
    count_batch(o, s);
    if (!o.nodes)
        return;
    for (const Node &n : *o.nodes) {
        const Operation &i = n.operation;
        state().timeline.push_back({i.what, handle_of(&s), nullptr, i.bytes, i.name});
        count_bytes(i);
    }
}

void count_wait(fake_cuda_what what, const Stream *s, const void *event)
{
    state().timeline.push_back({what, handle_of(s), event, 0, ""});
}

void merge(Progress &into, const Progress &from)
{
    for (const auto &entry : from)
        into[entry.first] = std::max(into[entry.first], entry.second);
}

void host_has_seen(const Progress &p)
{
    merge(state().seen, p);
}
} // namespace fake

using fake::state;

extern "C" void fake_cuda_count(struct fake_cuda_counters *out)
{
    std::lock_guard<std::mutex> hold(state().lock);
    *out = state().counters;
}

extern "C" size_t fake_cuda_timeline(size_t first, struct fake_cuda_record *out, size_t most)
{
    std::lock_guard<std::mutex> hold(state().lock);
    const auto &all = state().timeline;
    for (size_t i = 0; i < most && first + i < all.size(); i++)
        out[i] = all[first + i];
    return all.size();
}

extern "C" size_t fake_cuda_leaks(void)
{
    std::lock_guard<std::mutex> hold(state().lock);
    const fake::State &s = state();
    size_t open = static_cast<size_t>(
        std::count_if(s.streams.begin(), s.streams.end(), [](const auto &stream) { return stream->open; }));
    return fake::report("device allocations", s.device_memory.size()) +
           fake::report("pinned allocations", s.pinned_memory.size()) + fake::report("streams", open) +
           fake::report("events", s.events.size()) + fake::report("graphs", s.graphs.size()) +
           fake::report("executable graphs", s.executables.size());
}
