#!/usr/bin/env bash
# Prints the path of a Chromium that starts; installs one with the system's package manager if there is none.
# $CHROMIUM names one to use. Everything but the path goes to standard error.
set -euo pipefail

works() {
    "$1" --version >/dev/null 2>&1
}

find_chromium() {
    local name path
    for name in chromium chromium-browser google-chrome google-chrome-stable \
        "/Applications/Chromium.app/Contents/MacOS/Chromium" \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
        # A name on the path can be a stub (Ubuntu's asks for snap), so it has to start.
        if path="$(command -v "$name")" && works "$path"; then
            echo "$path"
            return
        fi
    done
    return 1
}

as_root() {
    if [[ "$(id -u)" -eq 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo -n env "$@"
    else
        echo "Installing needs root, and sudo is not allowed without a password." >&2
        return 1
    fi
}

install_chromium() {
    if command -v apt-get >/dev/null; then
        remedy="sudo apt-get install chromium"
        as_root apt-get update &&
            as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get install --yes --no-install-recommends chromium fonts-dejavu-core
    elif command -v dnf >/dev/null; then
        remedy="sudo dnf install chromium"
        as_root dnf install --assumeyes chromium
    elif command -v brew >/dev/null; then
        remedy="brew install --cask chromium"
        brew install --cask chromium
    else
        return 1
    fi
}

if [[ -n "${CHROMIUM:-}" ]]; then
    if ! path="$(command -v "$CHROMIUM")" || ! works "$path"; then
        echo "CHROMIUM=$CHROMIUM does not start. Name a Chromium that does, or unset it to have one looked for." >&2
        exit 1
    fi
    echo "$path"
    exit
fi

if find_chromium; then
    exit
fi

remedy="install Chromium or Google Chrome"
echo "The browser tests need Chromium and there is none here; installing it." >&2
if install_chromium >&2 && find_chromium; then
    exit
fi

{
    echo
    echo "No Chromium was found, and none could be installed. One of these helps:"
    echo "  - install it by hand: $remedy"
    echo "  - name one that is elsewhere: make test CHROMIUM=/path/to/chromium"
    echo "  - leave the browser tests out: make test SKIP_BROWSER=1"
} >&2
exit 1
