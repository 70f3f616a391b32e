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
SUFFIX   := $(if $(SAN),$(suffix_$(SAN)),)$(if $(findstring clang,$(CC)),-clang)
BUILD    := build$(SUFFIX)

PACKAGES := libmicrohttpd libcjson gdal inih nettle
CPPFLAGS += -I. -D_GNU_SOURCE -DSPECTRAD_VERSION='"$(VERSION)"' $(shell pkg-config --cflags-only-I $(PACKAGES))
OPTIMIZE ?= -O2
CFLAGS   ?= -g
CFLAGS   += -std=gnu11 $(OPTIMIZE) -fno-math-errno -fno-trapping-math -pthread -fstack-protector-strong \
            -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings \
            -Wvla -Wno-missing-field-initializers
CPPFLAGS += $(if $(SAN),,-D_FORTIFY_SOURCE=2)
ifdef WERROR
CFLAGS   += -Werror
endif
ifdef SAN
CFLAGS   += -fsanitize=$(SAN) -fno-omit-frame-pointer $(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=undefined)
LDFLAGS  += -fsanitize=$(SAN)
endif
LDLIBS   += $(shell pkg-config --libs $(PACKAGES)) -lm -pthread

BASE     := err log clock number sample option
MODEL    := safetensors package metadata network fold preprocess
SCENE    := gdal envi_header tiff_check cube cube_describe spectral validity label_raster area
ENGINE   := block precision scheduler
CPU      := cpu plain plain_layers
PROTO    := query accept problem result
PIPELINE := classify lines label_map encode
SERVER   :=
CLI      :=

LIBRARY  := $(wildcard base/*.c model/*.c scene/*.c engine/*.c cpu/*.c proto/*.c pipeline/*.c server/*.c cli/*.c)
LIBRARY  := $(filter-out server/main.c,$(LIBRARY))
OBJECTS  := $(LIBRARY:%.c=$(BUILD)/%.o)
SUPPORT  := $(wildcard tests/unit/support/*.c)
UNITS    := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))

all: $(BUILD)/spectrad

$(BUILD)/spectrad: $(BUILD)/server/main.o $(BUILD)/libspectrad.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/libspectrad.a: $(OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$*) -MMD -MP -c -o $@ $<

# One instruction set a file: the same kernels, compiled for each.
ifeq ($(shell $(CC) -dumpmachine | cut -d- -f1),x86_64)
CFLAGS_cpu/kernels_avx2   := -mavx2 -mfma
CFLAGS_cpu/kernels_avx512 := -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma
endif

$(BUILD)/tests/%: $(BUILD)/tests/unit/%.o $(SUPPORT:%.c=$(BUILD)/%.o) $(BUILD)/libspectrad.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

units: $(UNITS:%=$(BUILD)/tests/%)

# ---- what a person types --------------------------------------------------------------------------------------------
help:
	@echo 'make            build $(BUILD)/spectrad'
	@echo 'make demo       start the daemon, post the demo scene, show the label map'
	@echo 'make test       all tests; TEST=name runs those whose name holds it'
	@echo 'make bench      spectrad beside PyTorch and ONNX Runtime (installs them into build/bench-venv)'
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
	install -m 644 README.md CHANGELOG.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/spectrad
	install -m 644 config/spectrad.conf $(DESTDIR)$(PREFIX)/share/spectrad/spectrad.conf

print-library:
	@echo $(LIBRARY)

# ---- tests ----------------------------------------------------------------------------------------------------------
# The plain build runs everything; the sanitizers run every unit, and of the daemon's tests a sample of the pixels.
TSAN_UNITS := test_scheduler test_cpu_engine test_log
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
	@$(RUN) --label plain --build build --units $(UNITS:%=build/tests/%) --pytest tests/source tests/tools tests/e2e
	@SPECTRAD_TEST_SAMPLE=1 $(RUN) --label asan+ubsan --build build-asan --units $(UNITS:%=build-asan/tests/%) --pytest tests/e2e
	@SPECTRAD_TEST_SAMPLE=1 $(RUN) --label tsan --build build-tsan --units $(TSAN_UNITS:%=build-tsan/tests/%) --pytest tests/e2e

check:
	@$(PYTHON) tests/layers.py
	@clang-format --dry-run -Werror $(LIBRARY) server/main.c $(wildcard */*.h tests/unit/*.c tests/unit/support/*.[ch])

tidy:
	clang-tidy --quiet $(LIBRARY) server/main.c -- $(CPPFLAGS) -std=gnu11

bench: all
	@test -x build/bench-venv/bin/python || $(PYTHON) -m venv build/bench-venv
	@build/bench-venv/bin/pip install -q -r bench/requirements.txt
	@build/bench-venv/bin/python bench/table.py --program $(BUILD)/spectrad $(if $(MODEL),--model $(MODEL)) \
	    --markdown build/bench.md --json build/bench.json

clean:
	rm -rf build build-* demo/out

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: print-library all units help deps demo install test suites check tidy bench clean
.SECONDARY:
