# bash completion for muster(1)

_muster_commands="touch leave live list counts scopes nodes reset watch top replay bench keygen version"
_muster_globals="--to --token --scope --json --timeout --help --version"

_muster_options() {
    case $1 in
    touch) echo "--session --ttl --status --state" ;;
    leave) echo "--session --all-sessions --linger --stamp" ;;
    live) echo "--sessions" ;;
    list) echo "--status --limit --recent --sessions" ;;
    counts) echo "--window --scopes" ;;
    reset) echo "--yes" ;;
    watch) echo "--user --sessions --totals --interval --count" ;;
    top) echo "--interval" ;;
    replay) echo "--format --window --every --ttl --user --speed" ;;
    bench)
        echo "--call --connections --in-flight --batch --users --order --preload --ttl --window --duration --requests" \
            "--warmup --rate --threads"
        ;;
    esac
}

# The values of an option; nothing where any text will do.
_muster_values() {
    case $2 in
    --status) echo "online away busy" ;;
    --call) echo "touch live list counts ping echo" ;;
    --order) echo "random sequential" ;;
    --format) echo "clf" ;;
    --user) [ "$1" = replay ] && echo "host auth" ;;
    --ttl | --linger | --every | --duration | --warmup | --timeout | --interval) echo "1s 10s 60s 5m 1h 24h" ;;
    --window) echo "5m 1h 24h 5m,1h,24h" ;;
    --to) echo "tcp://127.0.0.1:7700 ipc://" ;;
    esac
}

_muster_takes_value() {
    case $1 in
    -s | --to | --token | --scope | --timeout | --session | --ttl | --status | --state | --linger | --stamp | --limit | \
        --window | --scopes | --format | --every | --user | --speed | --call | --connections | --in-flight | --batch | \
        --users | --order | --duration | --requests | --warmup | --rate | --threads | --interval | --count) return 0 ;;
    esac
    return 1
}

_muster() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command="" i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        if _muster_takes_value "${COMP_WORDS[i]}"; then
            i=$((i + 1))
        elif [[ ${COMP_WORDS[i]} != -* ]]; then
            command=${COMP_WORDS[i]}
            break
        fi
    done
    if _muster_takes_value "$previous"; then
        mapfile -t COMPREPLY < <(compgen -W "$(_muster_values "$command" "$previous")" -- "$current")
        # A colon in a value is a word break to readline: give back what comes behind it.
        declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$current"
    elif [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_muster_options "$command") $_muster_globals" -- "$current")
    elif [ -z "$command" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$_muster_commands" -- "$current")
    elif [ "$command" = keygen ] && [[ " ${COMP_WORDS[*]:i+1:COMP_CWORD-i-1} " != *" cluster "* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "cluster" -- "$current")
    elif [ "$command" = replay ] || [ "$command" = keygen ]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}

complete -F _muster muster
