#!/usr/bin/env bash
# Creates a virtual environment in the folder $1 with $PYTHON, or with the first suitable Python on the path.
set -euo pipefail

venv="$1"

fits() { # at least 3.11, and below $2 if given: a name on the path may be a stub that cannot start
    "$1" -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, ${2:-99}))" >/dev/null 2>&1
}

find_python() {
    local name
    if [[ -n "${PYTHON:-}" ]]; then
        fits "$PYTHON" && echo "$PYTHON"
        return
    fi
    # The pinned packages have wheels for 3.11 to 3.14; a newer Python is the last resort.
    for name in python3 python3.11 python3.12 python3.13 python3.14 python; do
        if fits "$name" 15; then
            echo "$name"
            return
        fi
    done
    for name in python3 python; do
        if fits "$name"; then
            echo "$name"
            return
        fi
    done
    return 1
}

if ! python="$(find_python)"; then
    named="${PYTHON:-python3}"
    if command -v "$named" >/dev/null; then
        state="$named is $("$named" --version 2>&1 | head -n 1 || true)"
    else
        state="there is no $named"
    fi
    {
        echo "LatentFX needs Python 3.11 or newer, and found none: $state."
        echo "Install one (for example: apt-get install python3 python3-venv, brew install python@3.13, or python.org)"
        echo "or name one: make run PYTHON=/path/to/python3.11"
    } >&2
    exit 1
fi

# Debian and Ubuntu ship Python without what creates environments.
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    {
        echo "$python (Python $version) cannot create virtual environments: its module venv or ensurepip is missing."
        echo "On Debian and Ubuntu: sudo apt-get install python$version-venv"
        echo "Then run the same command again."
    } >&2
    exit 1
fi

echo "Creating $venv with $("$python" --version 2>&1) ($python)"
"$python" -m venv "$venv"
