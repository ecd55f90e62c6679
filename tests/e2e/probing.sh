# shellcheck shell=bash
# A lab for probing, for the tests beside it. Source it with `siplaned` set, then call probing_lab.
#
#   phones 10.91.0.9, fd91::9 ── edge [siplane] core ── pbxs 10.91.1.11 .., fd91:1::11 ..
#
# Whatever reaches a PBX's host is counted there by nftables, before any socket sees it, and the host can be made
# deaf for one method: a PBX that hangs for OPTIONS and still takes calls, or the other way round.

if [ "$(id -u)" != 0 ]; then
    echo "needs root for network namespaces"
    exit 77
fi
for tool in nft ethtool kamcmd sipp tshark python3; do
    command -v "$tool" >/dev/null || { echo "needs $tool"; exit 77; }
done
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scripts=$(cd "$here/../../scripts" && pwd)
LAB="slprobe$$"
# shellcheck source=scripts/lab
. "$scripts/lab"
work=$(mktemp -d)
failures=0
siplaned=${siplaned:?}
declare -A pbx_pid

probing_end() {
    local status=$?
    trap - EXIT
    lab_down
    if [ "$status" != 0 ] || [ "$failures" != 0 ]; then
        echo "--- the daemon said:"
        tail -n 60 "$work/log"
        [ "$status" != 0 ] || status=1
    fi
    rm -rf "$work"
    exit "$status"
}

# probing_lab PBX...: the cables, and these PBX hosts (11 is 10.91.1.11 and fd91:1::11).
probing_lab() {
    local n addresses=()
    lab_trap
    trap probing_end EXIT
    lab_namespace lb
    lab_namespace phones
    lab_namespace pbxs
    for n in "$@"; do addresses+=("10.91.1.$n/24" "fd91:1::$n/64"); done
    lab_link phones ph0 sl0 10.91.0.9/24 fd91::9/64
    lab_link pbxs pb0 sl1 "${addresses[@]}"
    {
        echo 'table inet wire {'
        for n in "$@"; do
            for method in OPTIONS INVITE; do echo "counter ${method}_$n {}"; done
        done
        echo 'chain deaf {}'
        echo 'chain input { type filter hook input priority 0;'
        for n in "$@"; do
            for method in OPTIONS INVITE; do
                echo "ip daddr 10.91.1.$n $(begins_with $method) counter name ${method}_$n"
                echo "ip6 daddr fd91:1::$n $(begins_with $method) counter name ${method}_$n"
            done
        done
        printf 'jump deaf\n}\n}\n'
    } | lab_in pbxs nft -f - || exit 1
}

# The first four bytes of a datagram's payload, as nftables matches them.
begins_with() {
    case $1 in
    OPTIONS) echo '@th,64,32 0x4f505449' ;;
    INVITE) echo '@th,64,32 0x494e5649' ;;
    esac
}

wire() { # wire METHOD PBX: how many of them have reached the host since it was made
    lab_in pbxs nft list counter inet wire "$1_$2" | awk '/packets/{n=$2} END{print n == "" ? "no_counter" : n}'
}
deaf() { # deaf METHOD PBX: from now on the host drops them
    lab_in pbxs nft add rule inet wire deaf ip daddr "10.91.1.$2" "$(begins_with "$1")" drop
}
all_hear() { lab_in pbxs nft flush chain inet wire deaf; }

# probing_config LINE...: the lines go into [dispatcher].
probing_config() {
    {
        printf 'secret_file = "%s/secret"\n[eal]\nargs = [' "$work"
        lab_eal_args "${lcores:-0}" | sed 's/.*/"&"/' | paste -sd,
        cat <<TOML
]
[[port]]
name = "edge"
device = "net_af_packet0,iface=sl0"
tap = "edge0"
addresses = ["10.91.0.1/24", "fd91::1/64"]
[[port]]
name = "core"
device = "net_af_packet1,iface=sl1"
tap = "core0"
addresses = ["10.91.1.1/24", "fd91:1::1/64"]
${core_lines:-}
[[service]]
name = "pbxs"
listen = ["10.91.0.1:5060", "[fd91::1]:5060", "10.91.1.1:5060", "[fd91:1::1]:5060"]
set = 1
algorithm = ${algorithm:-4}
[rpc]
binrpc = ["unix:$work/ctl"]
jsonrpc = ["unixd:$work/json"]
[http]
listen = ""
[dispatcher]
list_file = "$work/dispatcher.list"
reload_delta = 0
TOML
        printf '%s\n' "$@"
    } >"$work/siplane.toml"
}

