#!/bin/sh
# Writes requirements/*.lock anew from pyproject.toml. Needs uv (a development tool; make setup does not use it).
# The locks hold versions and hashes for every supported Python, and no addresses.
set -eu
cd "$(dirname "$0")/../.."
set -- --universal --generate-hashes --python-version 3.11 --override requirements/overrides.in \
    --no-annotate --no-header --quiet
uv pip compile pyproject.toml "$@" --output-file requirements/runtime.lock
uv pip compile pyproject.toml --extra dev "$@" --constraint requirements/runtime.lock \
    --output-file requirements/dev.lock
