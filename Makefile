# spectrad - make demo, make test; CONTRIBUTING.md has the rest.
#   SAN=address|undefined|thread|address,undefined   CC=gcc|clang   WERROR=1   PREFIX= DESTDIR=   TEST=name

CC       ?= gcc
ifeq ($(origin CC),default)
CC       := gcc
endif
PYTHON   ?= /usr/bin/python3
PREFIX   ?= /usr/local
VERSION  := 0.1.0

SAN      ?=
empty    :=
suffix_address           := -asan
suffix_undefined         := -ubsan
suffix_thread            := -tsan
suffix_address,undefined := -asan
ifneq ($(SAN),)
ifeq ($(suffix_$(SAN)),)
$(error SAN=$(SAN) is not known; give address, undefined, thread or address,undefined)
endif
endif
SUFFIX   := $(if $(SAN),$(suffix_$(SAN)),)$(if $(findstring clang,$(CC)),-clang)
BUILD    := build$(SUFFIX)

PACKAGES := libmicrohttpd libcjson gdal inih nettle
OURS_DEFINES := -I. -D_GNU_SOURCE -DSPECTRAD_VERSION='"$(VERSION)"' $(shell pkg-config --cflags-only-I $(PACKAGES))
OPTIMIZE ?= -O2
CFLAGS   ?= -g
# CFLAGS and LDFLAGS are the user's, OURS the program's: one given on the command line takes nothing away.
OURS     := -std=gnu11 $(OPTIMIZE) -fno-math-errno -fno-trapping-math -pthread -fstack-protector-strong \
            -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings \
            -Wvla -Wno-missing-field-initializers
OURS_DEFINES += $(if $(SAN),,-D_FORTIFY_SOURCE=2)
ifdef WERROR
OURS     += -Werror
endif
ifneq ($(SAN),)
OURS     += -fsanitize=$(SAN) -fno-omit-frame-pointer $(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=undefined)
OURS_LINK := -fsanitize=$(SAN)
endif
OURS_LIBS := $(shell pkg-config --libs $(PACKAGES)) -lm -pthread

# Every source is named here; a test holds the list against the folders.
BASE     := clock err file json log number option option_help option_value sample text
MODEL    := checkpoint fold metadata network package palette preprocess safetensors safetensors_values
ENGINE   := block precision scheduler scheduler_feed scheduler_job scheduler_queue select
SCENE    := area crs cube cube_describe cube_find cube_read envi_header envi_text envi_values gdal_setup \
            gdal_source label_raster sniff spectral tiff_check truth_raster validity wavelength
CPU      := copy cores decide fast head isa kernels_avx2 kernels_avx512 kernels_neon kernels_sse2 pack patch \
            peak plain plain_layers plain_trace pool share strip work
PROTO    := accept json_writer multipart package_json problem query result
PIPELINE := classify encode label_map lines statistics strips summary
SERVER   := acceptor admission answer config connections descriptors exposition guard http leftover listen metrics models monitor \
            notify request routes server spool upload work workers
CLI      := bench bench_scene classify cli describe inspect leftover output progress report session version
LIBRARY  := $(foreach room,base model engine scene cpu proto pipeline server cli,\
                $(patsubst %,$(room)/%.c,$($(shell echo $(room) | tr a-z A-Z))))
OBJECTS  := $(LIBRARY:%.c=$(BUILD)/%.o)
SUPPORT  := engine_run envi_file expect fake_engine filter kernels_16x12 kernels_4x12 package_draft \
            package_expect random random_block random_network scheduler_fixture scratch test_kernels tiff_file
UNITS    := test_accept test_area test_block test_config test_cpu_bits test_cpu_engine test_cpu_entry \
            test_cpu_kernels test_cpu_layers test_cpu_plain test_cpu_share test_cpu_threads test_cube_envi \
            test_cube_files test_cube_hostile test_cube_mask test_cube_scenes test_cube_tiff test_envi_header test_envi_storm \
            test_err test_gdal_source test_guard test_json test_json_writer test_label_raster test_log \
            test_metadata test_multipart test_network test_number test_option test_output test_package \
            test_preprocess test_problem test_query test_request_storm test_result test_safetensors \
            test_scheduler test_scheduler_ends test_select test_spectral test_spool test_validity test_workers

# V=1 shows the commands.
Q        := $(if $(V),,@)
say       = $(if $(V),@:,@printf '%-5s %s\n' $(1) $@)

all: $(BUILD)/spectrad

MAIN     := $(BUILD)/server/main.o
include cuda/cuda.mk

$(BUILD)/spectrad: $(MAIN) $(BUILD)/libspectrad.a
	$(call say,LINK)
	$(Q)$(CC) $(OURS) $(CFLAGS) $(OURS_LINK) $(LDFLAGS) -o $@ $^ $(OURS_LIBS) $(LDLIBS)

$(BUILD)/libspectrad.a: $(OBJECTS)
	@rm -f $@
	$(call say,AR)
	$(Q)ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(OURS_DEFINES) $(CPPFLAGS) $(OURS) $(CFLAGS) $(CFLAGS_$*) -MMD -MP -c -o $@ $<