table() { printf '%s\n' "$@" >"$work/dispatcher.list"; }
start_daemon() {
    [ -e "$work/log" ] || : >"$work/log"
    readies=$(grep -c daemon.ready "$work/log")
    lab_start lb "$siplaned" --config "$work/siplane.toml" 2>>"$work/log"
    daemon=$LAB_PID
    lab_wait_for 20 is_ready
}
is_ready() { [ "$(grep -c daemon.ready "$work/log")" -gt "$readies" ]; }
stop_daemon() { kill -TERM "$daemon" && wait "$daemon"; }
# New settings for the running daemon; those of the model begin a new one, as a restart does.
reload_config() {
    local before
    before=$(grep -c reload.done "$work/log")
    probing_config "$@"
    kill -HUP "$daemon"
    lab_wait_for 5 more_reloads "$before"
}
more_reloads() { [ "$(grep -c reload.done "$work/log")" -gt "$1" ]; }

kam() { kamcmd -s "unix:$work/ctl" "$@"; }
state() { # state PBX: its letters
    kam dispatcher.list | awk -v uri="10.91.1.$1:" '/URI:/{it=index($0, uri)} it && /FLAGS:/{print $2; exit}'
}
is_state() { [ "$(state "$1")" = "$2" ]; }
becomes() { # becomes SECONDS STATE PBX...
    local seconds=$1 letters=$2 n
    shift 2
    for n in "$@"; do lab_wait_for "$seconds" is_state "$n" "$letters" || { state "$n"; return 1; }; done
}
stays() { # stays SECONDS STATE PBX
    local tries=$(($1 * 5))
    while [ "$tries" -gt 0 ]; do
        is_state "$3" "$2" || { state "$3"; return 1; }
        sleep 0.2
        tries=$((tries - 1))
    done
}
set_state() { kam dispatcher.set_state "$1" 1 "sip:10.91.1.$2:5060"; }

pbx_up() { # pbx_up N: a PBX that answers calls and OPTIONS
    lab_callee pbxs "$scripts/sipp/callee.xml" "10.91.1.$1" 5060 >/dev/null 2>&1
    pbx_pid[$1]=$LAB_PID
    lab_wait_for 10 listens "$1"
}
listens() { lab_in pbxs ss -Hlun src "10.91.1.$1:5060" | grep -q .; }
pbx_down() {
    kill -9 "${pbx_pid[$1]}"
    wait "${pbx_pid[$1]}" 2>/dev/null
    return 0
}
calls() { # calls COUNT: that many, placed at 30 a second; fails if one of them does
    lab_in phones sipp -sf "$scripts/sipp/caller.xml" -i 10.91.0.9 -p 5060 -m "$1" -r 30 -d 20 -nostdin \
        -timeout 20 -timeout_error 10.91.0.1:5060
}

pings() { # pings SECONDS PBX: OPTIONS on the wire to it in that time
    local before
    before=$(wire OPTIONS "$2")
    sleep "$1"
    echo $(($(wire OPTIONS "$2") - before))
}
gets_pings() { [ "$(pings "$1" "$2" | tee /dev/stderr)" -ge "$3" ]; } # gets_pings SECONDS PBX LEAST
gets_none() { [ "$(pings "$1" "$2" | tee /dev/stderr)" = 0 ]; }

check() { # check NAME COMMAND...: counts a failure
    local name=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        echo "ok $name"
    else
        echo "FAILED $name"
        tail -n 20 "$work/out"
        failures=$((failures + 1))
    fi
}
