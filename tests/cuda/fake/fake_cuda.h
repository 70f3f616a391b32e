/* fake_cuda.h - what a test sees of the fake CUDA runtime: switches, counters, a timeline, leaks.
 *
 * Programs link the files of this folder and of ../emulator in place of libcudart. Device memory is host memory that
 * host code cannot touch (it ends the process), queued work runs late, and mistakes that CUDA leaves undefined end the
 * process with status 98 and a line that begins with "fake cuda:".
 *
 * The environment, read at the first call:
 *   SPECTRAD_FAKE_STREAMS=lazy|eager   work runs when something waits for it (the default), or at once
 *   SPECTRAD_FAKE_FAIL=n               the n-th fallible call fails, as that call may: for want of memory, or for what
 *                                      earlier work did. Calls that release do so all the same
 *   SPECTRAD_FAKE_STICKY=1             then so do all later ones, with cudaErrorIllegalAddress
 *   SPECTRAD_FAKE_HANG=n               from the n-th recorded event on, streams stop there. Polling sees
 * cudaErrorNotReady for ever; waiting is reported, for it would never end SPECTRAD_FAKE_MEMORY=bytes         of each
 * device (1 GiB) SPECTRAD_FAKE_DEVICES=n|driver     how many (1; 0: cudaErrorNoDevice), or cudaErrorInsufficientDriver
 * everywhere SPECTRAD_FAKE_CAPABILITY=75|80|86|89|90|100|120   which GPU they imitate (90) SPECTRAD_FAKE_LEAKS=1 what
 * was not released is reported at exit, with status 98
 *
 * Fallible calls are all but cudaGetLastError, cudaPeekAtLastError, the two versions and the texts of errors.
 *
 * Threading: any thread, any time. C and C++.
 */
#pragma once
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sets one of the switches above from now on: fake_cuda_set("FAIL", "3"). Counting of calls and events begins anew. */
void fake_cuda_set(const char *name, const char *value);

/* Forgets counters and the timeline, the call to fail, an error that sticks, and lets streams that hang go on. What was
 * allocated stays. */
void fake_cuda_reset(void);

/* Queues a function as if it were a kernel: it may touch device memory, and takes part in captures and counters. For
 * doubles of libraries that launch kernels of their own. `bytes` of arguments are copied; name must live on. Returns a
 * cudaError_t; stream is a cudaStream_t. */
int fake_cuda_queue(void *stream, const char *name, void (*function)(const void *arguments), const void *arguments,
                    size_t bytes);

struct fake_cuda_counters {
    size_t bytes_up, bytes_down; /* that were asked for, each time a graph is launched */
    size_t allocations;          /* device and pinned */
    size_t device_syncs;         /* cudaDeviceSynchronize, cudaFree, cudaFreeHost */
    size_t calls;                /* fallible ones */
    size_t most_in_flight;       /* batches (a graph, or the kernels of a stream between two events) that were launched
                                  * and that the host had not yet seen the end of */
};
void fake_cuda_count(struct fake_cuda_counters *out);

enum fake_cuda_what {
    FAKE_CUDA_UP,
    FAKE_CUDA_DOWN,
    FAKE_CUDA_COPY, /* device to device, host to host */
    FAKE_CUDA_FILL,
    FAKE_CUDA_KERNEL,
    FAKE_CUDA_GRAPH, /* followed by what is in it */
    FAKE_CUDA_HOST,  /* a host function */
    FAKE_CUDA_RECORD,
    FAKE_CUDA_WAIT,        /* a stream waits for an event */
    FAKE_CUDA_SYNC_EVENT,  /* the host does; also a query that said yes */
    FAKE_CUDA_SYNC_STREAM, /* or for a stream */
    FAKE_CUDA_SYNC_DEVICE
};

struct fake_cuda_record {
    enum fake_cuda_what what;
    const void *stream, *event; /* the handles; NULL where there is none */
    size_t bytes;
    const char *name; /* of a kernel, else "" */
};
/* What the host asked for, in its order, whenever it ran. Copies up to `most` records from the `first` on; returns how
 * many there are in all. */
size_t fake_cuda_timeline(size_t first, struct fake_cuda_record *out, size_t most);

/* Device and pinned memory, streams, events, graphs that were not released: a line each on stderr; how many. */
size_t fake_cuda_leaks(void);

#ifdef __cplusplus
}
#endif
