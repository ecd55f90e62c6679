#include "dp/sip/branch.h"

#include <array>
#include <cstring>

#include "dp/base/quad.h"
#include "dp/base/vectors.h"
#include "dp/sip/parser.h"
#include "dp/sip/text.h"
#include "dp/sip/uri.h"

namespace lb::sip {
namespace {

// The `number` in front of the texts of a transaction without a magic cookie.
constexpr std::uint64_t kOldTransaction = 2;

std::string_view tag_of(const HeaderField& field) noexcept {
    NameAddr parsed;
    return parse_from_to(field.value, parsed) ? parsed.tag : std::string_view();
}

}  // namespace

// A client of RFC 2543 makes no unique branch: the fields of RFC 3261 16.11 stand in for it.
// INVITE, its ACK and its CANCEL differ in the To tag, which therefore counts for other methods
// only.
std::uint64_t old_transaction_number(const TextKey& key, const Message& request) noexcept {
    const bool invite_like = request.method == Method::kInvite || request.method == Method::kAck ||
                             request.method == Method::kCancel;
    const std::string_view to_tag = invite_like ? std::string_view() : tag_of(request.to);
    char cseq[sizeof request.cseq_number];
    std::memcpy(cseq, &request.cseq_number, sizeof cseq);

    std::uint64_t number = kOldTransaction;
    const auto add = [&](std::string_view first, std::string_view second)
        __attribute__((noinline)) {  // seldom called: one text_mac() is enough
        const auto placed = [](std::string_view text) { return text.empty() ? "" : text; };
        number = text_mac(key, number, placed(first), placed(second));
    };
    add(request.request_uri, request.top_via.branch);
    add(request.top_via.sent_by, tag_of(request.from));
    add(to_tag, request.call_id.value);
    add({cseq, sizeof cseq}, {});
    return number;
}

namespace {

std::uint64_t probe_mac(const Secret& secret, std::uint64_t number) noexcept {
    std::array<std::uint8_t, 8> bytes;
    std::memcpy(bytes.data(), &number, 8);
    return siphash_1_3(secret.probe, bytes);
}

void write_branch(std::string_view prefix, std::uint64_t first, std::uint64_t second,
                  char* out) noexcept {
    std::memcpy(out, prefix.data(), prefix.size());
    write_hex128(first, second, out + prefix.size());
}

// The number that 16 lower-case hex digits are, and of any other text some number: for who looks
// whether it is written like the text.
std::uint64_t guess_hex64(const char* text) noexcept {
#if defined(__SSSE3__)
    const __m128i chars = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
    const __m128i is_letter = _mm_cmpgt_epi8(chars, repeated<std::uint8_t{'9'}>());
    const __m128i nibbles = _mm_add_epi8(_mm_and_si128(chars, repeated<std::uint8_t{0x0f}>()),
                                         _mm_and_si128(is_letter, repeated<std::uint8_t{9}>()));
    const __m128i pairs = _mm_maddubs_epi16(nibbles, repeated<std::uint16_t{0x0110}>());
    const __m128i bytes = _mm_packus_epi16(pairs, pairs);
    return __builtin_bswap64(static_cast<std::uint64_t>(_mm_cvtsi128_si64(bytes)));
#else
    std::uint64_t value = 0;
    parse_hex64({text, 16}, value);
    return value;
#endif
}

bool is_hex128(std::uint64_t first, std::uint64_t second, const char* text) noexcept {
    char written[32];
    write_hex128(first, second, written);
    const Block differ = (load_word<Block>(written) ^ load_word<Block>(text)) |
                         (load_word<Block>(written + 16) ^ load_word<Block>(text + 16));
    return (differ[0] | differ[1]) == 0;
}

bool is_unicast(const IpAddress& address) noexcept {
    return !address.is_multicast() && !address.is_broadcast() && !address.is_unspecified();
}

}  // namespace

std::uint64_t reply_mac_ipv6(const AesKey& key, std::uint64_t transaction, std::uint64_t rest,
                             const IpAddress& address) noexcept {
    const AesBlock chained = aes_encrypt(key, transaction, rest);
    return aes_encrypt(key, chained.low ^ address.word(1), chained.high ^ address.word(9)).low;
}

void write_relay_branch(std::uint64_t transaction, std::uint64_t mac, char* out) noexcept {
    write_branch(kRelayBranch, transaction, mac, out);
}

std::uint64_t read_relay_mark(const Secret& secret, std::string_view branch,
                              const Endpoint& reply_to, std::uint64_t likely) noexcept {
    if (!is_branch_with(kRelayBranch, branch)) return 0;
    const std::string_view digits = branch.substr(kRelayBranch.size());
    std::uint64_t transaction = guess_hex64(digits.data());
    const std::uint64_t mac = reply_mac(secret, transaction, reply_to);
    if (is_hex128(transaction, mac ^ likely, digits.data())) [[likely]]
        return likely;
    std::uint64_t marked = 0;
    const bool ours =
        parse_hex64(digits.substr(0, 16), transaction) && parse_hex64(digits.substr(16), marked);
    return ours ? marked ^ mac : 0;
}

void write_probe_branch(const Secret& secret, std::uint64_t number, char* out) noexcept {
    write_branch(kProbeBranch, number, probe_mac(secret, number), out);
}

bool check_probe_numbers(const Secret& secret, std::string_view branch,
                         std::uint64_t& number) noexcept {
    const char* const digits = branch.data() + kProbeBranch.size();
    const std::uint64_t found = guess_hex64(digits);
    if (!is_hex128(found, probe_mac(secret, found), digits)) return false;
    number = found;
    return true;
}

namespace {

// Digits are read with the name of the parameter, which makes a whole word of any number of them.
bool take_rport(const Via& via, std::uint16_t& port) noexcept {
    if (end_of(via.rport) - via.rport_param.data() < 8) [[unlikely]]
        return parse_port(via.rport, port);
    std::uint64_t number = 0;
    if (!parse_number_before_end(via.rport, 65535, number)) return false;
    port = static_cast<std::uint16_t>(number);
    return true;
}

bool take_address(std::string_view host, IpAddress& address) noexcept {
    std::uint8_t quad[4];
    if (parse_whole_quad(host, quad)) [[likely]] {
        address = IpAddress::from_ipv4(quad);
        return true;
    }
    const auto other = literal_host(host);
    if (other) address = *other;
    return other.has_value();
}

}  // namespace

bool find_reply_endpoint(const Via& via, Endpoint& endpoint) noexcept {
    if (!take_address(via.received.empty() ? via.host : via.received, endpoint.address))
        return false;
    if (!is_plain_host(endpoint.address) && !is_unicast(endpoint.address)) return false;
    endpoint.port = via.port == 0 ? kSipPort : via.port;
    return via.rport.empty() || (take_rport(via, endpoint.port) && endpoint.port != 0);
}

}  // namespace lb::sip
