/* copies.cpp - copies and fills, with the direction, the bounds and the kind of memory checked when they are asked for
 * and again when they run: a graph may hold memory that was freed meanwhile.
 */
#include "tests/cuda/fake/state.h"
#include <cstring>

namespace fake
{
namespace
{
struct Side {
    char *at;
    size_t pitch;
};

struct Transfer {
    Side to, from;
    size_t width, height;
};

size_t span(const Side &s, const Transfer &t)
{
    return t.height && t.width ? (t.height - 1) * s.pitch + t.width : 0;
}

bool on_device(const Side &s, const Transfer &t)
{
    return span(s, t) && fake::on_device(s.at, span(s, t), "a copy");
}

/* What the pointers say; ends the process if the caller said otherwise. */
fake_cuda_what direction(const Transfer &t, cudaMemcpyKind kind)
{
    bool to = on_device(t.to, t), from = on_device(t.from, t);
    fake_cuda_what what = to && !from ? FAKE_CUDA_UP : from && !to ? FAKE_CUDA_DOWN : FAKE_CUDA_COPY;
    bool meant_to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    bool meant_from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (span(t.to, t) && kind != cudaMemcpyDefault && (meant_to != to || meant_from != from))
        die("a copy whose cudaMemcpyKind does not fit its pointers (%s to %s)", from ? "device" : "host",
            to ? "device" : "host");
    return what;
}

/* Pageable memory makes an asynchronous copy a synchronous one, or worse. */
void expect_pinned(const Transfer &t)
{
    for (const Side &s : {t.to, t.from})
        if (span(s, t) && !on_device(s, t) && !is_pinned(s.at, span(s, t)))
            die("an asynchronous copy %s pageable host memory", s.at == t.to.at ? "to" : "from");
}

void carry_out(const Transfer &t)
{
    on_device(t.to, t);
    on_device(t.from, t);
    for (size_t y = 0; y < t.height; y++)
        std::memcpy(t.to.at + y * t.to.pitch, t.from.at + y * t.from.pitch, t.width);
}

cudaError_t copy_async(const Transfer &t, cudaMemcpyKind kind, cudaStream_t stream)
{
    Call c;
    if (c.refused())
        return c.end();
    if (t.width > t.to.pitch || t.width > t.from.pitch)
        return c.end(cudaErrorInvalidPitchValue);
    Operation o(direction(t, kind));
    expect_pinned(t);
    o.bytes = t.width * t.height;
    o.work = [t](Call &) { carry_out(t); };
    return c.end(push(c, stream_of(stream), std::move(o)));
}

char *bytes_of(const void *at)
{
    return static_cast<char *>(const_cast<void *>(at));
}
} // namespace
} // namespace fake

using namespace fake;

extern "C" cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                                       cudaStream_t stream)
{
    return copy_async({{bytes_of(to), bytes}, {bytes_of(from), bytes}, bytes, 1}, kind, stream);
}

extern "C" cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                                         size_t height, cudaMemcpyKind kind, cudaStream_t stream)
{
    return copy_async({{bytes_of(to), to_pitch}, {bytes_of(from), from_pitch}, width, height}, kind, stream);
}

/* Waits for the default stream alone: streams here are all as if made with cudaStreamNonBlocking. */
extern "C" cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    Call c;
    if (c.refused() || c.forbidden_by_capture())
        return c.end();
    Transfer t = {{bytes_of(to), bytes}, {bytes_of(from), bytes}, bytes, 1};
    Operation o(direction(t, kind));
    o.bytes = bytes;
    o.work = [t](Call &) { carry_out(t); };
    std::shared_ptr<Stream> s = stream_of(nullptr);
    push(c, s, std::move(o));
    finish(c, *s);
    count_wait(FAKE_CUDA_SYNC_STREAM, s.get(), nullptr);
    host_has_seen(s->after);
    return c.end();
}

extern "C" cudaError_t cudaMemsetAsync(void *at, int value, size_t bytes, cudaStream_t stream)
{
    Call c;
    if (c.refused())
        return c.end();
    if (bytes && !fake::on_device(at, bytes, "a fill"))
        die("a fill of host memory");
    Operation o(FAKE_CUDA_FILL);
    o.bytes = bytes;
    o.work = [at, value, bytes](Call &) {
        if (bytes && fake::on_device(at, bytes, "a fill"))
            std::memset(at, value, bytes);
    };
    return c.end(push(c, stream_of(stream), std::move(o)));
}

extern "C" cudaError_t cudaMemset(void *at, int value, size_t bytes)
{
    return cudaMemsetAsync(at, value, bytes, nullptr);
}
