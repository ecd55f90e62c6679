#!/usr/bin/env python3
"""Does each message of a transaction reach the backend that its INVITE reached? veth loses nothing, so this client
repeats, cancels and acknowledges on purpose.

  transactions.py CLIENT_NAMESPACE CLIENT_ADDRESS BACKEND_NAMESPACE BACKEND,BACKEND,... APPLIANCE NAME=PORT...

One line per NAME: calls, and how many each backend got. Exit 1 with the first message that went astray."""
import sys

from sip_agent import Agent, Call, answer, expect_silence, receive_any

CALLS = 12
BACKEND_PORT = 5080


def same_way(backends, first, backend, method, what):
    agent, message = receive_any(backends)
    assert agent is backend, f"{what}: went to {agent.host_port}, the INVITE to {backend.host_port}"
    assert message.start.startswith(method), f"{what}: {message.start}"
    assert message.branch == first.branch, f"{what}: branch {message.branch}, of the INVITE {first.branch}"
    return message


def invite(phone, backends, service, call):
    contact = [("Contact", f"<sip:alice@{phone.host_port}>")]
    text = call.request("INVITE", more=contact, body="v=0\r\n")
    phone.send(text, service)
    backend, first = receive_any(backends)
    for count in (1, 2):
        phone.send(text, service)
        same_way(backends, first, backend, "INVITE", f"retransmission {count}")
    answer(backend, first, "180 Ringing", "b")
    phone.expect("SIP/2.0 180")
    return backend, first


def cancelled_call(phone, backends, service):
    call = Call(phone)
    backend, first = invite(phone, backends, service, call)
    phone.send(call.request("CANCEL"), service)
    cancel = same_way(backends, first, backend, "CANCEL", "CANCEL")
    answer(backend, cancel, "200 OK")
    phone.expect("SIP/2.0 200")
    return finish_failed(phone, backends, service, call, backend, first, "487 Request Terminated")


def refused_call(phone, backends, service):
    call = Call(phone)
    backend, first = invite(phone, backends, service, call)
    return finish_failed(phone, backends, service, call, backend, first, "486 Busy Here")


def finish_failed(phone, backends, service, call, backend, first, status):
    answer(backend, first, status, "b")
    refused = phone.expect("SIP/2.0 " + status[:3])
    phone.send(call.request("ACK", to=refused.first("To")), service)
    same_way(backends, first, backend, "ACK", f"ACK to {status}")
    return backend


def answered_call(phone, backends, service):
    call = Call(phone)
    backend, first = invite(phone, backends, service, call)
    answer(backend, first, "200 OK", "b", [("Contact", f"<sip:pbx@{backend.host_port}>")])
    done = phone.expect("SIP/2.0 200")
    routes = list(reversed(done.all("Record-Route")))
    for method, cseq in (("ACK", 1), ("BYE", 2)):
        phone.send(call.request(method, f"{call.branch}{method}", done.contact_uri(), cseq, done.first("To"), routes), service)
        agent, message = receive_any(backends)
        assert agent is backend and message.method == method, f"{method} went to {agent.host_port}: {message.start}"
        assert not message.all("Route"), f"{method} still has our Route:\n{message.text}"
    answer(backend, message, "200 OK")
    phone.expect("SIP/2.0 200")
    return backend


def calls_at_once(phone, backends, service):
    """Call load: while calls last, each new one goes to the backend with the fewest."""
    open_calls = []
    for _ in backends:
        call = Call(phone)
        open_calls.append((call, *invite(phone, backends, service, call)))
    used = {backend for _, backend, _ in open_calls}
    assert used == set(backends), f"{len(open_calls)} calls at once used {len(used)} backends"
    for call, backend, first in open_calls:
        finish_failed(phone, backends, service, call, backend, first, "480 Temporarily Unavailable")


def main():
    client_namespace, client, backend_namespace, names, appliance = sys.argv[1:6]
    backends = [Agent(backend_namespace, name, BACKEND_PORT) for name in names.split(",")]
    # Other source ports are other flows: they reach other workers.
    phones = [Agent(client_namespace, client, 7000 + number) for number in range(6)]
    kinds = (cancelled_call, refused_call, answered_call)
    for name_port in sys.argv[6:]:
        name, port = name_port.split("=")
        counts = dict.fromkeys(backends, 0)
        for number in range(CALLS):
            backend = kinds[number % len(kinds)](phones[number % len(phones)], backends, (appliance, int(port)))
            counts[backend] += 1
        print(f"{name}: {CALLS} calls, " + " ".join(str(count) for count in counts.values()), flush=True)
        if name == "10":
            calls_at_once(phones[0], backends, (appliance, int(port)))
        if name in ("4", "6", "9", "11"):
            assert sum(count > 0 for count in counts.values()) > 1, f"algorithm {name} sent all to one backend"
    expect_silence(backends + phones, 0.2)


if __name__ == "__main__":
    try:
        main()
    except AssertionError as error:
        sys.exit(f"{error}")
