/* check.h - every CUDA call's answer becomes an error of ours, with what was being done.
 *
 * Some errors stick: the context is gone, every later call fails the same, only a new process helps
 * (cuda_is_sticky). Threading: any thread.
 */
#pragma once
#include "base/err.h"
#include <cuda_runtime_api.h>
#include <stdbool.h>

/* 0 if status is cudaSuccess; else -1 with ERR_NOMEM (no device memory) or ERR_DEVICE: "the GPU failed while WHAT:
 * NAME". what: "uploading the weights". */
int cuda_check(cudaError_t status, const char *what, struct err *e);

/* True for errors after which nothing of this process will run on the device any more. */
bool cuda_is_sticky(cudaError_t status);
