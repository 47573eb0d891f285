#!/bin/sh
# Builds the wheel, installs it with the locked dependencies into an empty environment, and runs it from elsewhere.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
mkdir "$work/source"
cp -R pyproject.toml README.md chaos dashboards exporters loadgen report warren "$work/source/"
.venv/bin/python -m pip wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir "$work" "$work/source"
.venv/bin/python -m venv --without-pip "$work/venv"
.venv/bin/python -m pip --python "$work/venv/bin/python" install --quiet --disable-pip-version-check --no-deps \
    --require-hashes --only-binary :all: --requirement requirements/runtime.lock
.venv/bin/python -m pip --python "$work/venv/bin/python" install --quiet --disable-pip-version-check --no-deps \
    --no-index "$work"/*.whl
cd /
"$work/venv/bin/warren" --help >/dev/null
"$work/venv/bin/warren" --version
echo "the wheel works outside the checkout"
