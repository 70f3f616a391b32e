/* state.h - the fake runtime's own: what there is, and how a call comes in and goes out.
 *
 * One mutex guards everything below; a Call holds it from the first line of a function to its return. It is let go of
 * only while a host function runs (streams.cpp), whose stream is marked busy meanwhile.
 */
#pragma once
#include "tests/cuda/emulator/launch.h"
#include "tests/cuda/fake/fake_cuda.h"
#include <chrono>
#include <condition_variable>
#include <cuda_runtime_api.h>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace fake
{

class Call;
struct Stream;
struct Capture;
struct Node;

/* How far each stream had come, in batches, by the number of the stream. */
typedef std::map<int, size_t> Progress;

/* What is behind a cudaEvent_t. Work that refers to it keeps it alive. */
struct Event {
    int device;
    bool timing;
    size_t recorded = 0, done = 0;    /* records asked for, and the last that has run */
    std::shared_ptr<Stream> stream;   /* of the last record */
    Progress after;                   /* what its completion tells the host */
    std::shared_ptr<Capture> capture; /* if it was last recorded in one, */
    std::vector<size_t> tails;        /* after these nodes */
    std::chrono::steady_clock::time_point time;
};

/* One piece of queued work. */
struct Operation {
    explicit Operation(fake_cuda_what kind) : what(kind)
    {
    }
    fake_cuda_what what;
    std::function<void(Call &)> work;
    size_t bytes = 0;
    const char *name = "";
    std::shared_ptr<Event> event; /* of RECORD and WAIT, */
    const void *event_handle = nullptr;
    size_t number = 0;                              /* which of its records, */
    std::shared_ptr<Stream> source;                 /* and whose */
    bool hangs = false;                             /* RECORD: never completes */
    std::shared_ptr<const std::vector<Node>> nodes; /* of GRAPH */
};

struct Stream {
    int number, device;
    bool open = true, busy = false, kernels_open = false;
    std::deque<Operation> queue;
    size_t batches = 0;
    Progress after;
    std::shared_ptr<Capture> capture; /* while it is recorded */
    std::vector<size_t> tails;        /* the nodes that the next one follows */
};

struct Node {
    Operation operation;
    std::vector<size_t> after;
};

struct Capture {
    Stream *origin;
    cudaStreamCaptureMode mode;
    std::thread::id thread;
    bool broken = false, ended = false;
    std::vector<Node> nodes;
};

/* Behind a cudaGraph_t and a cudaGraphExec_t; launched work keeps the nodes alive. */
struct Graph {
    std::shared_ptr<const std::vector<Node>> nodes;
};

struct Allocation {
    size_t bytes;
    int device;
    char *pages; /* what is allowed and forbidden with it */
    size_t page_bytes;
};

/* The switches of fake_cuda.h. */
struct Switches {
    bool eager = false, sticky = false, no_driver = false, leaks = false;
    size_t fail = 0, hang = 0, memory = size_t(1) << 30;
    int devices = 1, capability = 90;
};

struct State {
    std::mutex lock;
    std::condition_variable idle; /* a busy stream is busy no more */
    Switches switches;
    size_t calls_to_fail = 0, records_to_hang = 0; /* counted since the last reset */
    cudaError_t stuck = cudaSuccess;               /* the sticky error */
    fake_cuda_counters counters = {};
    std::vector<fake_cuda_record> timeline;
    std::map<char *, Allocation> device_memory;
    std::map<char *, size_t> pinned_memory;
    std::vector<std::shared_ptr<Stream>> streams;
    std::map<int, std::shared_ptr<Stream>> default_streams;
    std::map<void *, std::shared_ptr<Event>> events;
    std::set<Graph *> graphs, executables;
    std::vector<std::shared_ptr<Capture>> captures;
    std::map<std::pair<int, const void *>, size_t> allowed; /* shared memory, by device and kernel */
    Progress launched, seen;                                /* batches, by stream */
    int next_stream = 0;
};

State &state();
[[noreturn]] __attribute__((format(printf, 1, 2))) void die(const char *format, ...);

/* One call of the runtime. `failing` is the error with which it fails when it is the one to fail. */
class Call
{
  public:
    explicit Call(cudaError_t failing = cudaErrorLaunchFailure);
    /* The call must return end(...) at once, without doing anything. */
    bool refused() const
    {
        return error != cudaSuccess;
    }
    /* As refused, but a failure that was asked for comes after the work. */
    bool refused_to_release() const
    {
        return error != cudaSuccess && !injected;
    }
    /* A call that CUDA forbids while a capture goes on: breaks the capture. */
    bool forbidden_by_capture();
    cudaError_t end(cudaError_t e = cudaSuccess);
    std::unique_lock<std::mutex> hold;

  private:
    cudaError_t error = cudaSuccess;
    bool injected = false;
};

int current_device();
cudaDeviceProp device_properties(); /* of the current one */
void set_current_device(int device);
/* In a host function's thread: CUDA's calls are forbidden there. */
void set_in_host_function(bool in);

/* memory.cpp: device memory is open to this process while a Window exists. */
class Window
{
  public:
    Window();
    ~Window();
    Window(const Window &) = delete;
    Window &operator=(const Window &) = delete;
};
/* And closed again, whatever windows there are, while a Shutter exists: whenever the lock is let go of inside a call.
 */
class Shutter
{
  public:
    Shutter();
    ~Shutter();
    Shutter(const Shutter &) = delete;
    Shutter &operator=(const Shutter &) = delete;

  private:
    int shut;
};
/* Whether [at, at + bytes) is device memory; ends the process if it is partly, or was. */
bool on_device(const void *at, size_t bytes, const char *what);
bool is_pinned(const void *at, size_t bytes);

size_t device_memory_in_use(int device);

/* streams.cpp */
std::shared_ptr<Stream> stream_of(cudaStream_t handle);
/* Queues, or records while the stream is captured; counts what is queued. */
cudaError_t push(Call &c, const std::shared_ptr<Stream> &s, Operation &&o);
void execute(Call &c, const Operation &o);
/* Runs the first operation of a stream, or of one that it waits for. False if there is none, or it hangs. */
bool step(Call &c, Stream &s);
/* Runs all there is; ends the process if something hangs. */
void finish(Call &c, Stream &s);
void finish_device(Call &c);

/* timeline.cpp */
void count(const Operation &o, Stream &s);
void count_wait(fake_cuda_what what, const Stream *s, const void *event);
void host_has_seen(const Progress &p);
void merge(Progress &into, const Progress &from);

/* graphs.cpp */
cudaError_t capture_operation(Stream &s, Operation &&o);
/* An event recorded in a capture marks a place there; a stream that waits for such an event joins its capture. */
void capture_record(Stream &s, Event &e);
cudaError_t capture_wait(Stream &s, const Event &e);
/* Runs a graph's nodes in an order that their edges allow: as recorded if eager, else as unlike it as can be. */
void run_nodes(Call &c, const std::vector<Node> &nodes);

} // namespace fake
