# What the scripts share: packages, presets, messages. Sourced, not run.
# shellcheck shell=bash
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Debian 12's packages, by what wants them. A build includes the tests.
readonly packages_build=(gcc libc6-dev cmake ninja-build pkg-config libnng-dev libprotobuf-c-dev protobuf-c-compiler
    protobuf-compiler libsodium-dev libnghttp2-dev libssl-dev libjansson-dev libncurses-dev zlib1g-dev libzstd-dev libcmocka-dev
    patch python3)
# tests/contract runs a Python client, tests/cluster_e2e makes network namespaces, tests/cli needs terminals.
readonly packages_test=(python3-protobuf python3-venv iproute2 tmux openssl)
# clang brings libFuzzer, which its package only recommends.
readonly packages_clang=(clang clang-format libclang-rt-14-dev)
readonly packages_bench=(redis-server python3 python3-matplotlib iproute2)

say() {
    printf '== %s\n' "$*" >&2
}

die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# jobs: how many at once, MUSTER_JOBS or one a core.
jobs_at_once() {
    echo "${MUSTER_JOBS:-$(nproc)}"
}

# as_root COMMAND...: needs to be root, or sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# need PACKAGE...: installs those that are missing. Asks only dpkg where none is, so that it works offline.
need() {
    local package missing=()
    command -v dpkg-query >/dev/null ||
        die "the set-up knows Debian 12 only; install the equivalents of these and use the CMake presets: $*"
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        die "packages are missing, and this is neither root nor is there sudo; as root: apt-get install ${missing[*]}"
    fi
    say "installing ${missing[*]}"
    # RUNLEVEL=1: installing a server does not start it.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update </dev/null >&2 ||
        die "apt-get update failed (no network, or not root?); these packages are missing: ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get -q install -y --no-install-recommends "${missing[@]}" </dev/null >&2 ||
        die "apt-get could not install what is missing: ${missing[*]}"
}

# need_languages: installs what tests/contract decodes replies with in other languages, unless the machine has it from
# elsewhere. Go is used where it is there: Debian 12's is too old for the generator. What is missing is skipped.
need_languages() {
    local wanted=(ruby ruby-google-protobuf php-cli php-google-protobuf libprotobuf-java libgoogle-gson-java libguava-java)
    command -v javac >/dev/null || wanted+=(default-jdk-headless)
    command -v npm >/dev/null || wanted+=(nodejs npm)
    (need "${wanted[@]}") || say "languages are missing: tests contract.decodes_… will be skipped"
}

# need_python: makes build/python, where a test finds the Python packages that Debian does not have. Without a network there
# is none, and the test is skipped.
need_python() {
    local wanted=tests/contract/requirements.txt
    cmp -s "$wanted" build/python/installed && return
    say "installing ${wanted} into build/python"
    { /usr/bin/python3 -m venv --clear --system-site-packages build/python &&
        build/python/bin/pip install -q --disable-pip-version-check -r "$wanted" &&
        cp "$wanted" build/python/installed; } >&2 ||
        say "build/python could not be made: contract.pynng will be skipped"
}

# need_grpc_languages: fetches the gRPC libraries of other languages, and builds the programs of tests/conformance with them.
# What is missing is said aloud, and its test is skipped; where MUSTER_CI=1, Go is an error. Go and Rust are used where they are
# there: Debian 12's are too old for the libraries.
need_grpc_languages() {
    local wanted=(protobuf-compiler-grpc protobuf-compiler-grpc-java-plugin ruby ruby-grpc)
    command -v javac >/dev/null || wanted+=(default-jdk-headless)
    command -v mvn >/dev/null || wanted+=(maven)
    (need "${wanted[@]}") || say "packages are missing for programs of tests/conformance"
    tests/conformance/prepare.py || die "a program of tests/conformance could not be made"
}

# go_without WHAT: something is missing without which tests are skipped: said aloud, and an error where MUSTER_CI=1.
go_without() {
    [ "${MUSTER_CI:-}" != 1 ] || die "$*"
    say "$*"
}

# need_go_tools: makes build/go-tools, where tests/grpc finds the gRPC tools that tests/grpc/tools/go.mod pins. They are built
# once for each set of versions, in ${MUSTER_CACHE:-~/.cache/muster}, which checkouts share.
need_go_tools() {
    local versions=(tests/grpc/tools/go.mod tests/grpc/tools/go.sum) cache built log
    cache=${MUSTER_CACHE:-$HOME/.cache/muster}
    mkdir -p "$cache" build
    built=$(realpath "$cache")/go-tools-$(cat "${versions[@]}" | sha256sum | cut -c1-16)
    rm -f build/go-tools
    if [ ! -d "$built" ]; then
        command -v go >/dev/null || { go_without "there is no Go: tests grpc.… will be skipped"; return; }
        say "building the tools of tests/grpc/tools"
        log=$(mktemp)
        # Renamed once it is whole.
        if ! (cd tests/grpc/tools && GOBIN=$built.$$ CGO_ENABLED=0 GOFLAGS= \
            go install -p "$(jobs_at_once)" -trimpath -ldflags='-s -w' tool) >"$log" 2>&1; then
            cat "$log" >&2
            rm -rf "$log" "$built.$$"
            go_without "the Go tools could not be built (no network?): tests grpc.… will be skipped"
            return
        fi
        rm -f "$log"
        mv -T "$built.$$" "$built" 2>/dev/null || rm -rf "$built.$$" # another checkout was faster
    fi
    ln -s "$built" build/go-tools
}

# build PRESET [CMAKE BUILD ARGUMENT...]: configures where it was not, and builds in build/PRESET.
build() {
    local preset=$1 log
    shift
    log=$(mktemp)
    if [ ! -f "build/$preset/build.ninja" ]; then
        say "configuring build/$preset"
        cmake --preset "$preset" >"$log" 2>&1 || { cat "$log" >&2; rm -f "$log"; die "cmake could not configure build/$preset"; }
    fi
    rm -f "$log"
    say "building build/$preset"
    cmake --build --preset "$preset" --parallel "$(jobs_at_once)" "$@" >&2 || die "the build of build/$preset failed"
}
