/* cuda.h - the CUDA engine, for main's list of backends. */
#pragma once
#include "engine/engine.h"

extern const struct engine_backend cuda_engine;
