#!/usr/bin/env python3
"""Answers pings as somebody who has no right to. Standard library only.

  stranger.py PINGED STRANGER [honest]    both ADDRESS, port 5060; until it is killed

For each OPTIONS that PINGED hears: the right branch from STRANGER's address, and from PINGED's own address a branch
with one digit changed, and one made up. With "honest", after all those, the right answer too.
"""
import re
import socket
import sys

KEPT = ("via:", "from:", "to:", "call-id:", "cseq:")


def udp(address):
    endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    endpoint.bind((address, 5060))
    return endpoint


def answer(ping, branch):
    lines = ["SIP/2.0 200 OK"] + [line for line in ping.split("\r\n")[1:] if line.lower().startswith(KEPT)]
    text = "\r\n".join(lines) + "\r\nContent-Length: 0\r\n\r\n"
    return re.sub(r"branch=[^;\r]+", "branch=" + branch, text).encode()


def main():
    pinged, stranger, honest = udp(sys.argv[1]), udp(sys.argv[2]), len(sys.argv) > 3
    while True:
        datagram, asker = pinged.recvfrom(65535)
        ping = datagram.decode("latin-1")
        branch = re.search(r"branch=([^;\r]+)", ping).group(1)
        other = branch[:-1] + ("1" if branch[-1] == "0" else "0")
        stranger.sendto(answer(ping, branch), asker)
        pinged.sendto(answer(ping, other), asker)
        pinged.sendto(answer(ping, "z9hG4bKsp" + "0123456789abcdef" * 2), asker)
        if honest:
            pinged.sendto(answer(ping, branch), asker)


if __name__ == "__main__":
    main()
