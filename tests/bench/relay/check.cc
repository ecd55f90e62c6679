#include "tests/bench/relay/check.h"

#include <algorithm>
#include <map>
#include <optional>

#include "dp/sip/branch.h"
#include "dp/table/dispatch.h"
#include "tests/bench/relay/defragment.h"
#include "tests/bench/relay/workload.h"
#include "tests/support/dispatcher_hash_twin.h"
#include "tests/support/slow_checksum.h"
#include "tests/support/slow_parser.h"

namespace lb::bench {
namespace {

constexpr std::size_t kProblemsMax = 8;

// A UDP datagram, read by fixed offsets: the bench makes no tags, options or fragments.
struct Datagram {
    bool good = false;  // lengths and checksums
    IpAddress source, target;
    std::uint16_t source_port = 0, target_port = 0;
    std::string_view payload;
};

Datagram read(const test::Octets& frame) {
    Datagram out;
    if (frame.size() < 62) return out;
    const bool ipv4 = load_be16(&frame[12]) == 0x0800;
    const std::uint8_t* ip = &frame[14];
    const std::uint8_t* udp = ip + (ipv4 ? 20 : 40);
    const auto left = static_cast<std::size_t>(frame.data() + frame.size() - udp);
    const std::size_t length = load_be16(udp + 4);
    if (length < 8 || length > left) return out;
    out.source = ipv4 ? IpAddress::from_ipv4(ip + 12) : IpAddress::from_ipv6(ip + 8);
    out.target = ipv4 ? IpAddress::from_ipv4(ip + 16) : IpAddress::from_ipv6(ip + 24);
    out.source_port = load_be16(udp);
    out.target_port = load_be16(udp + 2);
    out.payload = as_text({udp + 8, length - 8});
    const bool header = !ipv4 || test::slow_sum({ip, 20}) == 0xffff;
    out.good = header && test::slow_udp_sum(out.source, out.target, {udp, length}) == 0xffff;
    return out;
}

struct Sip {
    Datagram datagram;
    test::SlowMessage message;
};

Sip parse(const test::Octets& frame) {
    Sip out{read(frame), {}};
    out.message = test::slow_parse(out.datagram.payload);
    return out;
}

std::string key_of(const test::SlowMessage& message, bool as_reply) {
    return message.call_id + "|" + std::to_string(message.cseq_number) + "|" + message.cseq_method +
           "|" + (as_reply ? std::to_string(message.status) : "request");
}

// What a message came from: of several with its key the oldest, for nothing overtakes here; one of
// the same To tag if there is one, because some of them may have been dropped.
using ByKey = std::multimap<std::string, std::size_t>;
ByKey::iterator find_origin(ByKey& by_key, const std::vector<Sip>& given,
                            const test::SlowMessage& message, bool local) {
    const auto [first, last] = by_key.equal_range(key_of(message, !local && message.reply));
    for (auto at = first; at != last; ++at) {
        if (given[at->second].message.to == message.to) return at;
    }
    return first == last ? by_key.end() : first;
}

// Some senders end their lines with LF alone.
std::vector<std::string> header_values(std::string_view text, std::string_view name) {
    std::vector<std::string> values;
    std::size_t at = text.find('\n') + 1;  // behind the start line
    for (std::size_t end; at < text.size(); at = end + 1) {
        end = std::min(text.find('\n', at), text.size());
        std::string_view line = text.substr(at, end - at);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty()) break;
        if (!line.starts_with(name) || !line.substr(name.size()).starts_with(": ")) continue;
        values.emplace_back(line.substr(name.size() + 2));
    }
    return values;
}

std::string text_of(const IpAddress& address) {
    std::string text = address.text();
    if (address.is_ipv6()) text.insert(0, 1, '[').push_back(']');
    return text;
}

// One relayed message and what it came from. Each check returns what is wrong, or nothing.
using Wrong = std::optional<std::string>;

Wrong check_via(const Sip& in, const Sip& out) {
    const auto& vias = out.message.vias;
    if (vias.size() != in.message.vias.size() + 1) return "number of Via fields";
    const test::SlowVia own = test::slow::parse_via(vias[0]);
    if (own.host != text_of(in.datagram.target)) return "topmost Via is not ours: " + vias[0];
    const test::SlowVia theirs = test::slow::parse_via(vias[1]);
    const bool fixed = theirs.host == in.datagram.source.text() && !theirs.has_rport;
    if (!fixed && theirs.received != in.datagram.source.text()) return "received: " + vias[1];
    if (theirs.has_rport && theirs.rport != std::to_string(in.datagram.source_port)) {
        return "rport: " + vias[1];
    }
    if (theirs.branch != in.message.top_via.branch) return "branch below ours: " + vias[1];
    const bool back_to_source = theirs.has_rport;
    const std::uint16_t port = back_to_source ? in.datagram.source_port
                               : theirs.port.empty()
                                   ? kSipPort
                                   : static_cast<std::uint16_t>(std::stoi(theirs.port));
    const std::uint64_t mark = table::listener_mark({in.datagram.target, kSipPort});
    if (sip::read_relay_mark(bench_secret(), own.branch, {in.datagram.source, port}, mark) !=
        mark) {
        return "our branch: " + own.branch;
    }
    return {};
}

Wrong check_max_forwards(const Sip& in, const Sip& out) {
    const std::int64_t before = in.message.max_forwards;
    const std::int64_t expected = before < 0 || before > 70 ? 70 : before - 1;
    if (out.message.max_forwards == expected) return {};
    return "Max-Forwards " + std::to_string(out.message.max_forwards);
}

Wrong check_record_route(const Sip& in, const Sip& out) {
    const bool starts_dialog = in.message.method == "NOTIFY" ||
                               (in.message.to.find("tag=") == std::string::npos &&
                                (in.message.method == "INVITE" ||
                                 in.message.method == "SUBSCRIBE" || in.message.method == "REFER"));
    const auto before = header_values(in.datagram.payload, "Record-Route");
    const auto after = header_values(out.datagram.payload, "Record-Route");
    if (!starts_dialog) {
        return after == before ? Wrong() : Wrong("Record-Route on a request that starts no dialog");
    }
    char cookie[16];
    write_hex64(sip::dialog_cookie(bench_secret(), in.message.call_id), cookie);
    const std::string expected =
        "<sip:" + text_of(in.datagram.target) + ";lr;sl=" + std::string(cookie, 16) + ">";
    if (after.size() == before.size() + 1 && after[0] == expected) return {};
    return "Record-Route is not " + expected + " but " + (after.empty() ? "absent" : after[0]);
}

// A dialog that passed here: the topmost Route is ours.
bool led_by_our_route(const Sip& in) {
    return !in.message.routes.empty() &&
           in.message.routes[0].find(text_of(in.datagram.target)) != std::string::npos;
}

// By Request-URI within a dialog of ours, else by Kamailio's hash over the Call-ID: a Route set
// that starts with somebody else is the destination's business. Of equal destinations the one
// loaded last has index 0 (spec/dispatcher.md 3.4).
Wrong check_destination(const Sip& in, const Sip& out) {
    const bool in_dialog = led_by_our_route(in);
    std::string expected;
    if (in_dialog) {
        const std::string& uri = in.message.uri;
        const std::size_t host = uri.find('@') + 1;
        expected = uri.substr(host, uri.rfind(':') - host);
    } else {
        const std::uint32_t index = test::dispatcher_hash_twin(in.message.call_id) % kDestinations;
        expected = text_of(*IpAddress::parse(
            destination_address(kDestinations - 1 - index, in.datagram.source.is_ipv6())));
    }
    if (text_of(out.datagram.target) != expected || out.datagram.target_port != kSipPort) {
        return "went to " + text_of(out.datagram.target) + " and not to " + expected;
    }
    const std::size_t popped = in_dialog ? 1 : 0;
    if (out.message.routes.size() + popped != in.message.routes.size()) return "number of Routes";
    return {};
}

Wrong check_rest(const Sip& in, const Sip& out) {
    const test::SlowMessage &a = in.message, &b = out.message;
    if (a.uri != b.uri || a.method != b.method || a.status != b.status) return "start line";
    if (a.from != b.from || a.to != b.to || a.cseq_number != b.cseq_number) return "From, To, CSeq";
    if (a.body != b.body) return "body";
    const bool behind_nat = a.contact.find(in.datagram.source.text()) == std::string::npos;
    if (!a.reply && !behind_nat && a.contact != b.contact) return "Contact: " + b.contact;
    return {};
}

Wrong check_request(const Sip& in, const Sip& out) {
    for (const auto check :
         {check_via, check_max_forwards, check_record_route, check_destination, check_rest}) {
        if (Wrong wrong = check(in, out)) return wrong;
    }
    return {};
}

Wrong check_reply(const Sip& in, const Sip& out) {
    if (out.message.vias.size() + 1 != in.message.vias.size()) return "number of Via fields";
    const test::SlowVia next = test::slow::parse_via(in.message.vias.at(1));
    if (out.message.vias.at(0) != in.message.vias.at(1)) return "Via below ours has changed";
    if (out.datagram.target.text() != next.received ||
        std::to_string(out.datagram.target_port) != next.rport) {
        return "went to " + text_of(out.datagram.target);
    }
    return check_rest(in, out);
}

Wrong check_local(const Sip& in, const Sip& out) {
    if (out.message.vias.size() != in.message.vias.size()) return "number of Via fields";
    const bool ok =
        out.message.status >= 400 || (out.message.status == 200 && in.message.method == "OPTIONS");
    if (!ok) return "local reply " + std::to_string(out.message.status);
    if (out.datagram.target != in.datagram.source) return "local reply went elsewhere";
    return {};
}

}  // namespace

