"""SIP user agents for end-to-end tests: sockets in several namespaces held by one process, so that a test sees both
ends of a call in order. Standard library only."""
import ctypes
import os
import select
import socket
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def enter(namespace):
    """Sockets opened from now on live in that namespace; those already open stay where they are."""
    with open(f"/run/netns/{namespace}") as file:
        if LIBC.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), namespace)


def bracketed(address):
    return f"[{address}]" if ":" in address else address


class Agent:
    """One UDP endpoint in a namespace; takes datagrams apart only as far as a test asks."""

    def __init__(self, namespace, address, port):
        enter(namespace)
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((address, port))
        self.address, self.port = address, port
        self.host_port = f"{bracketed(address)}:{port}"

    def send(self, text, target):
        self.socket.sendto(text.encode(), target)

    def receive(self, seconds=3.0):
        """The next message, or an AssertionError that says nobody sent one."""
        if not select.select([self.socket], [], [], seconds)[0]:
            raise AssertionError(f"nothing arrived at {self.host_port}")
        return Message(self.socket.recvfrom(65535))

    def expect(self, start, seconds=3.0):
        message = self.receive(seconds)
        assert message.start.startswith(start), f"{self.host_port} wants {start!r}, got\n{message.text}"
        return message


def receive_any(agents, seconds=3.0):
    """(agent, message) of whoever gets one first."""
    ready = select.select([agent.socket for agent in agents], [], [], seconds)[0]
    if not ready:
        raise AssertionError("nothing arrived at " + ", ".join(agent.host_port for agent in agents))
    agent = next(agent for agent in agents if agent.socket is ready[0])
    return agent, agent.receive()


def expect_silence(agents, seconds):
    ready = select.select([agent.socket for agent in agents], [], [], seconds)[0]
    assert not ready, "something arrived that nobody waits for:\n" + ready[0].recv(65535).decode("latin-1")


class Message:
    def __init__(self, received):
        self.text = received[0].decode("latin-1")
        self.source = received[1][:2]
        head, _, self.body = self.text.partition("\r\n\r\n")
        self.start, *self.lines = head.split("\r\n")
        self.method = self.start.split(" ")[0]
        self.uri = self.start.split(" ")[1]

    def all(self, name):
        prefix = name.lower() + ":"
        return [line[len(prefix):].strip() for line in self.lines if line.lower().startswith(prefix)]

    def first(self, name):
        values = self.all(name)
        assert values, f"no {name} in\n{self.text}"
        return values[0]

    @property
    def branch(self):
        return self.first("Via").split("branch=")[1].split(";")[0]

    def contact_uri(self):
        return self.first("Contact").split("<")[1].split(">")[0]


def compose(start, headers, body=""):
    lines = [start] + [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines + [f"Content-Length: {len(body)}", "", body])


class Call:
    """What both ends of one call have in common, seen from the end that made it."""
    number = 0

    def __init__(self, agent, user="bob", target_uri=None):
        Call.number += 1
        self.agent = agent
        self.id = f"{os.getpid()}-{Call.number}-{time.time_ns():x}@{agent.address}"
        self.branch = f"z9hG4bKe2e{os.getpid()}x{Call.number}"
        self.uri = target_uri or f"sip:{user}@example.com"
        self.local = f"<sip:alice{Call.number}@example.com>;tag=l{Call.number}"
        self.remote = f"<sip:{user}@example.com>"
        self.cseq = 1

    def request(self, method, branch=None, uri=None, cseq=None, to=None, routes=(), more=(), body=""):
        via = f"SIP/2.0/UDP {self.agent.host_port};branch={branch or self.branch};rport"
        headers = [("Via", via)] + [("Route", route) for route in routes]
        headers += [("Max-Forwards", "70"), ("From", self.local), ("To", to or self.remote), ("Call-ID", self.id),
                    ("CSeq", f"{cseq or self.cseq} {method}")]
        return compose(f"{method} {uri or self.uri} SIP/2.0", headers + list(more), body)


def reply(request, status, tag="", more=(), body=""):
    headers = [("Via", via) for via in request.all("Via")]
    headers += [("Record-Route", route) for route in request.all("Record-Route")]
    to = request.first("To")
    if tag and ";tag=" not in to:
        to += f";tag={tag}"
    headers += [("From", request.first("From")), ("To", to), ("Call-ID", request.first("Call-ID")),
                ("CSeq", request.first("CSeq"))]
    return compose(f"SIP/2.0 {status}", headers + list(more), body)


def answer(agent, request, status, tag="", more=(), body=""):
    """Sends the reply where the request came from."""
    agent.send(reply(request, status, tag, more, body), request.source)
