#!/bin/sh
# run.sh - the demo: starts the daemon on a free port, posts the demo scene with curl, shows what comes back.
# usage: demo/run.sh [PROGRAM]     leaves demo/out/{result.json,labels.tif,labels.png,overview.png}
set -eu
program=${1:-build/spectrad}
python=${PYTHON:-/usr/bin/python3}
demo=$(dirname "$0")
out=$demo/out
work=$(mktemp -d)
daemon=
finish() {
    [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null && wait "$daemon"; } || echo "demo: the daemon did not end cleanly" >&2
    rm -rf "$work"
}
trap finish EXIT
mkdir -p "$out"

: >"$work/address" # there before the first look, however late the daemon comes to its redirection
"$program" serve --listen 127.0.0.1:0 --models "$demo/demo.safetensors" --spool "$work" >"$work/address" 2>"$work/log" &
daemon=$!
while ! grep -q 'listening on' "$work/address"; do
    kill -0 "$daemon" 2>/dev/null || { cat "$work/log" >&2; daemon=; exit 1; }
    sleep 0.1
done
url=$(sed -n 's/^listening on //p' "$work/address")

post() { # FORMAT FILE
    curl --silent --show-error --fail-with-body -H 'Content-Type: image/tiff' --data-binary @"$demo/scene.tif" \
        "$url/classify?format=$1" -o "$2" || { cat "$2" >&2; exit 1; }
}
echo "posting $demo/scene.tif to $url/classify"
post json "$out/result.json"
post geotiff "$out/labels.tif"
gdal_translate -q -of PNG -expand rgba --config GDAL_PAM_ENABLED NO "$out/labels.tif" "$out/labels.png"
"$python" "$demo/summary.py" "$demo" "$out"
