#!/usr/bin/env bash
# The kernel behind a TAP twin, over a veth with each of DPDK's kernel-socket devices: ping and TCP in both families
# reach it, UDP that is the worker's is answered by the worker, and nobody else on the raw device answers.
#
#   twin_test.sh ECHO_APPLIANCE net_af_packet0|net_af_xdp0
set -eu
appliance=$(readlink -f "$1") device=$2
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
cd "$(dirname "$0")/../../.."
LAB=io-twin-$$
. scripts/lab
work=$(mktemp -d)
lab_trap

fail() { echo "FAIL: $*"; cat "$work/out"; exit 1; }

lab_namespace lb
lab_namespace client
lab_link client c0 sl0 10.77.0.2/24 fd77::2/64
# An address of this host elsewhere: the kernel must not answer ARP for it on the raw device.
ip -n "$(lab_ns lb)" addr add 10.77.0.66/32 dev lo
mapfile -t eal < <(lab_eal_args 0)
lab_start lb "$appliance" "$device,iface=sl0" edge0 "${eal[@]}" >"$work/out" 2>&1
appliance_pid=$LAB_PID
lab_wait_for 10 grep -q ready "$work/out" || fail "does not start"
ip -n "$(lab_ns lb)" addr add 10.77.0.1/24 dev edge0
ip -n "$(lab_ns lb)" addr add fd77::1/64 dev edge0 nodad

head -c 5000000 /dev/urandom >"$work/sent"
for address in 10.77.0.1 fd77::1; do
    lab_in client ping -q -c 3 -i 0.2 -W 2 "$address" >/dev/null || fail "ping $address"
    case $address in *:*) family=6 target="[$address]" ;; *) family=4 target=$address ;; esac
    lab_start lb socat -u "TCP$family-LISTEN:8000,reuseaddr" "OPEN:$work/got,creat,trunc"
    listener=$LAB_PID
    lab_wait_for 5 lab_in lb sh -c "ss -Htln sport = 8000 | grep -q ." || fail "no listener"
    lab_in client timeout 20 socat -u "OPEN:$work/sent" "TCP$family:$target:8000" || fail "TCP $address"
    lab_wait_for 5 lab_gone "$listener" || fail "TCP $address does not end"
    cmp "$work/sent" "$work/got" || fail "TCP $address: bytes differ"
    said=$(printf 'hello' | lab_in client timeout 5 socat -T 1 - "UDP$family:$target:7")
    [ "$said" = hello ] || fail "UDP echo $address: '$said'"
done

# One answer to one ARP request, the twin's and not also the raw device's, for the twin's address and for one
# of this host elsewhere.
for address in 10.77.0.1 10.77.0.66; do
    answers=$(lab_in client arping -c 2 -w 3 -I c0 "$address" | grep -c 'reply from' || true)
    [ "$answers" = 2 ] || fail "two ARP requests for $address, $answers answers"
done
kill "$appliance_pid"
lab_wait_for 5 lab_gone "$appliance_pid" || fail "does not stop"
wait "$appliance_pid" || fail "counters do not balance"
replied=$(awk '$1 == "replied" { print $2 }' "$work/out")
[ "$replied" = 2 ] || fail "two datagrams for the worker, $replied replies"
echo "PASS $device"
rm -rf "$work"
