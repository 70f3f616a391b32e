# cuda.mk - the CUDA engine's part of the build. Included by the Makefile.
#   CUDA=0 leaves the engine out; CUDA_HOME=FOLDER is a toolkit; CUDA_ARCHS='75 80 90' are compute capabilities
#
# Kernels are compiled twice: by nvcc for the product, and by the C++ compiler for the emulator, which stands in for the device in the
# tests. No machine that builds this has had a GPU.

CUDA_HOME  ?= $(firstword $(wildcard build/toolkit) $(patsubst %/bin/nvcc,%,$(shell command -v nvcc 2>/dev/null)))
CUDA       ?= $(if $(SAN),0,$(if $(wildcard $(CUDA_HOME)/bin/nvcc),1,0))
# sm_80 code runs on 8.6 and 8.9, sm_100 on 10.3; what is newer than all of them compiles the PTX.
CUDA_ARCHS ?= 75 80 90 100 120

CUDA_HOST    := check device engine model narrow plan slot weights
CUDA_KERNELS := conv2 entry head mix preprocess res_net1 residual

ifneq ($(CUDA),1)
all: without-cuda
without-cuda:
	@$(if $(SAN),:,echo 'without the CUDA engine: no nvcc is here')
.PHONY: without-cuda
else

CUDA_INCLUDE := -isystem $(CUDA_HOME)/include
CUDA_GENCODE := $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$a,code=sm_$a) \
                -gencode arch=compute_$(lastword $(CUDA_ARCHS)),code=compute_$(lastword $(CUDA_ARCHS))
CUDA_OBJECTS := $(CUDA_HOST:%=$(BUILD)/cuda/%.o)
KERNEL_FOLDER := build/kernels-$(subst $(empty) $(empty),-,$(CUDA_ARCHS))
KERNEL_OBJECTS := $(CUDA_KERNELS:%=$(KERNEL_FOLDER)/%.o)
CUDA_LIBS    := -L$(CUDA_HOME)/lib64 -lcudart_static -ldl -lrt -lstdc++

$(foreach name,$(CUDA_HOST),$(eval CFLAGS_cuda/$(name) := $(CUDA_INCLUDE)))
# An object of its own, so that CUDA=0 and 1 do not meet the other's.
MAIN         := $(BUILD)/server/main-cuda.o
$(MAIN): server/main.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(OURS_DEFINES) -DSPECTRAD_CUDA $(CPPFLAGS) $(OURS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/spectrad: $(CUDA_OBJECTS) $(KERNEL_OBJECTS)
$(BUILD)/spectrad: OURS_LIBS += $(CUDA_LIBS)

$(KERNEL_FOLDER)/%.o: cuda/%.cu
	@mkdir -p $(@D)
	$(call say,NVCC)
	$(Q)$(CUDA_HOME)/bin/nvcc -std=c++17 -O3 -I. $(CUDA_GENCODE) -Werror all-warnings -MD -MP -MF $(@:.o=.d) -c -o $@ $<

-include $(KERNEL_OBJECTS:.o=.d)

# ---- the emulated device --------------------------------------------------------------------------------------------
EMULATED   := build/emulated
EMULATOR   := collectives copies faults fiber launch mma order schedule shared
FAKE       := copies device errors events graphs kernels memory state streams timeline
# The kernels see bytes as whatever they are; the host compiler must let them.
EMULATED_FLAGS := -std=c++17 -O2 -g -Wall -Wextra -Wshadow -Wno-unknown-pragmas -fno-strict-aliasing -pthread -I. $(CUDA_INCLUDE)
EMULATOR_CORE  := $(EMULATOR:%=$(EMULATED)/emulator/%.o)
DEVICE_DOUBLE  := $(EMULATOR_CORE) $(FAKE:%=$(EMULATED)/fake/%.o)
EMULATED_KERNELS := $(CUDA_KERNELS:%=$(EMULATED)/kernels/%.o)
CUDA_UNITS := test_matrix test_emulator test_fake test_fake_streams test_cuda_engine test_cuda_weights

$(EMULATED)/kernels/%.o: cuda/%.cu
	@mkdir -p $(@D)
	$(call say,EMU)
	$(Q)$(CXX) $(EMULATED_FLAGS) -include tests/cuda/emulator/emulator.h -MMD -MP -x c++ -c -o $@ $<

$(EMULATED)/tests/%.o: tests/cuda/%.cpp
	@mkdir -p $(@D)
	$(call say,EMU)
	$(Q)$(CXX) $(EMULATED_FLAGS) -include tests/cuda/emulator/emulator.h -MMD -MP -c -o $@ $<

$(EMULATED)/%.o: tests/cuda/%.cpp
	@mkdir -p $(@D)
	$(call say,EMU)
	$(Q)$(CXX) $(EMULATED_FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/test_matrix $(BUILD)/tests/test_emulator: $(BUILD)/tests/%: $(EMULATED)/tests/%.o $(EMULATOR_CORE)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CXX) -o $@ $^ -pthread

$(BUILD)/tests/test_fake $(BUILD)/tests/test_fake_streams: $(BUILD)/tests/%: $(EMULATED)/tests/%.o $(DEVICE_DOUBLE)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CXX) -o $@ $^ -pthread

$(BUILD)/tests/test_cuda_%: $(BUILD)/tests/cuda/test_cuda_%.o $(SUPPORT:%=$(BUILD)/tests/unit/support/%.o) $(CUDA_OBJECTS) \
    $(EMULATED_KERNELS) $(DEVICE_DOUBLE) $(BUILD)/libspectrad.a
	$(call say,LINK)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ $(OURS_LIBS) -lcmocka

# The product with the emulated device in the GPU's place.
$(BUILD)/spectrad-emulated: $(MAIN) $(CUDA_OBJECTS) $(EMULATED_KERNELS) $(DEVICE_DOUBLE) $(BUILD)/libspectrad.a
	$(call say,LINK)
	$(Q)$(CXX) $(LDFLAGS) -o $@ $^ $(OURS_LIBS)

units: $(CUDA_UNITS:%=$(BUILD)/tests/%) $(BUILD)/spectrad-emulated

endif

deps-cuda:
	@$(PYTHON) tools/deps_cuda.py --folder build/toolkit

cuda-plans:
	@sh tests/cuda/plans/run.sh $(CUDA_HOME) build/plans

.PHONY: deps-cuda cuda-plans
