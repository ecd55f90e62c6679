#include "cp/explain.h"

#include <fmt/format.h>

#include <cstring>

#include "cp/destination.h"
#include "dp/core/checks.h"
#include "dp/core/next_hop.h"
#include "dp/sip/branch.h"
#include "dp/sip/parser.h"
#include "dp/sip/reply.h"
#include "dp/table/random.h"

namespace lb::cp {
namespace {

constexpr std::size_t kHeadroom = 4096;
constexpr std::size_t kTailroom = 8192;

// The message as one frame in a buffer with the room that route() needs.
class Frame {
public:
    Frame(const table::Interface& in, std::uint16_t device, const ExplainQuestion& question)
        : buffer_(kHeadroom + question.message.size() + kTailroom) {
        std::uint8_t* const payload = buffer_.data() + kHeadroom;
        if (!question.message.empty()) {
            std::memcpy(payload, question.message.data(), question.message.size());
        }
        net::UdpHeaders headers;
        headers.source_mac = MacAddress{{2, 0, 0, 0, 0, 0x99}};
        headers.target_mac = in.mac;
        headers.vlan = in.vlan;
        headers.source = question.source;
        headers.target = question.target;
        const std::size_t size = net::write_udp_headers(headers, payload, question.message.size(),
                                                        net::ChecksumMode::kSoftware);
        packet.device = device;
        packet.data = payload - size;
        packet.length = static_cast<std::uint32_t>(size + question.message.size());
        packet.headroom = static_cast<std::uint32_t>(kHeadroom - size);
        packet.tailroom = kTailroom;
    }

    net::Packet packet;

private:
    std::vector<std::uint8_t> buffer_;
};

const table::Interface* owner(const table::Network& network, const IpAddress& address) {
    for (const table::Interface& interface : network.interfaces()) {
        for (const Prefix& prefix : interface.addresses) {
            if (prefix.address == address) return &interface;
        }
    }
    return nullptr;
}

ExplainedMember named(const table::Set& set, std::uint32_t index) {
    return {index, std::string(set.texts[set.members[index].text].uri)};
}

ExplainedList named(const table::Set& set, const std::vector<std::uint32_t>& indexes) {
    ExplainedList list;
    list.count = indexes.size();
    for (std::size_t i = 0; i < indexes.size() && i < kExplainListMax; ++i) {
        list.members.push_back(named(set, indexes[i]));
    }
    return list;
}

void add(ExplainedList& list, const table::Set& set, std::uint32_t index) {
    if (++list.count <= kExplainListMax) list.members.push_back(named(set, index));
}

// Those without an address, by the reason.
void name_unaddressed(const table::Set& set, Explanation& out) {
    for (std::uint32_t i = 0; i < set.members.size(); ++i) {
        if (!set.members[i].endpoint.address.is_none()) continue;
        const std::string_view uri = set.texts[set.members[i].text].uri;
        std::string prefixed;
        const auto parsed = view_destination_uri(uri, prefixed);
        const bool udp = !parsed || over_udp(parsed->uri, parsed->protocol);
        add(udp ? out.unresolved : out.not_udp, set, i);
    }
}

// The first line of a reply.
std::string_view first_line(std::string_view text) { return text.substr(0, text.find('\r')); }

void describe(const core::Verdict& verdict, Explanation& out) {
    switch (verdict.action) {
        case core::Action::kForward:
            out.verdict = "forward";
            out.reason = "relayed to " + out.sent_to.text();
            break;
        case core::Action::kSlowPath:
            out.verdict = "forward";
            out.reason = "relayed to " + out.sent_to.text() +
                         " by the kernel, as the MAC address of the next hop is not known here";
            break;
        case core::Action::kReply:
            out.verdict = "reply";
            out.reason = fmt::format("answered with {}", first_line(out.sent));
            break;
        case core::Action::kResolve:
            out.verdict = "resolve";
            out.reason = "waits until the host name of " + out.followed + " is looked up";
            break;
        case core::Action::kPunt:
        case core::Action::kReassemble:
            out.verdict = "punt";
            out.reason = "left to the kernel, which the prober or another program listens on";
            break;
        case core::Action::kDrop: {
            const auto& info = core::kDropReasons[static_cast<std::size_t>(verdict.reason)];
            out.verdict = "drop";
            out.reason = fmt::format("{}: {}", info.name, info.help);
            break;
        }
    }
}

}  // namespace

struct Explainer::Impl {
    std::unique_ptr<core::Scratch> scratch = std::make_unique<core::Scratch>();
    std::map<std::int32_t, table::Cursors> cursors;  // by set

