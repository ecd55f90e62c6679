#include "tests/bench/relay/workload.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "dp/sip/branch.h"
#include "dp/table/dispatch.h"

namespace lb::bench {
namespace {

// One call: who it is between, and what all its messages share.
struct Call {
    std::string client;  // address text without brackets
    std::string destination;
    bool ipv6 = false;
    std::string call_id, from_tag, to_tag, branch;
    unsigned from_user = 0, to_user = 0;
    std::uint32_t cseq = 1;
};

using Random = std::mt19937;

unsigned below(Random& random, unsigned limit) { return static_cast<unsigned>(random() % limit); }

std::string word(Random& random, std::size_t size) {
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
    std::string text(size, '?');
    for (char& c : text) c = kLetters[below(random, kLetters.size())];
    return text;
}

std::string bracketed(const std::string& address) {
    if (address.find(':') == std::string::npos) return address;
    std::string text = address;
    text.insert(0, 1, '[').push_back(']');
    return text;
}

Call make_call(Random& random, bool ipv6) {
    Call call;
    call.ipv6 = ipv6;
    const unsigned a = below(random, 256), b = 1 + below(random, 254);
    call.client = ipv6 ? "2001:db8::" + std::to_string(1 + a) + ":" + std::to_string(b)
                       : "198.18." + std::to_string(a) + "." + std::to_string(b);
    call.destination = destination_address(below(random, kDestinations), ipv6);
    call.call_id = word(random, 32) + "@" + bracketed(call.client);
    call.from_tag = word(random, 8);
    call.to_tag = word(random, 10);
    call.branch = "z9hG4bK-" + word(random, 24);
    call.from_user = 1000 + below(random, 9000);
    call.to_user = 1000 + below(random, 9000);
    call.cseq = 1 + below(random, 9999);
    return call;
}

// ---- texts ------------------------------------------------------------------------------------

std::string via_of(const Call& call) {
    return "SIP/2.0/UDP " + bracketed(call.client) + ":5060;branch=" + call.branch + ";rport";
}

// What stands between the Via and the body of every request.
std::string dialog_headers(const Call& call, std::string_view method, bool in_dialog) {
    const std::string from = std::to_string(call.from_user), to = std::to_string(call.to_user);
    std::string text = "Max-Forwards: 70\r\n";
    text += "From: \"Phone " + from + "\" <sip:" + from +
            "@voip.example.com>;tag=" + call.from_tag + "\r\n";
    text +=
        "To: <sip:" + to + "@voip.example.com>" + (in_dialog ? ";tag=" + call.to_tag : "") + "\r\n";
    text += "Call-ID: " + call.call_id + "\r\n";
    text += "CSeq: " + std::to_string(call.cseq) + " " + std::string(method) + "\r\n";
    text += "Contact: <sip:" + from + "@" + bracketed(call.client) + ":5060>\r\n";
    return text;
}

// A session description of exactly `size` bytes.
std::string sdp(const Call& call, std::size_t size) {
    const std::string family = call.ipv6 ? "IN IP6 " : "IN IP4 ";
    std::string text = "v=0\r\no=- 20518 0 " + family + call.client + "\r\ns=-\r\nc=" + family +
                       call.client + "\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0 8 101\r\n";
    constexpr std::string_view kLine = "a=fmtp:101 0-15\r\n";
    while (text.size() + kLine.size() <= size) text += kLine;
    if (text.size() + 4 <= size) text += "a=" + std::string(size - text.size() - 4, 'x') + "\r\n";
    text.resize(size, '\n');
    return text;
}

// An INVITE whose payload is `size` bytes.
std::string invite(const Call& call, std::size_t size) {
    std::string text = "INVITE sip:" + std::to_string(call.to_user) +
                       "@voip.example.com SIP/2.0\r\nVia: " + via_of(call) + "\r\n" +
                       dialog_headers(call, "INVITE", false) +
                       "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n"
                       "Supported: replaces\r\nUser-Agent: phone 1.0\r\n"
                       "Content-Type: application/sdp\r\nContent-Length: ";
    const std::size_t body = size - text.size() - 3 - 4;  // three digits and an empty line
    text += std::to_string(body) + "\r\n\r\n";
    return text + sdp(call, size - text.size());
}

std::string bodyless(std::string_view start, const Call& call, std::string_view method,
                     bool in_dialog, std::string_view more = {}) {
    return std::string(start) + " SIP/2.0\r\nVia: " + via_of(call) + "\r\n" + std::string(more) +
           dialog_headers(call, method, in_dialog) + "Content-Length: 0\r\n\r\n";
}

std::string own_route(const Call& call) {
    char cookie[16];
    write_hex64(sip::dialog_cookie(bench_secret(), call.call_id), cookie);
    const std::string_view own = call.ipv6 ? kService6 : kService4;
    return "<sip:" + bracketed(std::string(own)) + ";lr;sl=" + std::string(cookie, 16) + ">";
}

// Within the dialog: to the destination's Contact, by our Route.
std::string in_dialog(const Call& call, std::string_view method) {
    return bodyless(std::string(method) + " sip:" + std::to_string(call.to_user) + "@" +
                        bracketed(call.destination) + ":5060",
                    call, method, true, "Route: " + own_route(call) + "\r\n");
}

std::string registration(const Call& call) {
    return bodyless("REGISTER sip:voip.example.com", call, "REGISTER", false);
}

// As the destination sends it: our Via on top.
std::string reply(const Call& call, std::string_view status, std::string_view method,
                  std::size_t body, std::uint64_t transaction) {
    const IpAddress client = *IpAddress::parse(call.client);
    const std::string service(call.ipv6 ? kService6 : kService4);
    const std::uint64_t mark = table::listener_mark({*IpAddress::parse(service), kSipPort});
    char branch[sip::kBranchSize];
    sip::write_relay_branch(bench_secret(), transaction, {client, kSipPort}, mark, branch);
    const std::string own = bracketed(service);
    std::string text = "SIP/2.0 " + std::string(status) + "\r\nVia: SIP/2.0/UDP " + own +
                       ";branch=" + std::string(branch, sip::kBranchSize) + "\r\n";
    text += "Via: SIP/2.0/UDP " + bracketed(call.client) + ":5060;received=" + call.client +
            ";branch=" + call.branch + ";rport=5060\r\n";
    text += "Record-Route: " + own_route(call) + "\r\n";
    text += "From: <sip:" + std::to_string(call.from_user) +
            "@voip.example.com>;tag=" + call.from_tag + "\r\n";
    text += "To: <sip:" + std::to_string(call.to_user) + "@voip.example.com>;tag=" + call.to_tag +
            "\r\n";
    text += "Call-ID: " + call.call_id + "\r\nCSeq: " + std::to_string(call.cseq) + " " +
            std::string(method) + "\r\n";
    text += "Contact: <sip:" + std::to_string(call.to_user) + "@" + bracketed(call.destination) +
            ":5060>\r\n";
    if (body != 0) text += "Content-Type: application/sdp\r\n";
    return text + "Content-Length: " + std::to_string(body) + "\r\n\r\n" +
           (body != 0 ? sdp(call, body) : "");
}

// Compact names, folded lines, blanks where they may stand.
std::string compact(const Call& call) {
    return "INVITE sip:" + std::to_string(call.to_user) +
           "@voip.example.com SIP/2.0\r\nv: SIP / 2.0 / UDP " + bracketed(call.client) +
           ":5060\r\n ;branch=" + call.branch +
           "\r\n ;rport\r\nMax-Forwards: 70\r\nf: <sip:" + std::to_string(call.from_user) +
           "@voip.example.com>\r\n\t;tag=" + call.from_tag +
           "\r\nt : <sip:" + std::to_string(call.to_user) +
           "@voip.example.com>\r\ni: " + call.call_id + "\r\nCSeq: " + std::to_string(call.cseq) +
           "\r\n INVITE\r\nm: <sip:" + std::to_string(call.from_user) + "@" +
           bracketed(call.client) + ":5060>\r\ns: a subject that\r\n  goes on\r\nk: replaces\r\n" +
           "c: application/sdp\r\nl: 300\r\n\r\n" + sdp(call, 300);
}

// ---- frames -----------------------------------------------------------------------------------

test::Octets frame_of(const Call& call, bool from_destination, std::string_view payload) {
    test::FrameSpec spec;
    spec.source = from_destination ? call.destination : call.client;
    spec.target = call.ipv6 ? kService6 : kService4;
    spec.source_port = spec.target_port = kSipPort;
    test::Octets frame = test::udp_frame(spec, as_bytes(payload));
    std::copy(kServiceMac.bytes.begin(), kServiceMac.bytes.end(), frame.begin());
    return frame;
}

// Garbage of the kinds that a SIP port gets: noise, cut messages, other protocols, broken headers.
std::string junk(Random& random, const Call& call) {
    const std::string good = invite(call, 700);
    switch (below(random, 4)) {
        case 0:
            return word(random, 1 + below(random, 900));
        case 1:
            return good.substr(0, below(random, 300));
        case 2:
            return "GET / HTTP/1.1\r\nHost: " + word(random, 12) + "\r\n\r\n";
        default:
            return "INVITE sip:x@example.com SIP/2.0\r\nVia: SIP/2.0/UDP ?;;;\r\n" +
                   word(random, 40) + "\r\n\r\n";
    }
}

// In a hundred messages of a carrier: calls with their provisional replies, some registrations.
test::Octets mixed(Random& random) {
    const Call call = make_call(random, below(random, 10) == 0);
    const unsigned what = below(random, 100);
    if (what < 15) return frame_of(call, false, invite(call, 700));
    if (what < 20) return frame_of(call, false, invite(call, 1200));
    if (what < 30) return frame_of(call, true, reply(call, "100 Trying", "INVITE", 0, random()));
    if (what < 40) return frame_of(call, true, reply(call, "180 Ringing", "INVITE", 0, random()));
    if (what < 55) return frame_of(call, true, reply(call, "200 OK", "INVITE", 230, random()));
    if (what < 68) return frame_of(call, false, in_dialog(call, "ACK"));
    if (what < 80) return frame_of(call, false, in_dialog(call, "BYE"));
    if (what < 88) return frame_of(call, true, reply(call, "200 OK", "BYE", 0, random()));
    return frame_of(call, false, registration(call));
}

std::vector<test::Octets> real_messages(Random& random, std::size_t count,
                                        const std::string& folder) {
    std::vector<std::filesystem::path> files;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
        const auto extension = entry.path().extension();
        if (extension == ".sip" || extension == ".bin") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    std::vector<test::Octets> frames;
    for (std::size_t i = 0; !files.empty() && i < count; ++i) {
        std::ifstream in(files[i % files.size()], std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(in), {}};
        if (text.size() <= 1472) frames.push_back(frame_of(make_call(random, false), false, text));
    }
    return frames;
}

test::Octets make_frame(std::string_view name, Random& random) {
    if (name == "mix") return mixed(random);
    const Call call = make_call(random, name == "ipv6");
    if (name == "invite700" || name == "ipv6") return frame_of(call, false, invite(call, 700));
    if (name == "invite1200") return frame_of(call, false, invite(call, 1200));
    if (name == "register") return frame_of(call, false, registration(call));
    if (name == "bye") return frame_of(call, false, in_dialog(call, "BYE"));
    if (name == "reply") {
        return frame_of(call, true, reply(call, "200 OK", "INVITE", 230, random()));
    }
    if (name == "compact") return frame_of(call, false, compact(call));
    return frame_of(call, false, junk(random, call));
}

}  // namespace

Secret bench_secret() noexcept { return Secret::derive(as_bytes("a secret for benchmarks only")); }

std::string destination_address(unsigned index, bool ipv6) {
    return (ipv6 ? "fd77::" : "10.77.0.") + std::to_string(101 + index);
}

std::vector<std::string> workload_names() {
    return {"invite700", "invite1200", "register", "bye",  "reply",
            "mix",       "compact",    "junk",     "ipv6", "realworld"};
}

std::vector<test::Octets> make_workload(std::string_view name, std::size_t count,
                                        std::uint32_t seed, const std::string& corpus) {
    Random random(seed);
    if (name == "realworld") return real_messages(random, count, corpus);
    const std::vector<std::string> names = workload_names();
    std::vector<test::Octets> frames;
    if (std::find(names.begin(), names.end(), name) == names.end()) return frames;
    for (std::size_t i = 0; i < count; ++i) frames.push_back(make_frame(name, random));
    return frames;
}

}  // namespace lb::bench
