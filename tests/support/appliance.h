#pragma once

// A small appliance for tests of route(): tables built from a few lines, frames made from text, and
// what route() did with them as text again. Everything in memory, no device, no thread.

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dp/core/route.h"
#include "dp/net/frame.h"
#include "dp/table/tables.h"

namespace lb::test {

inline Endpoint at(std::string_view text) { return Endpoint::parse(text).value(); }

inline const MacAddress kApplianceMac{{0x02, 0, 0, 0, 0, 0x01}};
inline const MacAddress kPeerMac{{0x02, 0, 0, 0, 0, 0x02}};

// A frame in a buffer with room on both sides, as a worker would have it.
class FrameBuffer {
public:
    static constexpr std::size_t kRoom = 70000;

    FrameBuffer(const Endpoint& source, const Endpoint& target, std::string_view payload,
                std::uint16_t vlan = net::kNoVlan)
        : buffer_(kRoom) {
        net::UdpHeaders headers;
        headers.source_mac = kPeerMac;
        headers.target_mac = kApplianceMac;
        headers.vlan = vlan;
        headers.source = source;
        headers.target = target;
        std::uint8_t* const begin = buffer_.data() + 2048;
        if (!payload.empty()) std::memcpy(begin, payload.data(), payload.size());
        const std::size_t written =
            net::write_udp_headers(headers, begin, payload.size(), net::ChecksumMode::kSoftware);
        packet.data = begin - written;
        packet.length = static_cast<std::uint32_t>(written + payload.size());
        packet.headroom = static_cast<std::uint32_t>(packet.data - buffer_.data());
        packet.tailroom = static_cast<std::uint32_t>(kRoom - packet.headroom - packet.length);
    }

    net::Packet packet;

private:
    std::vector<std::uint8_t> buffer_;
};

// One thing that left the appliance, or why nothing did.
struct Outcome {
    core::Verdict verdict;
    Endpoint source, target;
    std::string text;
    std::uint16_t vlan = net::kNoVlan;
    std::uint16_t ip_id = 0;  // IPv4
    bool dont_fragment = false;

    bool sent() const {
        return verdict.action == core::Action::kForward || verdict.action == core::Action::kReply ||
               verdict.action == core::Action::kSlowPath;
    }
};

class Appliance {
public:
    Appliance() {
        tables.secret = Secret::derive(as_bytes("a secret for tests only"));
        add_interface("edge", {"10.77.0.1/24", "fd77::1/64"});
    }

    table::InterfaceIndex add_interface(const std::string& name,
                                        const std::vector<std::string>& addresses,
                                        std::uint16_t vlan = net::kNoVlan) {
        table::Interface interface;
        interface.name = name;
        interface.mac = kApplianceMac;
        interface.vlan = vlan;
        for (const std::string& text : addresses)
            interface.addresses.push_back(*Prefix::parse(text));
        network.interfaces.push_back(interface);
        return static_cast<table::InterfaceIndex>(network.interfaces.size() - 1);
    }

    // Every neighbour answers with kPeerMac unless a test wants none.
    void add_neighbour(std::string_view address, table::InterfaceIndex interface = 0) {
        network.neighbours.push_back({interface, *IpAddress::parse(address), kPeerMac});
    }

    // Returns the listener's index.
    table::ListenerIndex listen(std::string_view endpoint, std::uint32_t service) {
        table::Listener listener;
        listener.endpoint = at(endpoint);
        listener.service = service;
        const std::string shown = listener.endpoint.port == 5060
                                      ? listener.endpoint.text().substr(0, endpoint.rfind(':'))
                                      : listener.endpoint.text();
        listener.via = "Via: SIP/2.0/UDP " + shown + ";branch=";
        listener.record_route_uri = "<sip:" + shown;
        dispatch.listeners.push_back(listener);
        const auto index = static_cast<table::ListenerIndex>(dispatch.listeners.size() - 1);
        if (dispatch.services.size() <= service) dispatch.services.resize(service + 1);
        dispatch.services[service].listeners.push_back(index);
        return index;
    }

    // Destinations in index order.
    void add_set(std::int32_t id, const std::vector<std::string>& endpoints) {
        table::Set set;
        set.id = id;
        for (const std::string& text : endpoints) {
            table::Member member;
            member.id = table::DestinationId{next_id_++};
            member.endpoint = at(text);
            member.text = static_cast<std::uint32_t>(set.texts.size());
            set.members.push_back(member);
            const std::string uri = "sip:" + text;
            set.texts.push_back({uri, "", "", text});
        }
        dispatch.sets.push_back(set);
    }

    void build() {
        tables.network = table::Network::build(network);
        tables.dispatch = table::Dispatch::build(dispatch);
        tables.find_shortcuts();
    }

    Outcome receive(std::string_view source, std::string_view target, std::string_view payload,
                    std::uint16_t vlan = net::kNoVlan) {
        FrameBuffer frame(at(source), at(target), payload, vlan);
        return receive(frame);
    }

    Outcome receive(FrameBuffer& frame) {
        if (tables.dispatch == nullptr) build();
        Outcome outcome;
        outcome.verdict = core::route(frame.packet, tables, *scratch);
        if (outcome.sent()) {
            net::FrameView view;
            if (net::parse_frame(frame.packet, view, true) != net::FrameError::kNone) {
                outcome.text = "(a frame that does not parse)";
                return outcome;
            }
            outcome.source = view.source;
            outcome.target = view.target;
            outcome.vlan = view.vlan;
            outcome.text = view.payload;
            if (view.source.address.is_ipv4()) {
                const std::uint8_t* const ip = frame.packet.data + view.ip_offset;
                outcome.ip_id = load_be16(ip + 4);
                outcome.dont_fragment = (ip[6] & 0x40) != 0;
            }
        }
        return outcome;
    }

    table::NetworkState network;
    table::Dispatch::Input dispatch;
    table::Tables tables;
    std::unique_ptr<core::Scratch> scratch = std::make_unique<core::Scratch>();

private:
    std::uint32_t next_id_ = 1;
};

}  // namespace lb::test
