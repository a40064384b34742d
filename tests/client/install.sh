#!/bin/sh
# install.sh BUILD SOURCE CC: what `cmake --install` lays down is enough to build the examples, shared and static, and to
# include the header from C++ where there is a compiler for it.
set -eu
build=$1 source=$2 cc=$3
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
cmake --install "$build" --prefix "$prefix" >/dev/null
pc=$(find "$prefix" -name muster.pc)
lib=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH="$lib/pkgconfig"
flags() { pkg-config "$@" muster; }
for file in "$prefix/include/muster/muster.h" "$lib/libmuster.so" "$lib/libmuster.a"; do
    [ -e "$file" ] || { echo "not installed: $file"; exit 1; }
done
for program in muster musterd; do
    "$prefix/bin/$program" --version >/dev/null || { echo "$program does not run from where it was installed"; exit 1; }
done
cd "$prefix"
for example in "$source"/examples/c/*.c; do
    installed=$(find "$prefix" -path "*/examples/$(basename "$example")")
    [ -n "$installed" ] || { echo "not installed: $example"; exit 1; }
    # shellcheck disable=SC2046 # the flags are words
    $cc $(flags --cflags) "$installed" $(flags --libs) $EXTRA_FLAGS -o shared
    LD_LIBRARY_PATH=$lib ldd ./shared | grep -q "$lib/libmuster.so" || { echo "not linked to the installed library"; exit 1; }
    # shellcheck disable=SC2046
    $cc $(flags --cflags) "$installed" "$lib/libmuster.a" $(pkg-config --libs-only-l openssl) -pthread $EXTRA_FLAGS -o static
    ! ldd ./static | grep -q libmuster || { echo "the static one wants the shared library"; exit 1; }
    LD_LIBRARY_PATH=$lib ./shared 2>/dev/null && exit 1 || [ $? -eq 2 ]
    ./static 2>/dev/null && exit 1 || [ $? -eq 2 ]
done
if command -v c++ >/dev/null; then
    printf '#include <muster/muster.h>\nint main() { muster_options options{}; return options.timeout_ms; }\n' >cpp.cpp
    # shellcheck disable=SC2046
    c++ -std=c++11 -Wall -Wextra -Werror $(flags --cflags) -fsyntax-only cpp.cpp
fi
echo "installed under a prefix, built against, and run"
