# SPDX-License-Identifier: GPL-2.0-only
# Sourced by the scripts of this folder: the cache, and a Python environment in it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${LUMI_HOOKS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lumi-hooks}
export LUMI_HOOKS_CACHE=$cache
export LUMI_HOOKS_STANDIN=${LUMI_HOOKS_STANDIN:-$cache/standin}
export LUMI_HOOKS_SOURCES=${LUMI_HOOKS_SOURCES:-$cache/sources}
started=$SECONDS

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
took() { local s=$((SECONDS - started)); printf '%d min %02d s' $((s / 60)) $((s % 60)); }
fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# ensure_packages PACKAGE…: Debian packages; installs what is missing as root, says what to install as anybody else
ensure_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    [ "$(id -u)" = 0 ] || fail "these Debian packages are missing: ask the administrator to run
    apt-get install --no-install-recommends ${missing[*]}"
    say "installing Debian packages (as root): ${missing[*]}"
    apt-get -q update >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# environment EXTRA…: a virtual environment with EasyBuild 5.4.1 and the extras of setup.cfg; sets $python
environment() {
    local base=/usr/bin/python3 stamp extras
    [ -x "$base" ] || base=$(command -v python3) || fail 'there is no python3'
    "$base" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || fail "$base is older than Python 3.9"
    "$base" -c 'import ensurepip' 2>/dev/null || ensure_packages python3-venv
    extras=$(IFS=,; echo "$*")
    venv=$cache/venv
    python=$venv/bin/python
    stamp=$(cat "$root/setup.cfg" "$root/ci/easybuild.txt" <("$base" --version) | sha256sum | cut -c1-16)-$extras
    if [ "$(cat "$venv/.done" 2>/dev/null)" != "$stamp" ]; then
        say "Python environment in $venv"
        rm -rf "$venv"
        mkdir -p "$cache"
        "$base" -m venv "$venv"
        # without it the pip of Debian 12 warns of each part of EasyBuild that it is installed in an old way
        "$python" -m pip install -q --disable-pip-version-check wheel
        install_copy "-r $root/ci/easybuild.txt" "[$extras]"
        echo "$stamp" > "$venv/.done"
    fi
    # the library itself, as a user installs it; the checkout may have changed since
    stamp=$(cd "$root" && find lumi_hooks toolchains easyblocks easyconfigs setup.cfg -type f -not -name '*.pyc' -print0 |
            sort -z | xargs -0 sha256sum | sha256sum)
    if [ "$(cat "$venv/.installed" 2>/dev/null)" != "$stamp" ]; then
        install_copy '--no-deps --force-reinstall'
        echo "$stamp" > "$venv/.installed"
    fi
}

# install_copy OPTIONS [EXTRAS]: pip writes into the folder that it builds, so it gets a copy of the checkout
install_copy() {
    local copy
    copy=$(mktemp -d)
    (cd "$root" && tar cf - --exclude=__pycache__ lumi_hooks toolchains easyblocks easyconfigs setup.cfg pyproject.toml \
        README.md LICENSE) | tar xf - -C "$copy"
    # shellcheck disable=SC2086 # several options in one word
    "$python" -m pip install -q --disable-pip-version-check $1 "$copy${2:-}"
    rm -rf "$copy"
}

# standin RELEASE…: the stand-in Cray PE and LUMI's software stack on it, the first release with central software
standin() {
    say "stand-in Cray PE and LUMI stack in $LUMI_HOOKS_STANDIN (built once)"
    "$root/ci/standin/build" --root "$LUMI_HOOKS_STANDIN" --release "$@"
    "$root/ci/standin/lumi/build" --root "$LUMI_HOOKS_STANDIN" --release "$1"
    shift
    if [ $# -gt 0 ]; then "$root/ci/standin/lumi/build" --root "$LUMI_HOOKS_STANDIN" --release "$@" --no-central; fi
}

# stage RECIPE…: real sources, checked against the recipes' own checksums
stage() {
    say "sources in $LUMI_HOOKS_SOURCES"
    PATH=$venv/bin:$PATH "$root/ci/sources/stage" --into "$LUMI_HOOKS_SOURCES" --cache "$cache/sources-index" "$@"
}
