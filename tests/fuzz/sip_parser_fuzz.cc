// Everything in dp/sip that reads what strangers send, against the slow parser. Whatever the bytes
// are: no read outside them, no disagreement with the twin, and views only into the datagram.

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "dp/sip/branch.h"
#include "dp/sip/edit.h"
#include "dp/sip/parser.h"
#include "dp/sip/reply.h"
#include "dp/sip/uri.h"
#include "tests/dp/sip/sample.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/slow_parser.h"

namespace lb::sip {
namespace {

void require(bool good, const char* what, const std::string& detail = {}) {
    if (good) return;
    std::fprintf(stderr, "%s\n%s", what, detail.c_str());
    std::abort();
}

void inside(std::string_view part, std::string_view whole) {
    require(part.empty() || (part.data() >= whole.data() &&
                             part.data() + part.size() <= whole.data() + whole.size()),
            "a view points outside the datagram");
}

void read_addresses(std::string_view list, std::string_view whole) {
    NameAddr address;
    while (parse_name_addr(list, address, list)) {
        inside(address.uri, whole);
        inside(address.tag, whole);
        Uri uri;
        if (!parse_uri(address.uri, uri)) continue;
        inside(uri.host_port, whole);
        (void)find_param(uri.params, "lr");
        (void)literal_host(uri.host);
    }
}

void same(std::string_view a, std::string_view b, std::string_view value) {
    require(a.data() == b.data() && a.size() == b.size(),
            "read unlike with the index and without\n", std::string(value));
}

// With the index of their message, values of the usual shape are read by other code than without.
void read_alike(std::string_view value, const TextIndex& index) {
    Via via, other_via;
    std::string_view rest, other_rest;
    const bool good_via = parse_via(value, via, rest, &index);
    require(good_via == parse_via(value, other_via, other_rest), "one Via\n", std::string(value));
    if (good_via) {
        same(via.value, other_via.value, value);
        same(via.branch, other_via.branch, value);
        same(via.sent_by, other_via.sent_by, value);
        same(via.received_param, other_via.received_param, value);
        same(via.rport_param, other_via.rport_param, value);
        same(via.maddr, other_via.maddr, value);
        require(via.port == other_via.port, "another port\n", std::string(value));
        same(rest, other_rest, value);
    }
    NameAddr addr, other_addr;
    const bool good_addr = parse_from_to_strictly(value, addr, &index);
    require(good_addr == parse_from_to_strictly(value, other_addr), "one address\n",
            std::string(value));
    if (!good_addr) return;
    same(addr.uri, other_addr.uri, value);
    same(addr.tag, other_addr.tag, value);
    Uri uri, other_uri;
    const bool good_uri = parse_uri(addr.uri, uri, &index);
    require(good_uri == parse_uri(addr.uri, other_uri), "one URI\n", std::string(value));
    same(uri.host_port, other_uri.host_port, value);
    same(uri.params, other_uri.params, value);
    require(uri.port == other_uri.port, "another port\n", std::string(value));
}

void read_headers(const Message& message) {
    std::string_view rest = message.header;
    std::string_view name;
    HeaderLine field;
    while (next_header(rest, name, field)) {
        inside(field.line, message.header);
        inside(field.value, field.line);
        read_addresses(field.value, field.line);
        read_alike(field.value, message.index);
    }
}

// A reply to a message that parses must parse, and carry what it has to.
void answer(const Message& request, bool clean) {
    const Secret secret = Secret::derive(as_bytes("a secret for this test"));
    const Endpoint source = *Endpoint::parse("192.0.2.1:5060");
    std::vector<std::uint8_t> out(request.text.size() + 512);
    const std::size_t size = write_reply(request, source, {404, "No", "s", ""}, secret, out);
    require(size != 0, "a reply did not fit");
    if (!clean) return;
    Message reply;
    const std::string_view text = as_text({out.data(), size});
    const Error error = parse(text, reply);
    require(error == Error::kNone, "our reply does not parse\n", std::string(text));
    require(reply.call_id.value == request.call_id.value, "another Call-ID");
    require(reply.from.value == request.from.value, "another From");
    require(reply.via_lines == request.via_lines, "another number of Via lines");
    // Who sends several received of his own may be left with one of them in front of ours.
    require(reply.top_via.received == "192.0.2.1" || !reply.top_via.has_rport() ||
                !request.top_via.received_param.empty(),
            "no received");
}

void write_edits(const Message& message, EditList& edits) {
    const Via& via = message.top_via;
    edits.clear();
    edits.insert(line_of(message.via, message).data(),
                 "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx\r\n");
    if (!via.rport_param.empty()) edits.replace(via.rport_param, ";rport=65535");
    if (!via.received_param.empty()) edits.remove(via.received_param);
    edits.insert(via.sent_by.data() + via.sent_by.size(), ";received=192.0.2.1");
    require(edits.ok(), "edits of a good message overlap");
}

// Relays a copy: a Via on top, `received` and `rport` in the one below.
void edit(std::string_view text) {
    constexpr std::size_t kRoom = 256;
    std::string copy = std::string(kRoom, '#') + std::string(text);
    Message message;
    require(parse(std::string_view(copy).substr(kRoom), message) == Error::kNone, "no copy");
    const std::string body(message.body);
    const std::string branch(message.top_via.branch);
    EditList edits;
    write_edits(message, edits);
    const char* const begin = edits.apply(copy.data() + kRoom, text.size()).begin;
    const std::string_view relayed(begin, copy.data() + copy.size());
    Message after;
    const Error error = parse(relayed, after);
    if (error == Error::kTooManyHeaders) return;  // it had the most there may be
    require(error == Error::kNone, "an edited message does not parse\n", std::string(relayed));
    require(after.body == body, "another body");
    Via second;
    require(find_second_via(after, second), "the second Via is gone");
    require(second.received == "192.0.2.1" && second.branch == branch,
            "the second Via was not edited well\n", std::string(second.value));
}

}  // namespace
}  // namespace lb::sip

// Our own messages below corpus/sip_parser_fuzz are replayed besides.
std::vector<std::string> lb::test::fuzz_seeds() {
    return {std::string(kInvite), std::string(kTortuous),
            with("INVITE sip:bob@example.com SIP/2.0", "SIP/2.0 200 OK"),
            with(";rport", ";rport=7;received=192.0.2.7, SIP/2.0/UDP [2001:db8::1]:5070;x=\"a,b\""),
            "\r\n\r\n"};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lb::sip;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    Message message;
    const Error error = parse(text, message);
    const std::string difference = lb::test::disagreement(text, error, message);
    require(difference.empty(), "the parsers disagree\n", difference + std::string(text));
    inside(message.text, text);
    inside(message.top_via.value, message.via.value);
    Via second;
    if (find_second_via(message, second)) inside(second.value, text);
    read_headers(message);
    Uri uri;
    (void)parse_uri(text, uri);
    (void)parse_uri(message.request_uri, uri);
    (void)is_keepalive(text);
    if (error == Error::kNone && !message.reply) {
        answer(message, true);
        edit(message.text);
    } else if (answerable(error, message)) {
        answer(message, false);
    }
    return 0;
}
