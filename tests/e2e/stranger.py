#!/usr/bin/env python3
"""Answers pings with branches that nobody gave it, and from an address that nobody asked. Standard library only.

  stranger.py PINGED OTHER [honest]    both ADDRESS, port 5060; until it is killed

For each OPTIONS that PINGED hears: from both addresses a branch with one digit changed, and one made up. With "honest",
after all those, the right branch from OTHER's address: a host that answers from another address than was asked.
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
    pinged, elsewhere, honest = udp(sys.argv[1]), udp(sys.argv[2]), len(sys.argv) > 3
    while True:
        datagram, asker = pinged.recvfrom(65535)
        ping = datagram.decode("latin-1")
        branch = re.search(r"branch=([^;\r]+)", ping).group(1)
        other = branch[:-1] + ("1" if branch[-1] == "0" else "0")
        for sender in (pinged, elsewhere):
            sender.sendto(answer(ping, other), asker)
            sender.sendto(answer(ping, "z9hG4bKsp" + "0123456789abcdef" * 2), asker)
        if honest:
            elsewhere.sendto(answer(ping, branch), asker)


if __name__ == "__main__":
    main()
