/* graphs.cpp - capture of streams into graphs, and their launch.
 *
 * A captured operation is a node that follows the stream's tails. Other streams join a capture by waiting for an event
 * that was recorded in it, and must be waited for again before it ends.
 */
#include "tests/cuda/fake/state.h"
#include <algorithm>

namespace fake
{

cudaError_t capture_operation(Stream &s, Operation &&o)
{
    Capture &c = *s.capture;
    if (c.broken)
        return cudaErrorStreamCaptureInvalidated;
    c.nodes.push_back({std::move(o), s.tails});
    s.tails = {c.nodes.size() - 1};
    return cudaSuccess;
}

void capture_record(Stream &s, Event &e)
{
    e.capture = s.capture;
    e.tails = s.tails;
}

cudaError_t capture_wait(Stream &s, const Event &e)
{
    if (!e.capture) {
        if (!e.recorded)
            return cudaSuccess;
        s.capture->broken = true;
        return cudaErrorStreamCaptureIsolation;
    }
    if (e.capture->ended || (s.capture && s.capture != e.capture))
        return cudaErrorCapturedEvent;
    s.capture = e.capture;
    for (size_t tail : e.tails)
        if (std::find(s.tails.begin(), s.tails.end(), tail) == s.tails.end())
            s.tails.push_back(tail);
    return cudaSuccess;
}

void run_nodes(Call &c, const std::vector<Node> &nodes)
{
    const bool forward = state().switches.eager;
    const size_t count = nodes.size();
    std::vector<bool> done(count);
    auto ready = [&](size_t i) {
        return !done[i] && std::all_of(nodes[i].after.begin(), nodes[i].after.end(), [&](size_t j) { return done[j]; });
    };
    for (size_t left = count; left > 0; left--) {
        size_t k = 0;
        while (!ready(forward ? k : count - 1 - k))
            k++;
        size_t i = forward ? k : count - 1 - k;
        if (nodes[i].operation.work)
            execute(c, nodes[i].operation);
        done[i] = true;
    }
}

namespace
{
/* Whether every node leads to the tails of the stream that was captured first. */
bool joined(const Capture &c)
{
    std::vector<bool> leads(c.nodes.size());
    for (size_t tail : c.origin->tails)
        leads[tail] = true;
    for (size_t i = c.nodes.size(); i-- > 0;)
        if (leads[i])
            for (size_t before : c.nodes[i].after)
                leads[before] = true;
    return std::all_of(leads.begin(), leads.end(), [](bool b) { return b; });
}

cudaError_t end_error(const Capture &c)
{
    if (c.broken)
        return cudaErrorStreamCaptureInvalidated;
    if (c.mode != cudaStreamCaptureModeRelaxed && c.thread != std::this_thread::get_id())
        return cudaErrorStreamCaptureWrongThread;
    return joined(c) ? cudaSuccess : cudaErrorStreamCaptureUnjoined;
}

void end_capture(const std::shared_ptr<Capture> &c)
{
    State &s = state();
    c->ended = true;
    for (const std::shared_ptr<Stream> &stream : s.streams)
        if (stream->capture == c) {
            stream->capture = nullptr;
            stream->tails.clear();
        }
    s.captures.erase(std::find(s.captures.begin(), s.captures.end(), c));
}

Graph *graph_of(const std::set<Graph *> &all, void *handle)
{
    auto found = all.find(static_cast<Graph *>(handle));
    if (found == all.end())
        die("a graph that is not, or no longer, there");
    return *found;
}

cudaError_t destroy(std::set<Graph *> State::*kind, void *handle)
{
    Call c;
    if (c.refused_to_release())
        return c.end();
    Graph *g = graph_of(state().*kind, handle);
    (state().*kind).erase(g);
    delete g;
    return c.end();
}
} // namespace
} // namespace fake

using namespace fake;

extern "C" cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode)
{
    Call c(cudaErrorMemoryAllocation);
    if (c.refused())
        return c.end();
    if (!handle)
        return c.end(cudaErrorStreamCaptureUnsupported);
    std::shared_ptr<Stream> s = stream_of(handle);
    if (s->capture)
        return c.end(cudaErrorIllegalState);
    s->capture = std::make_shared<Capture>();
    s->capture->origin = s.get();
    s->capture->mode = mode;
    s->capture->thread = std::this_thread::get_id();
    s->tails.clear();
    state().captures.push_back(s->capture);
    return c.end();
}

/* The capture ends even where this call fails. */
extern "C" cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t *out)
{
    Call c(cudaErrorStreamCaptureInvalidated);
    *out = nullptr;
    if (c.refused_to_release())
        return c.end();
    std::shared_ptr<Stream> s = stream_of(handle);
    if (!s->capture)
        return c.end(cudaErrorIllegalState);
    std::shared_ptr<Capture> capture = s->capture;
    if (capture->origin != s.get()) {
        capture->broken = true;
        return c.end(cudaErrorStreamCaptureUnmatched);
    }
    cudaError_t e = c.refused() ? cudaErrorStreamCaptureInvalidated : end_error(*capture);
    end_capture(capture);
    if (e != cudaSuccess)
        return c.end(e);
    Graph *g = new Graph{std::make_shared<std::vector<Node>>(std::move(capture->nodes))};
    state().graphs.insert(g);
    *out = reinterpret_cast<cudaGraph_t>(g);
    return c.end();
}

extern "C" cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus *out)
{
    Call c;
    if (c.refused())
        return c.end();
    std::shared_ptr<Stream> s = stream_of(handle);
    *out = !s->capture          ? cudaStreamCaptureStatusNone
           : s->capture->broken ? cudaStreamCaptureStatusInvalidated
                                : cudaStreamCaptureStatusActive;
    return c.end();
}

extern "C" cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long)
{
    Call c(cudaErrorMemoryAllocation);
    if (c.refused())
        return c.end();
    Graph *g = new Graph(*graph_of(state().graphs, graph));
    state().executables.insert(g);
    *out = reinterpret_cast<cudaGraphExec_t>(g);
    return c.end();
}

extern "C" cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t stream)
{
    Call c(cudaErrorMemoryAllocation);
    if (c.refused())
        return c.end();
    graph_of(state().executables, executable);
    stream_of(stream);
    return c.end();
}

extern "C" cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream)
{
    Call c(cudaErrorLaunchOutOfResources);
    if (c.refused())
        return c.end();
    std::shared_ptr<Stream> s = stream_of(stream);
    if (s->capture)
        die("a graph launched into a capture, which is not imitated");
    Operation o(FAKE_CUDA_GRAPH);
    o.nodes = graph_of(state().executables, executable)->nodes;
    o.work = [nodes = o.nodes](Call &call) { run_nodes(call, *nodes); };
    return c.end(push(c, s, std::move(o)));
}

extern "C" cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    return destroy(&State::graphs, graph);
}

extern "C" cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable)
{
    return destroy(&State::executables, executable);
}