# The engine's loops are worth more to the optimiser; validity runs over every sample (0.2 ns instead of 1.0 an int16).
$(foreach name,$(CPU),$(eval CFLAGS_cpu/$(name) := -O3))
CFLAGS_scene/validity := -O3
# One instruction set a file: the same kernels, compiled for each. They touch one thread's memory alone and call nothing, so the thread
# sanitizer has nothing to see there and makes them ten times slower.
KERNELS := $(filter kernels_%,$(CPU))
ifeq ($(shell $(CC) -dumpmachine | cut -d- -f1),x86_64)
CFLAGS_cpu/kernels_avx2   += -mavx2 -mfma
CFLAGS_cpu/kernels_avx512 += -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma
endif
ifeq ($(SAN),thread)
$(foreach name,$(KERNELS),$(eval CFLAGS_cpu/$(name) += -fno-sanitize=thread))
endif
# Wider vectors than the machine's are split, and pass no call that is not inlined.
CFLAGS_tests/unit/support/kernels_16x12 := -Wno-psabi

$(BUILD)/tests/%: $(BUILD)/tests/unit/%.o $(SUPPORT:%=$(BUILD)/tests/unit/support/%.o) $(BUILD)/libspectrad.a
	$(call say,LINK)
	$(Q)$(CC) $(OURS) $(CFLAGS) $(OURS_LINK) $(LDFLAGS) -o $@ $^ $(OURS_LIBS) $(LDLIBS) -lcmocka

units: $(UNITS:%=$(BUILD)/tests/%)

# ---- what a person types --------------------------------------------------------------------------------------------
help:
	@echo 'make            build $(BUILD)/spectrad'
	@echo 'make demo       start the daemon, post the demo scene, show the label map'
	@echo 'make test       all tests; TEST=name runs those whose name holds it'
	@echo 'make bench      spectrad beside PyTorch and ONNX Runtime (installs them into build/bench-venv)'
	@echo 'make bench-overhead  what the daemon adds to the engine'
	@echo 'make install    PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo 'make deps       install from Debian what building and testing need'
	@echo 'make check      layers, formatting; make tidy: clang-tidy; make clean'

deps:
	@sh tests/deps.sh

demo: deps
	@$(MAKE) $(JOBS) --no-print-directory all
	@PYTHON=$(PYTHON) sh demo/run.sh $(BUILD)/spectrad

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/doc/spectrad $(DESTDIR)$(PREFIX)/share/spectrad
	install -m 755 $(BUILD)/spectrad $(DESTDIR)$(PREFIX)/bin/spectrad
	install -d $(DESTDIR)$(PREFIX)/share/doc/spectrad/docs
	install -m 644 README.md CHANGELOG.md LICENSE proto/openapi.yaml $(DESTDIR)$(PREFIX)/share/doc/spectrad
	install -m 644 $(wildcard docs/*.md) $(DESTDIR)$(PREFIX)/share/doc/spectrad/docs
	install -m 644 config/spectrad.conf $(DESTDIR)$(PREFIX)/share/spectrad/spectrad.conf

print-library:
	@echo $(LIBRARY)

# ---- tests ----------------------------------------------------------------------------------------------------------
# The plain build runs everything; the sanitizers run every unit, and of the daemon's tests a sample of the pixels.
TSAN_UNITS := test_scheduler test_scheduler_ends test_log test_cpu_threads test_cpu_bits test_cpu_share test_workers
TALLY      := build/tally
RUN        := $(PYTHON) tests/run.py --tally $(TALLY)

test: deps
	@mkdir -p build && rm -f $(TALLY)
	@$(MAKE) $(JOBS) --no-print-directory all units
	@$(MAKE) $(JOBS) --no-print-directory SAN=address,undefined all units
	@$(MAKE) $(JOBS) --no-print-directory SAN=thread all $(TSAN_UNITS:%=build-tsan/tests/%)
	@$(MAKE) --no-print-directory suites
	@$(PYTHON) tests/run.py --total $(TALLY)

suites:
	@$(RUN) --label plain --build build --units $(UNITS:%=build/tests/%) $(CUDA_UNITS:%=build/tests/%) --pytest tests/source tests/tools tests/e2e
	@SPECTRAD_TEST_SAMPLE=1 $(RUN) --label asan+ubsan --build build-asan --units $(UNITS:%=build-asan/tests/%) --pytest tests/e2e
	@SPECTRAD_TEST_SAMPLE=1 $(RUN) --label tsan --build build-tsan --units $(TSAN_UNITS:%=build-tsan/tests/%) \
	    --pytest $(wildcard tests/e2e/test_*http*.py)

check:
	@$(PYTHON) tests/layers.py
	@clang-format --dry-run -Werror $(LIBRARY) server/main.c $(wildcard */*.h tests/unit/*.c tests/unit/support/*.[ch])

tidy:
	clang-tidy --quiet $(LIBRARY) server/main.c -- $(OURS_DEFINES) -std=gnu11

bench: all
	@test -x build/bench-venv/bin/python || $(PYTHON) -m venv build/bench-venv
	@build/bench-venv/bin/pip install -q -r bench/requirements.txt
	@build/bench-venv/bin/python bench/table.py --program $(BUILD)/spectrad $(if $(MODEL),--model $(MODEL)) \
	    --markdown build/bench.md --json build/bench.json

bench-overhead: all
	@$(PYTHON) bench/overhead.py --program $(BUILD)/spectrad $(if $(MODEL),--model $(MODEL)) $(if $(SCENE),--scene $(SCENE)) \
	    --most 1.1

clean:
	rm -rf build build-* demo/out

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: print-library all units help deps demo install test suites check tidy bench bench-overhead clean
.SECONDARY:
