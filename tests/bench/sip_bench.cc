// Nanoseconds for the parts of dp/sip, each with its input named. The parser is measured with every
// scan variant of this CPU in one run; parse() itself takes the widest.

#include <benchmark/benchmark.h>

#include <array>
#include <string>
#include <vector>

#include "dp/base/keyed_hash.h"
#include "dp/sip/branch.h"
#include "dp/sip/edit.h"
#include "dp/sip/parser.h"
#include "dp/sip/reply.h"
#include "dp/sip/scan.h"
#include "tests/dp/sip/sample.h"

namespace lb::sip {
namespace {

// An ordinary INVITE of a phone, filled up by its body to `size` bytes.
std::string invite(std::size_t size) {
    const std::string head =
        "INVITE sip:bob@example.com SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-d8754z-8e111f05db4b;rport\r\n"
        "Max-Forwards: 70\r\n"
        "Contact: <sip:alice@192.0.2.10:5060>\r\n"
        "To: <sip:bob@example.com>\r\n"
        "From: \"Alice\" <sip:alice@example.com>;tag=a21d1d13\r\n"
        "Call-ID: NzFjZjA4NjRhODRkM2MzZTZjOGE5OGRkZWJhODlkZGM\r\n"
        "CSeq: 1 INVITE\r\n"
        "Allow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, OPTIONS\r\n"
        "Content-Type: application/sdp\r\n"
        "Supported: replaces\r\n"
        "User-Agent: phone 1.0\r\n"
        "Content-Length: ";
    const std::string body(size - head.size() - 7, 'v');
    return head + std::to_string(body.size()) + "\r\n\r\n" + body;
}

void parse_text(benchmark::State& state, const std::string& text) {
    Message message;
    if (parse(text, message) != Error::kNone) return state.SkipWithError("does not parse");
    for (auto _ : state) {
        benchmark::DoNotOptimize(parse(text, message));
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}

void BM_ParseInvite(benchmark::State& state) {
    parse_text(state, invite(static_cast<std::size_t>(state.range(0))));
}
BENCHMARK(BM_ParseInvite)->Arg(656)->Arg(700);

void BM_ParseFolded(benchmark::State& state) { parse_text(state, std::string(test::kTortuous)); }
BENCHMARK(BM_ParseFolded);

void BM_ScanHeader(benchmark::State& state) {
    const ScanFunction scan = scan_variant(static_cast<ScanKind>(state.range(0)));
    if (scan == nullptr) return state.SkipWithError("not on this CPU");
    const std::string text = invite(656);
    TextIndex index;
    for (auto _ : state) {
        scan(text, index);
        benchmark::DoNotOptimize(index);
    }
}
BENCHMARK(BM_ScanHeader)->ArgName("kind")->DenseRange(0, 3);

void BM_ParseVia(benchmark::State& state) {
    const std::string_view text =
        "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-d8754z-8e111f05db4b;rport";
    Via via;
    std::string_view rest;
    for (auto _ : state) benchmark::DoNotOptimize(parse_via(text, via, rest));
}
BENCHMARK(BM_ParseVia);

// Via and Record-Route in front, received, rport, Max-Forwards.
void BM_ApplyRelayEdits(benchmark::State& state) {
    const std::string text = invite(700);
    const std::string via(80, 'v');
    const std::string record_route(70, 'r');
    std::string buffer;
    for (auto _ : state) {
        buffer.assign(256, '#');
        buffer += text;
        Message message;
        parse(std::string_view(buffer).substr(256), message);
        EditList edits;
        edits.clear();
        edits.insert(message.header.data(), record_route);
        edits.insert(line_of(message.via, message).data(), via);
        edits.insert(message.top_via.sent_by.data() + message.top_via.sent_by.size(),
                     ";received=192.0.2.10");
        edits.replace(message.top_via.rport_param, ";rport=5060");
        edits.replace(message.max_forwards.value, "69");
        benchmark::DoNotOptimize(edits.apply(buffer.data() + 256, message.text.size()).begin);
    }
}
BENCHMARK(BM_ApplyRelayEdits)->Name("BM_CopyParseAndApplyRelayEdits");

void BM_TransactionNumber(benchmark::State& state) {
    const Secret secret = Secret::derive(as_bytes("sixteen bytes or more of it"));
    const std::string text = invite(656);
    Message message;
    parse(text, message);
    for (auto _ : state) benchmark::DoNotOptimize(transaction_number(secret, message));
}
BENCHMARK(BM_TransactionNumber);

void BM_RelayBranch(benchmark::State& state) {
    const Secret secret = Secret::derive(as_bytes("sixteen bytes or more of it"));
    const Endpoint endpoint = *Endpoint::parse("192.0.2.10:5062");
    std::array<char, kBranchSize> branch;
    for (auto _ : state) {
        write_relay_branch(secret, 0x0123456789abcdef, endpoint, 1, branch.data());
        benchmark::DoNotOptimize(branch);
    }
}
BENCHMARK(BM_RelayBranch);

// Two texts as a branch and a sent-by are, by each variant; one AES block.
void BM_TextMac(benchmark::State& state) {
    const MacVariant& variant = mac_variants()[static_cast<std::size_t>(state.range(0))];
    const TextKey key = Secret::derive(as_bytes("sixteen bytes or more of it")).cookie;
    const std::string first(33, 'x'), second(17, 'y');
    state.SetLabel(variant.name);
    for (auto _ : state) benchmark::DoNotOptimize(variant.text(key, 1, first, second));
}
BENCHMARK(BM_TextMac)->DenseRange(0, static_cast<int>(mac_variants().size()) - 1);

void BM_SipHash13(benchmark::State& state) {
    const std::string text(static_cast<std::size_t>(state.range(0)), 'x');
    for (auto _ : state) benchmark::DoNotOptimize(siphash_1_3({1, 2}, as_bytes(text)));
}
BENCHMARK(BM_SipHash13)->Arg(16)->Arg(43)->Arg(64);

void BM_WriteReply(benchmark::State& state) {
    const Secret secret = Secret::derive(as_bytes("sixteen bytes or more of it"));
    const std::string text = invite(656);
    Message message;
    parse(text, message);
    std::array<std::uint8_t, 2048> out;
    for (auto _ : state) {
        benchmark::DoNotOptimize(write_reply(message, *Endpoint::parse("192.0.2.10:5060"),
                                             {404, "No destination", "siplane", ""}, secret, out));
    }
}
BENCHMARK(BM_WriteReply);

}  // namespace
}  // namespace lb::sip
