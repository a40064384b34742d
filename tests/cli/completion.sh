#!/usr/bin/env bash
# completion.sh MUSTER COMPLETION: what bash offers for a line, and that it knows every command and option of the program.
set -u
muster=$1
# shellcheck source=/dev/null
. "$2"
failed=0

# offers LINE WORDS: the words that are offered at the end of the line, in their order.
offers() {
    local found
    COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$' \t\n"\'><=;|&(:' COMPREPLY=()
    _muster
    found=${COMPREPLY[*]-}
    [ "$found" = "$2" ] && return
    echo "'$1': offers '$found', not '$2'"
    failed=1
}

offers "muster to" "touch top"
offers "muster --json li" "live list"
offers "muster touch ada --status " "online away busy"
offers "muster touch ada --status o" "online"
offers "muster touch ada --status=on" "online"
offers "muster touch --status=" "online away busy"
offers "muster -s room:7 li" "live list"
offers "muster -s room:7 touch ada --status b" "busy"
offers "muster --to tcp://10.0.0.1:7700 le" "leave"
offers "muster --to tcp:" "//127.0.0.1:7700"
offers "muster --scope=room:7 touch --sta" "--status --state"
offers "muster live ada --se" "--sessions"
offers "muster status ada b" "busy"
offers "muster status ada busy --t" "--ttl --to --token --timeout --tls-ca --tls-cert --tls-key"
offers "muster help ver" "version"
offers "muster keygen cl" "cluster"
offers "muster replay --format v" "vhost_combined"
offers "muster replay --user=xff-" "xff-first xff-last"
COMPREPLY=()

# Every command of `muster --help`, and every long option of each, is offered.
commands=$("$muster" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]\{1,\}\) .*/\1/p')
[ "$(wc -w <<<"$commands")" -gt 10 ] || { echo "muster --help lists no commands"; exit 1; }
for command in $commands; do
    [[ " $_muster_commands " == *" $command "* ]] || { echo "the command $command is not offered"; failed=1; }
    for option in $("$muster" "$command" --usage | grep -o -e '--[a-z][a-z-]*' | sort -u); do
        [[ " $(_muster_options "$command") $_muster_globals --usage " == *" $option "* ]] && continue
        echo "$option of muster $command is not offered"
        failed=1
    done
done
exit $failed
