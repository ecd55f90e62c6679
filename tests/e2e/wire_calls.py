#!/usr/bin/env python3
"""Calls as they look on a wire: tagged frames, and messages in fragments.

  wire_calls.py vlan CLIENT_NAMESPACE CLIENT APPLIANCE PORT STUB_NAMESPACE DEVICE VLAN STUB
      the server is a stub on a raw socket, for frames with a VLAN tag: calls, its BYE comes by the Record-Route
  wire_calls.py large CLIENT_NAMESPACE CLIENT APPLIANCE PORT SERVER_NAMESPACE SERVER SERVER_PORT
      an INVITE of 4,000 bytes and a reply of 3,000, both whole at the other end, and both in fragments before
  wire_calls.py narrow CLIENT_NAMESPACE CLIENT APPLIANCE PORT FAR_NAMESPACE FAR FAR_PORT
      INVITEs of 1,400 bytes to a server behind a router whose next link takes less: the first one is lost there, and
      the router says so; repeated, as a caller does, it comes in fragments, and so do those that follow
"""
import select
import socket
import struct
import sys
import time

from sip_agent import Agent, Call, Message, answer, enter, expect_silence, reply

ETH_P_ALL = 3
PACKET_AUXDATA = 8
SOL_PACKET = 263
TP_STATUS_VLAN_VALID = 1 << 4


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class TaggedAgent:
    """A host on one VLAN with a SIP port, made of a raw socket: the kernel there has no VLAN device."""

    def __init__(self, namespace, device, vlan, address, port=5060):
        enter(namespace)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.bind((device, ETH_P_ALL))
        self.mac = self.socket.getsockname()[4]
        self.vlan, self.address, self.port = vlan, address, port
        self.host_port = f"{address}:{port}"
        self.untagged = 0  # datagrams for us that came without the tag

    def receive(self, seconds=3.0):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and select.select([self.socket], [], [], left)[0]:
            frame, aux, _, address = self.socket.recvmsg(65535, 256)
            message = self.datagram(frame, self.tag_of(aux)) if address[2] != socket.PACKET_OUTGOING else None
            if message:
                return message
        raise AssertionError(f"nothing arrived at {self.host_port} on VLAN {self.vlan}")

    @staticmethod
    def tag_of(aux):
        """The kernel takes the tag off the frame and tells it beside."""
        for level, kind, data in aux:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, _ = struct.unpack("=IIIHHHH", data[:20])
                return tci & 0xFFF if status & TP_STATUS_VLAN_VALID else None
        return None

    def datagram(self, frame, tag):
        if frame[12:14] == b"\x81\x00":
            tag, frame = struct.unpack("!H", frame[14:16])[0] & 0xFFF, frame[:12] + frame[16:]
        if frame[:6] != self.mac or frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_UDP:
            return None
        if frame[30:34] != socket.inet_aton(self.address):
            return None
        if tag != self.vlan:
            self.untagged += 1
            return None
        packet = frame[14:14 + struct.unpack("!H", frame[16:18])[0]]
        assert checksum(packet[:20]) == 0, "the IP header's checksum is wrong"
        source, target, length, _ = struct.unpack("!HHHH", packet[20:28])
        pseudo = packet[12:20] + struct.pack("!BBH", 0, socket.IPPROTO_UDP, length)
        assert checksum(pseudo + packet[20:]) == 0, "the UDP checksum is wrong"
        assert target == self.port
        self.gateway_mac = frame[6:12]
        return Message((packet[28:], (socket.inet_ntoa(packet[12:16]), source)))

    def send(self, text, target):
        data = text.encode()
        address = socket.inet_aton(self.address) + socket.inet_aton(target[0])
        udp = struct.pack("!HHHH", self.port, target[1], 8 + len(data), 0) + data
        pseudo = address + struct.pack("!BBH", 0, socket.IPPROTO_UDP, len(udp))
        udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp) or 0xFFFF) + udp[8:]
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0) + address
        header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
        ethernet = self.gateway_mac + self.mac + struct.pack("!HHH", 0x8100, self.vlan, 0x0800)
        self.socket.send(ethernet + header + udp)

    def expect(self, start):
        message = self.receive()
        assert message.start.startswith(start), f"{self.host_port} wants {start!r}, got\n{message.text}"
        return message


def call_until_bye(phone, server, appliance):
    """The phone calls, the server hangs up by the Record-Route."""
    call = Call(phone)
    phone.send(call.request("INVITE", more=[("Contact", f"<sip:alice@{phone.host_port}>")], body="v=0\r\n"), appliance)
    request = server.expect("INVITE")
    server.send(reply(request, "180 Ringing", "s"), request.source)
    phone.expect("SIP/2.0 180")
    server.send(reply(request, "200 OK", "s", [("Contact", f"<sip:pbx@{server.host_port}>")]), request.source)
    done = phone.expect("SIP/2.0 200")
    routes = list(reversed(done.all("Record-Route")))
    phone.send(call.request("ACK", call.branch + "a", done.contact_uri(), to=done.first("To"), routes=routes), appliance)
    server.expect("ACK")
    bye = Call(server)
    bye.id, bye.local, bye.remote = call.id, done.first("To"), call.local
    server.send(bye.request("BYE", uri=request.contact_uri(), routes=request.all("Record-Route")), request.source)
    answer(phone, phone.expect("BYE"), "200 OK")
    server.expect("SIP/2.0 200")


