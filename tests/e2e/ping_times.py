#!/usr/bin/env python3
"""Checks the times of pings on the wire against RFC 3261 17.1.2.2 and the interval. Standard library only.

  ping_times.py INTERVAL TIMEOUT EXPECTED... <FIELDS

FIELDS: a line for each OPTIONS captured: epoch time, source address, target address, target port, Via branch,
separated by tabs (tshark -T fields). EXPECTED: TARGET=SOURCE,answers or TARGET=SOURCE,silent with TARGET
ADDRESS/PORT. Every ping to an answering target is sent once; one to a silent target at 0, 0.5, 1.5, 3.5, 7.5, 11.5 ... s
until TIMEOUT; starts are exactly INTERVAL apart whatever happens in between. Prints the worst deviations; 1 if any
is above the tolerance or anything was sent that should not have been.
"""
import collections
import sys

TOLERANCE = 0.1
STARTS_MIN = 3


def schedule(timeout):
    times, distance = [0.0], 0.5
    while times[-1] + distance < timeout:
        times.append(times[-1] + distance)
        distance = min(2 * distance, 4.0)
    return times


def read(lines):
    """{target: {branch: [time]}}, sources by target, and the time of the last of all."""
    pings, sources, last = collections.defaultdict(dict), collections.defaultdict(set), 0.0
    for line in lines:
        time, source, target, port, branch = line.rstrip("\n").split("\t")
        last = max(last, float(time))
        pings[f"{target}/{port}"].setdefault(branch, []).append(float(time))
        sources[f"{target}/{port}"].add(source)
    return pings, sources, last


def check(name, pings, sources, last, interval, expected, times, errors):
    """Worst deviation of starts and of retransmissions of one target."""
    source, kind = expected.split(",")
    if sources != {source}:
        errors.append(f"{name}: sent from {sources}")
    starts = sorted(sent[0] for sent in pings.values())
    if len(starts) < STARTS_MIN:
        errors.append(f"{name}: {len(starts)} pings only")
    start_off = [abs(b - a - interval) for a, b in zip(starts, starts[1:])]
    send_off = [0.0]
    for sent in pings.values():
        due = times if kind == "silent" else [0.0]
        due = [t for t in due if sent[0] + t < last - TOLERANCE]
        got = [t - sent[0] for t in sent]
        if not len(due) <= len(got) <= len(due) + 1 or (kind == "answers" and len(got) != 1):
            errors.append(f"{name}: sent at {got}, expected at {due}")
        send_off += [abs(a - b) for a, b in zip(got, times)]
    return max(start_off, default=0.0), max(send_off)


def main():
    interval, timeout = float(sys.argv[1]), float(sys.argv[2])
    pings, sources, last = read(sys.stdin)
    errors, times = [], schedule(timeout)
    for word in sys.argv[3:]:
        name, expected = word.split("=")
        starts, sends = check(name, pings[name], sources[name], last, interval, expected, times, errors)
        print(f"{name}: {len(pings[name])} pings; worst start {starts * 1000:.1f} ms, worst resend {sends * 1000:.1f} ms")
        if max(starts, sends) > TOLERANCE:
            errors.append(f"{name}: not in time")
    print("\n".join(errors))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
