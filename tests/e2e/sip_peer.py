#!/usr/bin/env python3
"""SIP peers for end-to-end tests: a backend that answers, and clients that count answers. Standard library only.

  sip_peer.py backend ADDRESS PORT            answers every request 200 until it is killed
  sip_peer.py call SOURCE PORT TARGET PORT    sends one request; prints the status line of the answer; 1 if none
  sip_peer.py load SOURCE PORT TARGET PORT COUNT PER_SECOND
                                              sends COUNT requests, prints "sent N answered M"; 1 if they differ
"""
import select
import socket
import sys
import time


def udp(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    endpoint = socket.socket(family, socket.SOCK_DGRAM)
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    endpoint.bind((address, port))
    return endpoint


def request(source, port, number):
    host = f"[{source}]" if ":" in source else source
    lines = [
        "OPTIONS sip:bob@example.com SIP/2.0",
        f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bKe2e{number};rport",
        "Max-Forwards: 70",
        "From: <sip:alice@example.com>;tag=1",
        "To: <sip:bob@example.com>",
        f"Call-ID: e2e-{number}",
        f"CSeq: {number} OPTIONS",
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(text):
    keep = ("via:", "from:", "to:", "call-id:", "cseq:")
    lines = ["SIP/2.0 200 OK"]
    lines += [line for line in text.split("\r\n")[1:] if line.lower().startswith(keep)]
    return ("\r\n".join(lines) + "\r\nContent-Length: 0\r\n\r\n").encode()


def backend(address, port):
    endpoint = udp(address, port)
    while True:
        datagram, source = endpoint.recvfrom(65535)
        endpoint.sendto(answer(datagram.decode("latin-1")), source[:2])


def call(source, port, target, target_port):
    endpoint = udp(source, port)
    endpoint.settimeout(3)
    endpoint.sendto(request(source, port, time.time_ns() % 1000000 + 1), (target, target_port))
    try:
        datagram, _ = endpoint.recvfrom(65535)
    except TimeoutError:
        print("no answer")
        return 1
    print(datagram.decode("latin-1").split("\r\n")[0])
    return 0


def load(source, port, target, target_port, count, per_second):
    endpoint = udp(source, port)
    answered = set()

    def collect(seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not select.select([endpoint], [], [], left)[0]:
                return
            datagram = endpoint.recv(65535).decode("latin-1")
            if datagram.startswith("SIP/2.0 200"):
                answered.add(datagram.split("Call-ID: ")[1].split("\r\n")[0])

    start = time.monotonic()
    for number in range(1, count + 1):
        endpoint.sendto(request(source, port, number), (target, target_port))
        collect(max(0.0, start + number / per_second - time.monotonic()))
    waited = time.monotonic()
    while len(answered) < count and time.monotonic() - waited < 3:
        collect(0.2)
    print(f"sent {count} answered {len(answered)}")
    return 0 if len(answered) == count else 1


def main():
    command, arguments = sys.argv[1], sys.argv[2:]
    numbers = [int(text) if text.isdigit() else text for text in arguments]
    return {"backend": backend, "call": call, "load": load}[command](*numbers)


if __name__ == "__main__":
    sys.exit(main())
