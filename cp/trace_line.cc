#include "cp/trace_line.h"

#include <fmt/format.h>

#include <ctime>

#include "dp/net/frame.h"
#include "dp/sip/parser.h"

namespace lb::cp {
namespace {

std::string shown(std::string_view text) {
    std::string out(text.substr(0, kTraceTextMax));
    for (char& c : out) {
        if (c < ' ' || c > '~') c = '?';
    }
    return out;
}

// parse_frame() and sip::parse() on bytes that only are looked at.
struct Parsed {
    explicit Parsed(ConstBytes bytes, std::uint16_t vlan) {
        net::Packet packet;
        packet.data = const_cast<std::uint8_t*>(bytes.data());
        packet.length = static_cast<std::uint32_t>(bytes.size());
        packet.vlan = vlan;
        if (net::parse_frame(packet, frame, false) != net::FrameError::kNone) return;
        sip::parse(frame.payload, message);
        sip = message.status != 0 || !message.method_text.empty();
    }
    std::string start() const {
        if (!sip) return {};
        if (message.is_reply()) return shown(fmt::format("{} {}", message.status, message.reason));
        return shown(fmt::format("{} {}", message.method_text, message.request_uri));
    }
    net::FrameView frame;
    sip::Message message;
    bool sip = false;
};

std::string relayed(const core::TracedMessage& traced, const Parsed& received,
                    const std::string& target, const TraceDestinations::Destination* destination) {
    std::string out = "relayed to " + target;
    if (destination != nullptr) {
        out = fmt::format("relayed to {}, set {}", shown(destination->uri), destination->set);
    }
    if (!received.message.is_reply() && !traced.dispatched) out += ", by its Route or Request-URI";
    if (traced.verdict.action == core::Action::kSlowPath) {
        out += ", by the kernel: MAC address not known yet";
    }
    return out;
}

std::string dropped(core::DropReason reason) {
    const auto index = static_cast<std::size_t>(reason);
    if (index >= core::kDropReasons.size()) return "dropped";
    const core::DropReasonInfo& info = core::kDropReasons[index];
    return fmt::format("dropped: {} ({})", info.name, info.help);
}

std::string decision_of(const core::TracedMessage& traced, const Parsed& received,
                        const TraceLine& line, const TraceDestinations::Destination* destination) {
    switch (traced.verdict.action) {
        case core::Action::kForward:
        case core::Action::kSlowPath:
            return relayed(traced, received, line.sent_target, destination);
        case core::Action::kReply:
            return "answered " + line.sent_message;
        case core::Action::kPunt:
            return received.message.is_reply() ? "given to the kernel: an answer to a ping of ours"
                                               : "given to the kernel: not ours to relay";
        case core::Action::kResolve:
            return "waits for DNS: its next hop is a name";
        case core::Action::kReassemble:
            return "held: a fragment";
        case core::Action::kDrop:
            break;
    }
    return dropped(traced.verdict.reason);
}

std::string name_of(const table::Network& network, table::InterfaceIndex index) {
    return index < network.interfaces().size() ? network.interface(index).name : "?";
}

}  // namespace

const TraceDestinations::Destination* TraceDestinations::find(
    const std::shared_ptr<const table::Dispatch>& dispatch, std::uint32_t slot) {
    if (slot == kNoTrafficSlot || slot == table::Dispatch::kNotADestination || dispatch == nullptr)
        return nullptr;
    if (dispatch != dispatch_) {
        dispatch_ = dispatch;
        by_slot_.clear();
        for (const table::Set& set : dispatch->sets()) {
            for (const table::Member& member : set.members) {
                by_slot_.try_emplace(member.slot,
                                     Destination{set.id, std::string(set.texts[member.text].uri)});
            }
        }
    }
    const auto found = by_slot_.find(slot);
    return found == by_slot_.end() ? nullptr : &found->second;
}

Described describe(const core::TracedMessage& message, const table::Tables& tables,
                   TraceDestinations& destinations) {
    const table::Network& network = *tables.network;
    Described out;
    TraceLine& line = out.line;
    line.time_ns = message.time_ns;
    const Parsed received(message.received, message.vlan);
    out.in = network.find_interface(message.device, received.frame.vlan);
    line.port = name_of(network, out.in);
    line.source = received.frame.source.text();
    line.target = received.frame.target.text();
    line.message = received.start();
    if (received.sip) {
        line.cseq = shown(received.message.cseq.value);
        line.call_id = shown(received.message.call_id.value);
    }
    if (!message.sent.empty()) {
        const Parsed sent(message.sent, net::kNoVlan);
        out.out = message.verdict.interface;
        line.sent_port = name_of(network, out.out);
        line.sent_source = sent.frame.source.text();
        line.sent_target = sent.frame.target.text();
        line.sent_message = sent.start();
    }
    line.decision =
        decision_of(message, received, line, destinations.find(tables.dispatch, message.slot));
    return out;
}

std::string time_text(std::int64_t time_ns) {
    const std::time_t seconds = time_ns / 1'000'000'000;
    std::tm parts{};
    localtime_r(&seconds, &parts);
    char zone[8] = {};
    std::strftime(zone, sizeof zone, "%z", &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}{:.3}:{}", parts.tm_year + 1900,
                       parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                       time_ns % 1'000'000'000 / 1000, zone, zone + 3);
}

}  // namespace lb::cp
