#include "dp/sip/branch.h"

#include <array>
#include <cstring>

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
    const auto add = [&](std::string_view first, std::string_view second) {
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

bool read_branch(std::string_view prefix, std::string_view branch, std::uint64_t& first,
                 std::uint64_t& second) noexcept {
    return branch.size() == kBranchSize && branch.starts_with(prefix) &&
           parse_hex64(branch.substr(prefix.size(), 16), first) &&
           parse_hex64(branch.substr(prefix.size() + 16), second);
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

bool check_relay_branch(const Secret& secret, std::string_view branch,
                        const Endpoint& reply_to) noexcept {
    std::uint64_t transaction = 0;
    std::uint64_t mac = 0;
    return read_branch(kRelayBranch, branch, transaction, mac) &&
           mac == reply_mac(secret, transaction, reply_to);
}

void write_probe_branch(const Secret& secret, std::uint64_t number, char* out) noexcept {
    write_branch(kProbeBranch, number, probe_mac(secret, number), out);
}

bool check_probe_branch(const Secret& secret, std::string_view branch,
                        std::uint64_t& number) noexcept {
    std::uint64_t found = 0;
    std::uint64_t mac = 0;
    if (!read_branch(kProbeBranch, branch, found, mac)) return false;
    if (mac != probe_mac(secret, found)) return false;
    number = found;
    return true;
}

std::optional<Endpoint> reply_endpoint(const Via& via) noexcept {
    const auto address = literal_host(via.received.empty() ? via.host : via.received);
    if (!address || !is_unicast(*address)) return std::nullopt;
    Endpoint endpoint{*address, via.port == 0 ? kSipPort : via.port};
    if (via.rport.empty()) return endpoint;
    if (!parse_port(via.rport, endpoint.port) || endpoint.port == 0) return std::nullopt;
    return endpoint;
}

}  // namespace lb::sip