CheckReport check_relayed(const std::vector<test::Octets>& input,
                          const std::vector<test::Octets>& sent) {
    const std::vector<test::Octets> output = defragment(sent);
    CheckReport report;
    report.received = input.size();
    std::vector<Sip> given;
    ByKey by_key;
    for (const test::Octets& frame : input) {
        given.push_back(parse(frame));
        const auto& message = given.back().message;
        by_key.emplace(key_of(message, message.reply), given.size() - 1);
    }
    const auto fail = [&](const std::string& what) {
        ++report.wrong;
        if (report.problems.size() < kProblemsMax) report.problems.push_back(what);
    };
    for (std::size_t i = 0; i < output.size(); ++i) {
        const Sip out = parse(output[i]);
        const std::string frame = "frame " + std::to_string(i) + ": ";
        if (!out.datagram.good) {
            fail(frame + "length or checksum");
            continue;
        }
        const bool local = !by_key.contains(key_of(out.message, out.message.reply));
        const auto from = find_origin(by_key, given, out.message, local);
        if (from == by_key.end()) {
            fail(frame + "answers nothing that was sent");
            continue;
        }
        const Sip& in = given[from->second];
        by_key.erase(from);
        const Wrong wrong = local               ? check_local(in, out)
                            : out.message.reply ? check_reply(in, out)
                                                : check_request(in, out);
        if (wrong) {
            fail(frame + *wrong);
        } else {
            ++(local ? report.local : out.message.reply ? report.replies : report.requests);
        }
    }
    return report;
}

}  // namespace lb::bench
