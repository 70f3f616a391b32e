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

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: all units
.SECONDARY:
