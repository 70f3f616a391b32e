#!/bin/sh
# Writes libcuda.so.1, a driver that loads kernels into nothing, for programs that only build cuDNN plans.
# usage: stand_in.sh TOOLKIT FOLDER      TOOLKIT holds include/cuda.h and the stub libcuda.so
# Never put FOLDER on a library path outside the plan check: it hides the machine's driver.
set -eu
toolkit=$1
folder=$2
here=$(dirname "$0")
refuse() { echo "stand_in.sh: $1" >&2; exit 1; }

stub=
for candidate in "$toolkit"/lib64/stubs/libcuda.so "$toolkit"/lib/stubs/libcuda.so; do
    [ -z "$stub" ] && [ -e "$candidate" ] && stub=$candidate
done
[ -e "$toolkit/include/cuda.h" ] || refuse "$toolkit/include/cuda.h is missing: give the folder of a CUDA toolkit"

mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
${CC:-gcc} -std=gnu11 -O1 -fPIC -Wall -Wextra -I"$toolkit/include" -c "$here/stand_in.c" -o "$work/answers.o"
nm --defined-only "$work/answers.o" | awk '$2 == "T" { print $3 }' | sort -u >"$work/answered"

# Every other entry: what the stub library exports, or each name in the headers where the toolkit has no stub.
if [ -n "$stub" ]; then
    nm -D --defined-only "$stub" | awk '($2 == "T" || $2 == "W") && $3 ~ /^cu/ { print $3 }'
else
    grep -ohE '\bcu[A-Z][A-Za-z0-9]*(_v[0-9]+)?(_ptsz|_ptds)?\b' \
        "$toolkit/include/cuda.h" "$toolkit"/include/cuda[EGV]*.h
fi | sort -u | comm -23 - "$work/answered" |
    awk '{ print "int " $1 "(void);\nint " $1 "(void) { return 34; }" }' >"$work/others.c"

${CC:-gcc} -O1 -fPIC -shared -fno-builtin -Wl,-soname,libcuda.so.1 \
    "$work/others.c" "$work/answers.o" -o "$folder/libcuda.so.1"
