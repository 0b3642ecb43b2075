#!/bin/sh
# Make .venv with the package and its development extras; libvirt's binding where its headers are.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "make install: Python 3.11 or newer is needed, $PYTHON is $("$PYTHON" -V 2>&1); set PYTHON=..." >&2
    exit 1
fi
if [ ! -x .venv/bin/pip ]; then
    rm -rf .venv
    if ! "$PYTHON" -m venv .venv 2>/dev/null; then
        [ "$(id -u)" = 0 ] && apt-get update -q >/dev/null && apt-get install -qy python3-venv >/dev/null
        "$PYTHON" -m venv .venv
    fi
fi
echo "installing the package and its tools into .venv ..."
.venv/bin/pip install -q --disable-pip-version-check -e '.[dev]' 2>&1 | grep -v '^WARNING: Location' || true
if pkg-config --exists libvirt 2>/dev/null; then
    .venv/bin/pip install -q --disable-pip-version-check -e '.[libvirt]' 2>&1 | grep -v '^WARNING: Location' || true
fi
.venv/bin/python -c 'import iaas, sqlalchemy, kombu'
