#!/usr/bin/env python3
"""Calls for end-to-end tests. Standard library only.

  sip_call.py backend ADDRESS PORT [MS]                   answers every request 200, with a Contact of its own;
                                                          OPTIONS after MS milliseconds
  sip_call.py start SOURCE PORT TARGET PORT COUNT FILE    COUNT INVITEs, each answered 200; their dialogs go to
                                                          FILE; prints "started N" and a line "BACKEND CALLS" each
  sip_call.py bye SOURCE PORT FILE                        a BYE for each dialog of FILE by its route set; prints
                                                          "ended N elsewhere M"; 1 if one was lost or went astray
"""
import json
import re
import socket
import sys
import time
import collections


def udp(address, port):
    endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    endpoint.bind((address, port))
    endpoint.settimeout(3)
    return endpoint


def message(method, uri, source, port, number, to, routes=()):
    lines = [f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/UDP {source}:{port};branch=z9hG4bKc{method}{number};rport"]
    lines += [f"Route: {route}" for route in routes]
    lines += ["Max-Forwards: 70", "From: <sip:alice@example.com>;tag=1", f"To: {to}", f"Call-ID: call-{number}@ops",
              f"CSeq: {1 if method == 'INVITE' else 2} {method}", f"Contact: <sip:alice@{source}:{port}>",
              "Content-Length: 0"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def headers(reply, name):
    return re.findall(rf"^{name}: (.*?)\r$", reply, re.M | re.I)


def start(source, port, target, target_port, count, path):
    endpoint, dialogs = udp(source, port), []
    for number in range(count):
        call = f"{port}-{number}"
        endpoint.sendto(message("INVITE", "sip:bob@example.com", source, port, call, "<sip:bob@example.com>"),
                        (target, target_port))
        reply = endpoint.recv(65535).decode()
        if not reply.startswith("SIP/2.0 200"):
            print(reply.split("\r\n")[0])
            return 1
        dialogs.append({"call": call, "to": headers(reply, "To")[0], "routes": headers(reply, "Record-Route"),
                        "backend": headers(reply, "Contact")[0].strip("<>")})
    with open(path, "w", encoding="ascii") as file:
        json.dump({"next": [target, target_port], "dialogs": dialogs}, file)
    print(f"started {len(dialogs)}")
    for backend, calls in sorted(collections.Counter(d["backend"] for d in dialogs).items()):
        print(backend, calls)
    return 0


def bye(source, port, path):
    with open(path, encoding="ascii") as file:
        saved = json.load(file)
    endpoint, ended, elsewhere = udp(source, port), 0, 0
    for dialog in saved["dialogs"]:
        endpoint.sendto(message("BYE", dialog["backend"], source, port, dialog["call"], dialog["to"], dialog["routes"]),
                        tuple(saved["next"]))
        reply = endpoint.recv(65535).decode()
        ended += reply.startswith("SIP/2.0 200")
        elsewhere += headers(reply, "Contact") != [f"<{dialog['backend']}>"]
    print(f"ended {ended} elsewhere {elsewhere}")
    return 0 if ended == len(saved["dialogs"]) and elsewhere == 0 else 1


def backend(address, port, options_ms=0):
    """Answers every request 200 with a tag, its route set and its own Contact, until it is killed."""
    endpoint = udp(address, port)
    endpoint.settimeout(None)
    while True:
        datagram, source = endpoint.recvfrom(65535)
        if datagram.startswith(b"ACK "):
            continue
        if datagram.startswith(b"OPTIONS "):
            time.sleep(options_ms / 1000)
        lines = datagram.decode().split("\r\n")[1:]
        keep = ("via:", "from:", "to:", "call-id:", "cseq:", "record-route:")
        reply = [line for line in lines if line.lower().startswith(keep)]
        reply = [line + ";tag=b" if line.lower().startswith("to:") and ";tag=" not in line else line for line in reply]
        reply += [f"Contact: <sip:{address}:{port}>", "Content-Length: 0"]
        endpoint.sendto(("SIP/2.0 200 OK\r\n" + "\r\n".join(reply) + "\r\n\r\n").encode(), source)


def main():
    command, arguments = sys.argv[1], sys.argv[2:]
    numbers = [int(text) if text.isdigit() else text for text in arguments]
    return {"start": start, "bye": bye, "backend": backend}[command](*numbers)


if __name__ == "__main__":
    sys.exit(main())
