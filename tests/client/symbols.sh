#!/bin/sh
# symbols.sh LIBRARY HEADER: the library exports just what the header declares, and has a versioned soname.
set -eu
library=$1 header=$2
exported=$(nm -D --defined-only "$library" | awk '{print $3}' | grep -v '^__asan\|^__odr_asan\|^__tsan\|^__ubsan' | sort)
declared=$(tr '\n' ' ' <"$header" | grep -o 'MUSTER_API [^;]*(' | grep -o 'muster_[a-z_]*(' | tr -d '(' | sort)
if [ "$exported" != "$declared" ]; then
    echo "exported, but not declared, or the other way round:"
    printf '%s\n%s\n' "$exported" "$declared" | sort | uniq -u
    exit 1
fi
soname=$(readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
case $soname in
libmuster.so.[0-9]*) echo "$(echo "$exported" | wc -l) functions, soname $soname" ;;
*) echo "soname: '$soname'" && exit 1 ;;
esac
