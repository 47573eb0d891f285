#!/bin/sh
# Makes .venv from the committed lock, with hashes. Touches nothing outside the checkout and needs no right.
# Where Debian's python3-venv is missing (no ensurepip), pip is taken from Debian's package python3-pip-whl,
# downloaded with its signature checked and unpacked inside .venv.
# The argument says for what: `run` (the cluster, load, faults, dashboards), or `dev` (besides, tests and linters).
# PYTHON=python3.13 chooses another interpreter.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
purpose=${1:-dev}
case $purpose in
run) lock=requirements/runtime.lock ;;
dev) lock=requirements/dev.lock ;;
*)
    echo "usage: $0 run|dev" >&2
    exit 2
    ;;
esac

refuse() {
    echo "warren: $1" >&2
    echo "  try: $2" >&2
    exit 3
}

command -v "$python" >/dev/null || refuse "$python is not installed" "apt-get install python3"
found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    refuse "Python 3.11 or newer is needed, and $python is $found" "make setup PYTHON=python3.13"

# What .venv was made of: unchanged means that there is nothing to do.
stamp="$(cat requirements/*.lock pyproject.toml deploy/setup/venv.sh | sha256sum | cut -c 1-64) $found $PWD"
made=$(cat .venv/.stamp 2>/dev/null || true)
if [ "$made" = "dev $stamp" ] || [ "$made" = "$purpose $stamp" ]; then
    exit 0
fi

begun=$(date +%s)
if [ "$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" != "$found" ] ||
    { [ -e .venv/.stamp ] && [ "$(cut -d ' ' -f 4- .venv/.stamp)" != "$PWD" ]; }; then
    echo "making .venv for Python $found"
    rm -rf .venv
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv .venv
    else
        "$python" -m venv --without-pip .venv
    fi
fi

fetch_pip() {
    command -v apt-get >/dev/null || refuse "this Python has no ensurepip, so pip cannot be had" \
        "install your system's package of Python's venv module"
    echo "python3-venv is not installed: taking pip from Debian's package python3-pip-whl, inside .venv only"
    mkdir -p .venv/apt/lists/partial
    (
        cd .venv/apt
        apt-get --quiet=2 download python3-pip-whl 2>/dev/null || {
            # No package lists on this machine yet: read them into a folder of our own.
            set -- -o Dir::State::Lists="$PWD/lists" -o Debug::NoLocking=true -o APT::Sandbox::User= \
                -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Update::Post-Invoke-Success=
            apt-get --quiet=2 "$@" update
            apt-get --quiet=2 "$@" download python3-pip-whl
        }
        dpkg-deb --extract python3-pip-whl_*.deb .
    ) || refuse "pip could not be fetched from this machine's package mirror" "apt-get install python3-venv"
    wheel=$(echo "$PWD"/.venv/apt/usr/share/python-wheels/pip-*.whl)
    PYTHONPATH=$wheel .venv/bin/python -m pip --quiet --isolated install --no-index --no-deps "$wheel"
    rm -rf .venv/apt
}
.venv/bin/python -m pip --version >/dev/null 2>&1 || fetch_pip

echo "installing $(grep -c '^[a-z]' "$lock") locked packages into .venv"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-user --no-deps --require-hashes \
    --only-binary :all: --requirement "$lock" ||
    refuse "the locked packages could not be installed" "see whether pip reaches its package index: .venv/bin/python -m pip download pika"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-user --no-deps --no-index \
    --no-build-isolation --editable .
echo "$purpose $stamp" >.venv/.stamp
echo ".venv is ready ($(($(date +%s) - begun)) s)"
