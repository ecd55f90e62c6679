#include "cp/slow_path.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "dp/base/limits.h"
#include "dp/net/frame.h"

namespace lb::cp {
namespace {

constexpr std::size_t kRoom = kHeadroom + kDatagramMax + net::kHeadersMax;
constexpr std::uint16_t kVlanType = 0x8100;

// "host" or "host:port" of a URI. Nothing for a text that is no key of its own, such as
// "host:05060": the workers would never find the answer.
std::optional<DnsName> parse_name(std::string_view text) {
    DnsName name;
    const std::size_t colon = text.rfind(':');
    name.host = text.substr(0, colon);
    if (colon != std::string_view::npos) {
        const char* const end = text.data() + text.size();
        const auto [at, error] = std::from_chars(text.data() + colon + 1, end, name.port);
        if (error != std::errc() || at != end || name.port == 0) return {};
    }
    if (dns_key(name.host, name.port) != dns_key(text, 0)) return {};
    return name;
}

}  // namespace

SlowPath::SlowPath(ServiceSockets& sockets, Dns& dns, Hooks hooks, std::uint32_t worker)
    : sockets_(sockets),
      dns_(dns),
      hooks_(std::move(hooks)),
      room_(kRoom),
      scratch_(std::make_unique<core::Scratch>()),
      alive_(std::make_shared<bool>(true)) {
    scratch_->state.worker = worker;
}

SlowPath::~SlowPath() { *alive_ = false; }

void SlowPath::take(core::Action action, table::InterfaceIndex interface, ConstBytes frame) {
    ++counters_.taken;
    if (action == core::Action::kSlowPath) return send(interface, frame);
    if (action == core::Action::kResolve) return route_frame(interface, frame, true);
    drop();
}

void SlowPath::drop() { ++counters_.dropped; }

// A finished datagram: its addresses and payload say all that the kernel needs.
void SlowPath::send(table::InterfaceIndex interface, ConstBytes frame) {
    net::Packet packet;
    packet.data = const_cast<std::uint8_t*>(frame.data());
    packet.length = static_cast<std::uint32_t>(frame.size());
    net::FrameView view;
    const bool whole = net::parse_frame(packet, view, false) == net::FrameError::kNone;
    const unsigned device = hooks_.device(interface);
    if (!whole || !view.is_udp || device == 0) {
        ++counters_.unsent;
        return;
    }
    remember(interface, view.target);
    const bool taken =
        sockets_.send({view.source, view.target, device, view.dscp, as_bytes(view.payload)});
    ++(taken ? counters_.sent : counters_.unsent);
}

void SlowPath::remember(table::InterfaceIndex interface, const Endpoint& target) {
    const table::Hop hop = hooks_.tables().network->resolve(target.address);
    if (hop.interface != interface) return;
    const NextHop next{interface, hop.neighbour};
    if (std::find(recent_.begin(), recent_.end(), next) != recent_.end()) return;
    if (recent_.size() == kRecentMax) recent_.pop_front();
    recent_.push_back(next);
}

// A copy with room for edits, as it stood before the worker.
net::Packet SlowPath::lend(const table::Interface& way_in, ConstBytes frame) {
    net::Packet packet;
    std::memcpy(room_.data() + kHeadroom, frame.data(), frame.size());
    packet.data = room_.data() + kHeadroom;
    packet.length = static_cast<std::uint32_t>(frame.size());
    packet.headroom = kHeadroom;
    packet.tailroom = static_cast<std::uint32_t>(room_.size() - kHeadroom - frame.size());
    packet.device = way_in.device;
    const bool tagged = load_be16(packet.data + 12) == kVlanType;
    packet.vlan = tagged ? net::kNoVlan : way_in.vlan;
    packet.udp_checksum = net::Checksum::kGood;  // the worker has verified what it could
    return packet;
}

void SlowPath::route_frame(table::InterfaceIndex interface, ConstBytes frame, bool may_hold) {
    const table::Tables& tables = hooks_.tables();
    const bool fits = frame.size() >= net::kEthernetHeader && frame.size() <= kRoom - kHeadroom;
    if (!fits || interface >= tables.network->interfaces().size()) return drop();

    net::Packet packet = lend(tables.network->interface(interface), frame);
    scratch_->state.now_ms = hooks_.now_ms();
    const core::Verdict verdict = hooks_.route(packet, tables, *scratch_);
    switch (verdict.action) {
        case core::Action::kForward:
        case core::Action::kReply:
        case core::Action::kSlowPath:
            return send(verdict.interface, packet.bytes());
        case core::Action::kResolve:
            if (may_hold) return hold(interface, frame);
            break;
        default:
            break;
    }
    drop();
}

// REQUIRES: route() has just asked for a name.
void SlowPath::hold(table::InterfaceIndex interface, ConstBytes frame) {
    const auto name = parse_name(scratch_->unresolved);
    const bool room = held_.size() < kHeldMax && held_bytes_ + frame.size() <= kHeldBytesMax;
    if (!name || !room) return drop();
    held_.emplace(dns_key(name->host, name->port),
                  Held{interface, {frame.begin(), frame.end()}, hooks_.now_ms() + kHeldMs});
    held_bytes_ += frame.size();
    counters_.held = held_.size();
    dns_.resolve(*name, [this, alive = alive_](const Dns::Endpoints&) {
        if (*alive) hooks_.name_answered();
    });
}

void SlowPath::retry() {
    if (held_.empty()) return;
    const auto names = hooks_.tables().names;
    if (names == nullptr) return;
    std::vector<Held> ready;
    for (auto at = held_.begin(); at != held_.end();) {
        const auto found = std::lower_bound(
            names->begin(), names->end(), at->first,
            [](const table::ResolvedName& name, const std::string& key) { return name.key < key; });
        if (found == names->end() || found->key != at->first) {
            ++at;
            continue;
        }
        held_bytes_ -= at->second.frame.size();
        ready.push_back(std::move(at->second));
        at = held_.erase(at);
    }
    counters_.held = held_.size();
    for (const Held& held : ready) route_frame(held.interface, held.frame, false);
}

void SlowPath::expire() {
    const std::uint64_t now = hooks_.now_ms();
    for (auto at = held_.begin(); at != held_.end();) {
        if (at->second.until_ms > now) {
            ++at;
            continue;
        }
        held_bytes_ -= at->second.frame.size();
        at = held_.erase(at);
        drop();
    }
    counters_.held = held_.size();
}

}  // namespace lb::cp