    bool reads(core::Context& context);
    void choose(core::Context& context, const core::Way& way, Explanation& out);
    void decide(core::Context& context, Explanation& out);
    void run(net::Packet& packet, const table::Tables& tables, Explanation& out);
};

// The steps of route() before it decides; false if the message ends there.
bool Explainer::Impl::reads(core::Context& context) {
    sip::Message& message = scratch->message;
    if (net::parse_frame(context.packet, scratch->frame, false) != net::FrameError::kNone ||
        sip::is_keepalive(scratch->frame.payload) ||
        sip::parse(scratch->frame.payload, message) != sip::Error::kNone || message.is_reply() ||
        !core::read_addresses(message)) {
        return false;
    }
    context.transaction = sip::transaction_number(context.tables.secret, message);
    return !core::check_request(context) &&
           !(message.method == sip::Method::kAck &&
             sip::is_ack_to_our_reply(message, context.tables.secret));
}

void Explainer::Impl::choose(core::Context& context, const core::Way& way, Explanation& out) {
    const core::Selection selection = core::find_selection(context, way.uri);
    if (selection.rule != nullptr) out.rule = selection.rule->name;
    if (selection.rule != nullptr && selection.rule->action != table::Rule::Action::kDispatch) {
        return;  // the verdict says it all
    }
    out.dispatched = true;
    out.set = selection.set;
    out.algorithm = selection.algorithm;
    const table::Set* const set = context.dispatch().find_set(selection.set);
    out.set_exists = set != nullptr;
    if (set == nullptr) return;

    core::WorkerState& state = scratch->state;
    const core::Question question{
        context.message(),   scratch->frame.source, context.transaction, context.dispatch(), *set,
        selection.algorithm, selection.remember};
    const core::Choice choice = core::explain(question, state, cursors[set->id], out.trace,
                                              core::Detail::kLists, kExplainListMax);
    table::next_random(state.random);
    out.candidates = named(*set, out.trace.candidates);
    out.passed_over = named(*set, out.trace.passed_over);
    out.failover = named(*set, out.trace.failover);
    name_unaddressed(*set, out);
    if (!choice) return;
    out.chosen = named(*set, choice.index);
    out.chosen_address = choice.member->endpoint.text();
    out.remembered = choice.remembered;
    // route() finds it here, so that it moves no pointer and reserves no load.
    state.transactions.store(context.transaction, choice.member->id, state.now_ms,
                             core::kInviteMemorySeconds);
}

void Explainer::Impl::decide(core::Context& context, Explanation& out) {
    out.request = true;
    out.call_id = context.message().call_id.value;
    const core::LooseRoute route = core::loose_route(context);
    if (route.broken) return;
    const core::Way way = core::find_way(context, route);
    if (way.dispatched) {
        choose(context, way, out);
    } else {
        out.followed = way.uri;
    }
}

void Explainer::Impl::run(net::Packet& packet, const table::Tables& tables, Explanation& out) {
    const core::Verdict verdict = core::route(packet, tables, *scratch);
    const bool leaves = verdict.action == core::Action::kForward ||
                        verdict.action == core::Action::kReply ||
                        verdict.action == core::Action::kSlowPath;
    net::FrameView view;
    if (leaves && net::parse_frame(packet, view, false) == net::FrameError::kNone) {
        out.sent_from = view.source;
        out.sent_to = view.target;
        out.sent = view.payload;
    }
    if (verdict.action == core::Action::kDrop &&
        verdict.reason == core::DropReason::kForgedSource) {
        Explanation unread;  // route() looked at the source first, and at nothing else
        unread.source = out.source;
        unread.target = out.target;
        unread.service = std::move(out.service);
        out = std::move(unread);
    }
    describe(verdict, out);
}

Result<Endpoint> explain_target(const table::Dispatch& dispatch, std::string_view service,
                                Family family) {
    std::string names;
    for (const table::Listener& listener : dispatch.listeners()) {
        const std::string& name = dispatch.services()[listener.service].name;
        const bool meant = service.empty() || service == name;
        if (meant && (listener.endpoint.address.family() == family || family == Family::kNone)) {
            return listener.endpoint;
        }
        names +=
            fmt::format("{}{} at {}", names.empty() ? "" : ", ", name, listener.endpoint.text());
    }
    return failed(Errc::kNotFound,
                  fmt::format("no service {} with an address of that family; there are: {}",
                              service, names.empty() ? "none" : names));
}

Explainer::Explainer() : impl_(std::make_unique<Impl>()) {
    impl_->scratch->state.only_looks = true;
}

Explainer::~Explainer() = default;

Result<Explanation> Explainer::explain(const table::Tables& tables,
                                       const ExplainQuestion& question) {
    if (question.message.size() > kExplainMessageMax) {
        return failed(Errc::kInvalid, fmt::format("a message of {} bytes is no UDP datagram",
                                                  question.message.size()));
    }
    const table::Interface* const in = owner(*tables.network, question.target.address);
    const table::ListenerIndex listener = tables.dispatch->find_listener(question.target);
    if (in == nullptr || listener == table::kNoListener ||
        question.source.address.family() != question.target.address.family()) {
        return failed(Errc::kNotFound, fmt::format("no service listens at {} for {}",
                                                   question.target.text(), question.source.text()));
    }
    Explanation out;
    out.source = question.source;
    out.target = question.target;
    impl_->scratch->state.worker =
        static_cast<std::uint32_t>(tables.dispatch->cursors()->workers());
    Frame frame(*in, in->device, question);
    core::Context context{frame.packet, tables, *impl_->scratch};
    context.listener = listener;
    context.interface = tables.network->find_interface(in->device, in->vlan);
    out.service = context.service().name;
    if (impl_->reads(context)) impl_->decide(context, out);
    impl_->run(frame.packet, tables, out);
    return out;
}

Result<Explanation> explain_text(Explainer& explainer, const table::Tables& tables,
                                 std::string_view message, std::string_view source,
                                 std::string_view target) {
    std::optional<Endpoint> from, to;
    if (!source.empty() && !(from = Endpoint::parse(source))) {
        return failed(Errc::kInvalid, fmt::format("{} is not ADDRESS:PORT", source));
    }
    to = Endpoint::parse(target);
    if (!to) {
        const Family family = from ? from->address.family() : Family::kNone;
        auto found = explain_target(*tables.dispatch, target, family);
        // A capture may come from a network of the other family: it is the message that counts.
        if (!found && from) {
            from.reset();
            found = explain_target(*tables.dispatch, target, Family::kNone);
        }
        if (!found) return failed(found.error());
        to = *found;
    }
    if (!from)
        from = Endpoint::parse(to->address.is_ipv6() ? "[2001:db8::99]:5060" : "192.0.2.99:5060");
    return explainer.explain(tables, {message, *from, *to});
}

}  // namespace lb::cp
