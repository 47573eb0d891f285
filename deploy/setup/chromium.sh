#!/bin/sh
# Debian's Chromium, for the tests that look at the dashboards' preview in a browser. Those are skipped without one, and
# say so: that it cannot be had is no error here.
set -eu
command -v chromium >/dev/null && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "no Chromium, and no right to install one: the preview will not be looked at in a browser"
    exit 0
fi
echo "installing Debian's Chromium, in which the preview is looked at"
apt-get --quiet=2 update &&
    DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 install --no-install-recommends chromium >/dev/null ||
    echo "Chromium could not be installed: the preview will not be looked at in a browser"