def vlan(client_namespace, client, appliance, port, stub_namespace, device, tag, stub_address):
    phone = Agent(client_namespace, client, 7100)
    stub = TaggedAgent(stub_namespace, device, int(tag), stub_address)
    for _ in range(10):
        call_until_bye(phone, stub, (appliance, int(port)))
    assert stub.untagged == 0, f"{stub.untagged} datagrams without the tag"
    expect_silence([phone], 0.2)
    print("10 calls")


def counter(namespace, name):
    """Of the namespace's kernel: Ip or Ip6."""
    enter(namespace)
    with open("/proc/thread-self/net/snmp6") as file:
        six = dict(line.split() for line in file)
    with open("/proc/thread-self/net/snmp") as file:
        names, values = [line.split()[1:] for line in file if line.startswith("Ip:")]
    return int(six["Ip6" + name]) + int(dict(zip(names, values))[name])


def large(client_namespace, client, appliance, port, server_namespace, server_address, server_port):
    phone = Agent(client_namespace, client, 7200)
    server = Agent(server_namespace, server_address, int(server_port))
    before = [counter(namespace, "ReasmOKs") for namespace in (server_namespace, client_namespace)]
    invite_body = "v=0\r\n" + "".join(f"a=candidate:{n} 1 UDP {n * 7919} 192.0.2.{n % 250} 40000 typ host\r\n" for n in range(70))
    reply_body = "v=0\r\n" + "".join(f"a=x-reply:{n:010}\r\n" for n in range(120))
    for number in range(5):
        call = Call(phone)
        more = [("Contact", f"<sip:alice@{phone.host_port}>"), ("Content-Type", "application/sdp")]
        bare = len(call.request("INVITE", more=more, body="x" * 1000)) - 1000
        body = invite_body[:4000 - bare]
        text = call.request("INVITE", more=more, body=body)
        assert len(text) == 4000, len(text)
        phone.send(text, (appliance, int(port)))
        request = server.expect("INVITE")
        assert request.body == body, "the INVITE's body is another one"
        contact = [("Contact", f"<sip:pbx@{server.host_port}>"), ("Content-Type", "application/sdp")]
        bare = len(reply(request, "200 OK", "s", contact, "x" * 1000)) - 1000
        server_body = reply_body[:3000 - bare]
        answer(server, request, "200 OK", "s", contact, server_body)
        done = phone.expect("SIP/2.0 200")
        assert done.body == server_body, "the reply's body is another one"
        assert done.source[:2] == (appliance, int(port)), f"the reply came from {done.source[:2]}, where nobody was asked"
    after = [counter(namespace, "ReasmOKs") for namespace in (server_namespace, client_namespace)]
    grown = [b - a for a, b in zip(before, after)]
    assert min(grown) >= 5, f"reassembled at server and phone: {grown}; they came in one piece, which proves nothing"
    print(f"5 INVITEs of 4000 bytes and their replies; reassembled at server and phone: {grown}")


def narrow(client_namespace, client, appliance, port, far_namespace, far_address, far_port):
    phone = Agent(client_namespace, client, 7300)
    server = Agent(far_namespace, far_address, int(far_port))
    before = counter(far_namespace, "ReasmOKs")
    sent = 0
    for number in range(5):
        call = Call(phone)
        contact = [("Contact", f"<sip:alice@{phone.host_port}>")]
        bare = len(call.request("INVITE", more=contact, body="x" * 1000)) - 1000
        text = call.request("INVITE", more=contact, body="x" * (1400 - bare))
        request = None
        for _ in range(4):
            phone.send(text, (appliance, int(port)))
            sent += 1
            try:
                request = server.receive(0.5)
                break
            except AssertionError:
                continue
        assert request, f"INVITE {number} did not arrive, sent {sent} times in all"
        answer(server, request, "486 Busy Here", "s")
        phone.expect("SIP/2.0 486")
    reassembled = counter(far_namespace, "ReasmOKs") - before
    assert reassembled == 5, f"{reassembled} of 5 came in fragments"
    assert sent == 6, f"5 INVITEs had to be sent {sent} times: one is lost until the router has said so"
    print("5 INVITEs of 1400 bytes by a link of 1300: one was repeated, all came in fragments")


if __name__ == "__main__":
    try:
        {"vlan": vlan, "large": large, "narrow": narrow}[sys.argv[1]](*sys.argv[2:])
    except AssertionError as error:
        sys.exit(f"{error}")
