#!/bin/sh
# Builds the wheel, installs it with the locked dependencies into an empty environment, and runs it from elsewhere.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
mkdir "$work/source"
cp deploy/topology.yml "$work/topology.yml"
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
# As a host for load runs it, against a port on which nobody listens: that is what it has to tell, and not that
# some file of the checkout is missing.
echo secret >"$work/password"
status=0
told=$(WARREN_STATE="$work/state" "$work/venv/bin/warren" load run work --url amqp://127.0.0.1:9 --user load \
    --password-file "$work/password" --topology "$work/topology.yml" --rate 10 --duration 1s 2>&1) || status=$?
case "$status $told" in
[34]*127.0.0.1:9*) ;;
*) echo "a load run outside the checkout ended with $status: $told" && exit 1 ;;
esac
echo "the wheel works outside the checkout"
