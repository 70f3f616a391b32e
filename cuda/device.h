/* device.h - one GPU: its streams, the memory of its two slots, and the models that lie in it. The engine's own state;
 * only engine.c, slot.c, model.c and device.c see it.
 *
 * A slot is what one piece needs of its own while it is under way: staging in pinned memory, samples and answers on the
 * device. With two of them the next piece is sent up, and the last one's answers come down, while one is computed.
 *
 *   up       samples -> device                    uploaded
 *   compute            uploaded, the stages                  computed
 *   down                                                     computed, answers -> pinned    answered
 *
 * Working memory is that of the model that needs most, shared by all: the compute stream has one piece at a time.
 * Threading: as engine.h; every entry makes the device current for its thread.
 */
#pragma once
#include "cuda/check.h"
#include "cuda/plan.h"
#include "engine/engine.h"

enum { SLOTS = 2, BATCHES = 3 /* sizes of a piece for which a graph is held: 1, 1/4, 1/16 */ };

struct slot {
    cudaEvent_t uploaded, computed, answered;
    char *head;           /* pinned: struct cuda_piece, then valid */
    void *samples;        /* pinned */
    char *device_head;    /* as head */
    void *device_samples; /* PLAN_SAMPLES */
    uint8_t *labels, *device_labels;
    float *confidence, *device_confidence;
    float *logits, *device_logits;
    const struct engine_task *task; /* under way; NULL: free */
    struct cuda_piece piece;
    int line, column; /* of the piece in its block */
};

struct engine {
    int ordinal;
    char name[96];
    char architecture[16]; /* "sm_90" */
    enum precision precision;
    struct plan_device device;
    uint64_t memory; /* may be taken; bytes */
    cudaStream_t up, compute, down;
    struct slot slots[SLOTS];
    size_t slot_bytes; /* on the device, of one slot */
    char *work;
    size_t work_bytes;
    double *map, *device_map;       /* pinned and device: weight (PLAN_MAP), bias (K) */
    int map_K, map_B, map_diagonal; /* what lies there; K 0: nothing */
    struct engine_model *models;
    uint64_t weight_bytes;
    bool lost; /* a sticky error: nothing will run any more */
};

struct engine_model {
    struct engine_model *next;
    struct cuda_network network;
    void *weights;
    size_t weight_bytes;
    struct plan plan;
    struct cuda_launch batch[BATCHES]; /* the launches of each graph */
    cudaGraphExec_t graph[SLOTS][BATCHES];
};

enum { HEAD_VALID = 256, HEAD_BYTES = HEAD_VALID + (1 << 16), MOST_CENTRES = 4096 };

/* Streams, events and the slots' memory. *x is closed on failure by the caller. */
int device_open(struct engine *x, struct err *e);
void device_close(struct engine *x);

/* As cuda_check; remembers an error that sticks. */
int device_check(struct engine *x, cudaError_t status, const char *what, struct err *e);

/* The arrays that a piece of slot s works on. */
struct cuda_buffers device_buffers(const struct engine *x, const struct engine_model *m, int s);

/* Sends a piece of the task's block on its way; the slot is free. */
int slot_send(struct engine *x, int s, const struct engine_task *t, int line, int column, int lines, int columns,
              struct err *e);
/* Waits for the slot's piece, if there is one, and puts its answers into the block. */
int slot_receive(struct engine *x, int s, struct err *e);

/* The graphs of a model, after its plan or the working memory changed. */
int model_capture(struct engine *x, struct engine_model *m, struct err *e);
void model_release_graphs(struct engine_model *m);
