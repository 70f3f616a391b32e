#!/bin/sh
# deps.sh - installs what building, testing and the demo need from Debian's packages: says what first, does nothing where all is there.
set -eu
packages="gcc libc6-dev pkg-config libmicrohttpd-dev libcjson-dev libgdal-dev libinih-dev nettle-dev libcmocka-dev
gdal-bin curl python3 python3-pytest python3-numpy python3-gdal python3-rasterio python3-requests python3-pil python3-yaml"
missing=""
for package in $packages; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=absent
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "deps: installing with apt-get:$missing"
sudo=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "deps: not root and no sudo; run as root: apt-get install$missing" >&2
        exit 1
    }
    sudo=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q
# shellcheck disable=SC2086  # a list of words
$sudo apt-get install -q -y --no-install-recommends $missing
