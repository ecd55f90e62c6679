#!/usr/bin/env python3
"""Commands at a rate over the control socket, each answer checked. Standard library only.

  rpc_storm.py SOCKET SET URI SECONDS PER_SECOND

Sends dispatcher.set_state for URI, `ap` and `dp` in turn, and every 1000th command asks a question whose
answer is known; with `-` for URI every one does. Prints "sent N answered M wrong W longest L ms seconds S"; exits 1
if an answer is missing or wrong. What the rate came to is up to the machine as well: it is said, not judged. BINRPC is
written by hand here, so that a mistake of the project's own writer would show.
"""
import select
import socket
import struct
import sys
import time

OK = b"Ok. Dispatcher state updated."
WINDOW = 64  # commands that may wait for their answer


def text(value):
    data = value.encode() + b"\0"
    if len(data) < 8:
        return bytes([len(data) << 4 | 1]) + data
    return bytes([0x91, len(data)]) + data


def number(value):
    size = (value.bit_length() + 7) // 8
    return bytes([size << 4]) + value.to_bytes(size, "big")


def request(cookie, *body):
    payload = b"".join(body)
    # Magic and version, then the sizes of length and cookie less one: two bytes and four.
    return b"\xa1\x07" + struct.pack(">H", len(payload)) + struct.pack(">I", cookie) + payload


class Replies:
    def __init__(self, stream):
        self.stream, self.buffer = stream, b""

    def fill(self, size):
        while len(self.buffer) < size:
            piece = self.stream.recv(1 << 20)
            if not piece:
                raise EOFError("the daemon closed the connection")
            self.buffer += piece

    def ready(self, seconds):
        """True if an answer is there, or begins to come within this time."""
        return len(self.buffer) >= 2 or bool(select.select([self.stream], [], [], max(0, seconds))[0])

    def next(self):
        self.fill(2)
        length_size, cookie_size = (self.buffer[1] >> 2 & 3) + 1, (self.buffer[1] & 3) + 1
        header = 2 + length_size + cookie_size
        self.fill(header)
        length = int.from_bytes(self.buffer[2:2 + length_size], "big")
        cookie = int.from_bytes(self.buffer[2 + length_size:header], "big")
        self.fill(header + length)
        body, self.buffer = self.buffer[header:header + length], self.buffer[header + length:]
        return cookie, body


def main():
    path, group, uri = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    seconds, per_second = float(sys.argv[4]), int(sys.argv[5])
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(10)
    stream.connect(path)
    replies = Replies(stream)
    total = int(seconds * per_second)
    waiting, answered, wrong, longest = {}, 0, 0, 0.0

    def take():
        nonlocal answered, wrong, longest
        cookie, body = replies.next()
        sent, wanted = waiting.pop(cookie)
        answered += 1
        longest = max(longest, time.monotonic() - sent)
        wrong += 0 if wanted in body else 1

    start = time.monotonic()
    for i in range(1, total + 1):
        if uri == "-" or i % 1000 == 0:
            packet, wanted = request(i, text("core.echo"), text(f"echo {i}")), f"echo {i}".encode()
        else:
            state = "ap" if i % 2 else "dp"
            packet = request(i, text("dispatcher.set_state"), text(state), number(group), text(uri))
            wanted = OK
        waiting[i] = (time.monotonic(), wanted)
        stream.sendall(packet)
        while len(waiting) >= WINDOW:
            take()
        # Until the next one is due, answers are taken as they come: a wait is the daemon's, not ours.
        due = start + i / per_second
        while waiting and replies.ready(due - time.monotonic()):
            take()
        ahead = due - time.monotonic()
        if ahead > 0.002:
            time.sleep(ahead)
    while waiting:
        take()
    took = time.monotonic() - start
    print(f"sent {total} answered {answered} wrong {wrong} longest {longest * 1000:.1f} ms seconds {took:.2f}")
    return 0 if answered == total and wrong == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
