/* kernels.h - the launchers: each queues one stage of the network on a stream.
 *
 * Letters and layouts: shapes.h. A launcher only queues: errors of the launch come back, those of the run with an event
 * behind it. Nothing is allocated. Grids are fixed by the capacities, what is behind the piece's end returns at once:
 * the launches can be captured into a graph and replayed for any piece. Threading: any thread, one stream at a time.
 */
#pragma once
#include "cuda/shapes.h"
#include "engine/precision.h"
#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What of a device and of a plan the launchers need. */
struct cuda_launch {
    enum precision precision;
    int centres, pixels; /* capacities M and H */
    int group;           /* capacity G: patches between the residual stage and the head */
    int blocks, warps;   /* of the residual stage's grid; `middle` has room for so many blocks */
    int entry_warps;     /* of a block of the entries' stage */
    cudaStream_t stream;
};

/* The stages of a piece, in their order; from cuda_residual on for patches first..first + G, group by group. */
cudaError_t cuda_preprocess(const struct cuda_network *, const struct cuda_buffers *, const struct cuda_launch *);
cudaError_t cuda_entries(const struct cuda_network *, const struct cuda_buffers *, const struct cuda_launch *);
cudaError_t cuda_entry_sums(const struct cuda_network *, const struct cuda_buffers *, const struct cuda_launch *);
cudaError_t cuda_mix(const struct cuda_network *, const struct cuda_buffers *, const struct cuda_launch *);
cudaError_t cuda_residual(const struct cuda_network *, const struct cuda_buffers *, const struct cuda_launch *,
                          int first);
cudaError_t cuda_conv2(const struct cuda_network *, const struct cuda_buffers *, const struct cuda_launch *, int first);
cudaError_t cuda_head(const struct cuda_network *, const struct cuda_buffers *, const struct cuda_launch *, int first);

/* Bytes of shared memory of a block of a stage. */
size_t cuda_entry_memory(const struct cuda_shapes *s, enum precision p, int warps);
size_t cuda_residual_memory(const struct cuda_shapes *s, enum precision p, int warps);
size_t cuda_head_memory(const struct cuda_shapes *s, enum precision p);
/* Rows (of W elements) of `middle` that a block of the residual stage needs; all zeros before the first launch. */
size_t cuda_residual_rows(const struct cuda_shapes *s, int warps);

/* Let the stages' kernels have that much: once for each model. */
cudaError_t cuda_entry_prepare(const struct cuda_shapes *s, const struct cuda_launch *l);
cudaError_t cuda_residual_prepare(const struct cuda_shapes *s, const struct cuda_launch *l);
cudaError_t cuda_head_prepare(const struct cuda_shapes *s, const struct cuda_launch *l);

#ifdef __cplusplus
}
#endif
