#!/bin/sh
# Builds the plan check and its stand-in driver with a CUDA toolkit, and runs it.
# usage: [CC=gcc] run.sh TOOLKIT FOLDER [--quick] [--verbose] [--jobs N] [--device TEXT]
#   TOOLKIT   a folder with include/ and lib64/ of CUDA 13 and cuDNN 9, e.g. the one that tools/deps_cuda.py prints
#   FOLDER    where the program and the stand-in go
set -eu
[ $# -ge 2 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
toolkit=$1
folder=$2
shift 2
here=$(CDPATH= cd -- "$(dirname "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../../.." && pwd)

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
toolkit=$(cd "$toolkit" && pwd)
sh "$here/stand_in.sh" "$toolkit" "$folder/stand-in"
cd "$root"
${CC:-gcc} -std=gnu11 -O1 -g -D_GNU_SOURCE -Wall -Wextra -I. -Itests/cuda/plans -isystem "$toolkit/include" \
    tests/cuda/plans/plans.c tests/cuda/plans/cases.c tests/cuda/plans/devices.c tests/cuda/plans/spread.c \
    cuda/dnn.c cuda/dnn_choose.c cuda/dnn_graph.c cuda/dnn_layers.c cuda/dnn_target.c base/err.c engine/precision.c \
    -o "$folder/plans" -L"$toolkit/lib64" -lcudnn -lcudart_static -ldl -lrt -lpthread
LD_LIBRARY_PATH="$folder/stand-in:$toolkit/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$folder/plans" "$@"
