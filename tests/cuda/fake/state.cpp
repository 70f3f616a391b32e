/* state.cpp - switches, and the way in and out of every call: who fails, and with what. */
#include "tests/cuda/fake/state.h"
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>

namespace fake
{
namespace
{
thread_local cudaError_t last_error = cudaSuccess;
thread_local int device;
thread_local bool in_host_function;

size_t number(const char *name, const char *value)
{
    char *end;
    size_t n = std::strtoull(value, &end, 10);
    if (!*value || *end)
        die("SPECTRAD_FAKE_%s is a number, not %s", name, value);
    return n;
}

void set_devices(Switches &s, const char *value)
{
    s.no_driver = !std::strcmp(value, "driver");
    s.devices = s.no_driver ? 0 : static_cast<int>(number("DEVICES", value));
}

bool is_eager(const char *value)
{
    bool eager = !std::strcmp(value, "eager");
    if (!eager && std::strcmp(value, "lazy"))
        die("SPECTRAD_FAKE_STREAMS is lazy or eager, not %s", value);
    return eager;
}

/* One switch by the name that it has in the environment after SPECTRAD_FAKE_. */
void set(Switches &s, const char *name, const char *value)
{
    if (!std::strcmp(name, "STREAMS"))
        s.eager = is_eager(value);
    else if (!std::strcmp(name, "FAIL"))
        s.fail = number(name, value);
    else if (!std::strcmp(name, "STICKY"))
        s.sticky = number(name, value);
    else if (!std::strcmp(name, "HANG"))
        s.hang = number(name, value);
    else if (!std::strcmp(name, "MEMORY"))
        s.memory = number(name, value);
    else if (!std::strcmp(name, "DEVICES"))
        set_devices(s, value);
    else if (!std::strcmp(name, "CAPABILITY"))
        s.capability = static_cast<int>(number(name, value));
    else if (!std::strcmp(name, "LEAKS"))
        s.leaks = number(name, value);
    else
        die("there is no switch %s", name);
}

void check_leaks_at_exit()
{
    {
        std::lock_guard<std::mutex> hold(state().lock);
        if (!state().switches.leaks)
            return;
    }
    if (!fake_cuda_leaks())
        return;
    std::fflush(nullptr);
    _exit(98);
}

State *make_state()
{
    State *s = new State;
    for (const char *name : {"STREAMS", "FAIL", "STICKY", "HANG", "MEMORY", "DEVICES", "CAPABILITY", "LEAKS"})
        if (const char *value = std::getenv((std::string("SPECTRAD_FAKE_") + name).c_str()))
            set(s->switches, name, value);
    std::atexit(check_leaks_at_exit);
    return s;
}

/* The error of a runtime that has no device to offer. */
cudaError_t unavailable(const Switches &s)
{
    return s.no_driver ? cudaErrorInsufficientDriver : s.devices == 0 ? cudaErrorNoDevice : cudaSuccess;
}
} // namespace

State &state()
{
    static State *s = make_state(); /* never destroyed: engines may close in destructors */
    return *s;
}

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    std::fflush(stdout);
    std::fputs("fake cuda: ", stderr);
    std::vfprintf(stderr, format, arguments);
    std::fputc('\n', stderr);
    std::fflush(stderr);
    _exit(98);
}

Call::Call(cudaError_t failing) : hold(state().lock)
{
    State &s = state();
    s.counters.calls++;
    s.calls_to_fail++;
    if (in_host_function)
        die("a host function calls CUDA");
    error = unavailable(s.switches);
    if (error != cudaSuccess)
        return;
    if (s.stuck != cudaSuccess) {
        error = s.stuck;
        injected = true; /* memory is given back all the same, or tests would see leaks that no engine can help */
    } else if (s.calls_to_fail == s.switches.fail) {
        error = s.switches.sticky ? s.stuck = cudaErrorIllegalAddress : failing;
        injected = true;
    }
}

cudaError_t Call::end(cudaError_t e)
{
    if (error != cudaSuccess)
        e = error;
    if (e != cudaSuccess)
        last_error = e;
    return e;
}

/* Global captures forbid such calls to every thread, those of a thread to itself. */
bool Call::forbidden_by_capture()
{
    for (const std::shared_ptr<Capture> &c : state().captures) {
        bool concerned = c->mode == cudaStreamCaptureModeGlobal ||
                         (c->mode == cudaStreamCaptureModeThreadLocal && c->thread == std::this_thread::get_id());
        if (!concerned)
            continue;
        c->broken = true;
        error = cudaErrorStreamCaptureUnsupported;
        injected = false;
        return true;
    }
    return false;
}

int current_device()
{
    return device;
}

void set_current_device(int to)
{
    device = to;
}

void set_in_host_function(bool in)
{
    in_host_function = in;
}

} // namespace fake

using fake::state;

extern "C" cudaError_t cudaGetLastError(void)
{
    std::lock_guard<std::mutex> hold(state().lock);
    cudaError_t e = state().stuck != cudaSuccess ? state().stuck : fake::last_error;
    fake::last_error = cudaSuccess;
    return e;
}

extern "C" cudaError_t cudaPeekAtLastError(void)
{
    std::lock_guard<std::mutex> hold(state().lock);
    return state().stuck != cudaSuccess ? state().stuck : fake::last_error;
}

extern "C" void fake_cuda_set(const char *name, const char *value)
{
    std::lock_guard<std::mutex> hold(state().lock);
    fake::set(state().switches, name, value);
    state().calls_to_fail = state().records_to_hang = 0;
}

extern "C" void fake_cuda_reset(void)
{
    std::lock_guard<std::mutex> hold(state().lock);
    fake::State &s = state();
    s.switches.fail = s.switches.hang = 0;
    s.calls_to_fail = s.records_to_hang = 0;
    s.stuck = cudaSuccess;
    s.counters = {};
    s.timeline.clear();
    s.seen = s.launched;
    for (const std::shared_ptr<fake::Stream> &stream : s.streams)
        for (fake::Operation &o : stream->queue)
            o.hangs = false;
}
