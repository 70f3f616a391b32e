#include "cuda/dnn_internal.h"
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Loads a library that cuDNN will ask for by the same name, from the library path or from beside cuDNN itself. It stays
 * loaded, as cuDNN keeps it. */
static int load_companion(const char *name, struct err *e)
{
    char path[4096];
    Dl_info cudnn;
    if (dlopen(name, RTLD_NOW) != NULL)
        return 0;
    if (dladdr((const void *)cudnnGetVersion, &cudnn) != 0 && cudnn.dli_fname != NULL) {
        const char *slash = strrchr(cudnn.dli_fname, '/');
        int folder = slash == NULL ? 0 : (int)(slash + 1 - cudnn.dli_fname);
        int length = snprintf(path, sizeof path, "%.*s%s", folder, cudnn.dli_fname, name);
        if (length > 0 && (size_t)length < sizeof path && dlopen(path, RTLD_NOW) != NULL)
            return 0;
    }
    return err_set(e, ERR_DEVICE, "cuDNN cannot start: %s is neither on the library path nor beside libcudnn", name);
}

/* cuDNN links to neither: without cuBLASLt its heuristics abort the process, and without nvrtc they name no engine for
 * 16-bit operands and do not say why. */
static int load_companions(struct err *e)
{
    char name[32];
    static const char *const names[] = {"cublasLt", "nvrtc"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(name, sizeof name, "lib%s.so.%d", names[i], CUDART_VERSION / 1000);
        if (load_companion(name, e) != 0)
            return -1;
    }
    return 0;
}

/* cuDNN says "not initialized" for every reason; the runtime knows which. */
static int find_device(struct err *e)
{
    int count = 0;
    cudaError_t s = cudaGetDeviceCount(&count);
    if (s == cudaErrorInsufficientDriver || s == cudaErrorStubLibrary)
        return err_set(e, ERR_DEVICE, "cuDNN cannot start: no CUDA driver is on this machine, or it is too old");
    if (s == cudaErrorNoDevice || (s == cudaSuccess && count == 0))
        return err_set(e, ERR_DEVICE, "cuDNN cannot start: the CUDA driver finds no device");
    if (s != cudaSuccess)
        return err_set(e, ERR_DEVICE, "cuDNN cannot start: %s", cudaGetErrorString(s));
    return 0;
}

int dnn_open(struct dnn_target **out, size_t workspace_limit, struct err *e)
{
    *out = NULL;
    if (find_device(e) != 0 || load_companions(e) != 0)
        return -1;
    struct dnn_target *t = calloc(1, sizeof *t);
    if (t == NULL)
        return err_nomem(e);
    t->workspace_limit = workspace_limit;
    if (dnn_check(cudnnCreate(&t->handle), "cuDNN", "open", e) != 0) {
        t->handle = NULL;
        dnn_close(t);
        return -1;
    }
    *out = t;
    return 0;
}

int dnn_open_described(struct dnn_target **out, const char *properties, size_t workspace_limit, struct err *e)
{
    *out = NULL;
    if (load_companions(e) != 0)
        return -1;
    struct dnn_target *t = calloc(1, sizeof *t);
    if (t == NULL)
        return err_nomem(e);
    t->workspace_limit = workspace_limit;
    cudnnStatus_t s = cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &t->properties);
    if (s == CUDNN_STATUS_SUCCESS)
        s = cudnnBackendSetAttribute(t->properties, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                                     (int64_t)strlen(properties), properties);
    if (s == CUDNN_STATUS_SUCCESS)
        s = cudnnBackendFinalize(t->properties);
    if (dnn_check(s, "cuDNN", "device properties", e) != 0) {
        dnn_close(t);
        return -1;
    }
    *out = t;
    return 0;
}

void dnn_close(struct dnn_target *t)
{
    if (t == NULL)
        return;
    if (t->properties != NULL)
        cudnnBackendDestroyDescriptor(t->properties);
    if (t->handle != NULL)
        cudnnDestroy(t->handle);
    free(t);
}
