#!/usr/bin/env python3
"""A phone behind a real NAT, a registrar behind the appliance: REGISTER, a call each way, BYE from the server.

  nat_calls.py PHONE_NAMESPACE PHONE PUBLIC SERVER_NAMESPACE SERVER APPLIANCE

PHONE is the phone's private address, PUBLIC that of its router. The phone knows nothing of the NAT: its Via and
Contact carry the private address, and no rport is asked for. The server knows nothing of the appliance but its Record-Route
and Path: it talks to the addresses it finds in messages."""
import sys

from sip_agent import Agent, Call, answer, expect_silence

PORT = 5060


def without_rport(text):
    return text.replace(";rport\r\n", "\r\n", 1)


def host_port(uri):
    return uri.split("@")[1].split(";")[0]


def register(phone, server, appliance, public):
    """Returns the contact that the registrar keeps."""
    call = Call(phone, target_uri="sip:example.com")
    phone.send(without_rport(call.request("REGISTER", more=[("Contact", f"<sip:alice@{phone.host_port}>;expires=60")])), appliance)
    request = server.expect("REGISTER")
    contact = request.contact_uri()
    host, _, port = host_port(contact).partition(":")
    assert host == public, f"Contact is {contact}, the router is {public}"
    assert port != str(PORT), f"the router did not change the port: {contact} proves nothing"
    assert phone.address not in request.first("Contact"), request.first("Contact")
    answer(server, request, "200 OK", "r", [("Contact", f"<{contact}>;expires=60")])
    phone.expect("SIP/2.0 200")
    return contact


def phone_calls(phone, server, appliance, contact):
    """INVITE from the phone; the server hangs up, and its BYE has to cross the NAT."""
    call = Call(phone)
    phone.send(without_rport(call.request("INVITE", more=[("Contact", f"<sip:alice@{phone.host_port}>")], body="v=0\r\n")), appliance)
    request = server.expect("INVITE")
    assert host_port(request.contact_uri()) == host_port(contact), request.contact_uri()
    answer(server, request, "180 Ringing", "s")
    phone.expect("SIP/2.0 180")
    answer(server, request, "200 OK", "s", [("Contact", f"<sip:pbx@{server.host_port}>")])
    done = phone.expect("SIP/2.0 200")
    assert host_port(done.contact_uri()) == server.host_port, done.contact_uri()  # a destination's own stays
    routes = list(reversed(done.all("Record-Route")))
    phone.send(without_rport(call.request("ACK", call.branch + "a", done.contact_uri(), to=done.first("To"), routes=routes)), appliance)
    server.expect("ACK")

    bye = Call(server)
    bye.id, bye.local, bye.remote = call.id, done.first("To"), call.local
    server.send(bye.request("BYE", uri=request.contact_uri(), routes=request.all("Record-Route")), request.source)
    arrived = phone.expect("BYE")
    answer(phone, arrived, "200 OK")
    server.expect("SIP/2.0 200")


def server_calls(phone, server, appliance, contact):
    """INVITE to the registered contact by way of the appliance; then the phone hangs up."""
    call = Call(server, target_uri=contact)
    server.send(call.request("INVITE", more=[("Contact", f"<sip:pbx@{server.host_port}>")], body="v=0\r\n"), appliance)
    request = phone.expect("INVITE")
    answer(phone, request, "180 Ringing", "p")
    server.expect("SIP/2.0 180")
    answer(phone, request, "200 OK", "p", [("Contact", f"<sip:alice@{phone.host_port}>")])
    done = server.expect("SIP/2.0 200")
    assert host_port(done.contact_uri()) == host_port(contact), f"Contact of the 200 is {done.contact_uri()}"
    routes = list(reversed(done.all("Record-Route")))
    assert routes, "no Record-Route"
    server.send(call.request("ACK", call.branch + "a", done.contact_uri(), to=done.first("To"), routes=routes), appliance)
    phone.expect("ACK")

    bye = Call(phone)
    bye.id, bye.local, bye.remote = call.id, done.first("To"), call.local
    phone.send(without_rport(bye.request("BYE", uri=request.contact_uri(), routes=request.all("Record-Route"))), request.source)
    arrived = server.expect("BYE")
    answer(server, arrived, "200 OK")
    phone.expect("SIP/2.0 200")


def main():
    phone_namespace, phone_address, public, server_namespace, server_address, appliance_address = sys.argv[1:]
    phone = Agent(phone_namespace, phone_address, PORT)
    server = Agent(server_namespace, server_address, PORT)
    appliance = (appliance_address, PORT)
    contact = register(phone, server, appliance, public)
    print(f"registered {phone.host_port} as {contact}")
    for _ in range(3):
        phone_calls(phone, server, appliance, contact)
        server_calls(phone, server, appliance, contact)
    print("3 calls each way")
    expect_silence([phone, server], 0.2)


if __name__ == "__main__":
    try:
        main()
    except AssertionError as error:
        sys.exit(f"{error}")
