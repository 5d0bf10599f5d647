#!/usr/bin/env bash
# The browser tests drive the system's Chromium; install it where it is missing.
set -euo pipefail
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
if command -v apt-get >/dev/null; then
    run=""
    if [ "$(id -u)" -ne 0 ]; then run="sudo"; fi
    $run apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq chromium fonts-dejavu-core
else
    echo "Install Chromium (or Chrome) with your package manager, then run 'make test' again." >&2
    exit 1
fi
