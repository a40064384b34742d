# bash completion for muster(1)

_muster_commands="touch leave live list counts where scopes nodes status reset watch top replay bench keygen ping version help"
_muster_globals="--to --token --scope --json --timeout --tls-ca --tls-cert --tls-key --help --version"

_muster_options() {
    case $1 in
    touch) echo "--session --ttl --status --state" ;;
    leave) echo "--session --all-sessions --linger --stamp" ;;
    live) echo "--sessions" ;;
    list) echo "--status --limit --recent --sessions" ;;
    counts) echo "--window --scopes" ;;
    where) echo "--prefix --sessions" ;;
    status) echo "--ttl" ;;
    reset) echo "--yes" ;;
    watch) echo "--user --sessions --totals --interval --count" ;;
    top) echo "--interval" ;;
    ping) echo "--count" ;;
    replay)
        echo "--format --window --every --ttl --user --user-field --time-field --exclude-status --bots --plot --speed"
        ;;
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
    --format) echo "auto common combined vhost_combined json" ;;
    --user) [ "$1" = replay ] && echo "host auth xff xff-first xff-last" ;;
    --exclude-status) echo "4xx 5xx 4xx,5xx" ;;
    --ttl | --linger | --every | --duration | --warmup | --timeout | --interval) echo "1s 10s 60s 5m 1h 24h" ;;
    --window) echo "5m 1h 24h 5m,1h,24h" ;;
    --to) echo "tcp://127.0.0.1:7700 ipc://" ;;
    esac
}

_muster_takes_value() {
    case $1 in
    -s | --to | --tls-ca | --tls-cert | --tls-key | --token | --scope | --timeout | --session | --ttl | --status | --state | --linger | --stamp | --limit | \
        --window | --scopes | --prefix | --format | --every | --user | --user-field | --time-field | --exclude-status | --plot | --speed | \
        --call | --connections | --in-flight | --batch | --users | --order | --duration | --requests | --warmup | --rate | \
        --threads | --interval | --count) return 0 ;;
    esac
    return 1
}

# The words of the line up to the cursor. COMP_WORDS will not do: readline breaks words at `:` and `=`, so that
# `-s room:7` and `--status=on` come in pieces.
_muster_words() {
    local line=${COMP_LINE:0:COMP_POINT}
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
}

# Puts into COMPREPLY those of the words $1 that begin with $2, without what readline has behind it already.
_muster_reply() {
    local kept=""
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
    [[ $2 == *:* && $COMP_WORDBREAKS == *:* ]] && kept=${2%"${2##*:}"}
    COMPREPLY=("${COMPREPLY[@]#"$kept"}")
}

_muster() {
    local words=() command="" current previous i
    COMPREPLY=()
    _muster_words
    current=${words[-1]} previous=${words[-2]}
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        if _muster_takes_value "${words[i]}"; then
            i=$((i + 1))
        elif [[ ${words[i]} != -* ]]; then
            command=${words[i]}
            break
        fi
    done
    if [[ $current == --*=* ]]; then
        _muster_reply "$(_muster_values "$command" "${current%%=*}")" "${current#*=}"
    elif [ "$previous" = --plot ]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    elif _muster_takes_value "$previous"; then
        _muster_reply "$(_muster_values "$command" "$previous")" "$current"
    elif [[ $current == -* ]]; then
        _muster_reply "$(_muster_options "$command") $_muster_globals" "$current"
    elif [ -z "$command" ] || [ "$command" = help ]; then
        _muster_reply "$_muster_commands" "$current"
    elif [ "$command" = status ] && ((${#words[@]} - i == 3)); then
        _muster_reply "online away busy auto" "$current"
    elif [ "$command" = keygen ] && [[ " ${words[*]:i+1:${#words[@]}-i-2} " != *" cluster "* ]]; then
        _muster_reply "cluster" "$current"
    elif [ "$command" = replay ] || [ "$command" = keygen ]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}

complete -F _muster muster
