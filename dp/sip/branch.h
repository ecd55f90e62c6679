#pragma once

// Our Via branch and our dialog cookie: keyed functions of the message, so that any worker on any
// node of a fleet makes the same one and can check it without state (RFC 3261 16.11; design.md
// section 6).
//
//   relay:  z9hG4bKsl<T><R>   T: 16 hex digits over what identifies the transaction. They prove
//                                nothing: whoever knows a transaction's branch may repeat it
//                             R: 16 hex digits over T and where the reply has to go next, a MAC,
//                                exclusive or the mark of the listener that the request came to:
//                                the reply leaves from there (RFC 3581 4)
//   probe:  z9hG4bKsp<N><M>   N: 16 hex digits, the prober's transaction number, M: MAC over N

#include <cstdint>
#include <optional>
#include <string_view>

#include "dp/base/address.h"
#include "dp/base/bytes.h"
#include "dp/base/keyed_hash.h"
#include "dp/sip/message.h"

namespace lb::sip {

inline constexpr std::string_view kRelayBranch = "z9hG4bKsl";
inline constexpr std::string_view kProbeBranch = "z9hG4bKsp";
inline constexpr std::size_t kBranchSize = 9 + 32;
inline bool is_branch_with(std::string_view prefix, std::string_view branch) noexcept {
    return branch.size() == kBranchSize &&
           same_short(branch.data(), prefix.data(), kRelayBranch.size());
}

inline constexpr std::string_view kMagicCookie = "z9hG4bK";  // RFC 3261 8.1.1.7

// The transaction's number: the same for an INVITE, its retransmissions, its CANCEL and the ACK for
// a non-2xx. From the topmost Via's branch and sent-by if the branch has the magic cookie,
// otherwise from the fields of RFC 3261 16.11 (Request-URI, topmost Via, tags, Call-ID, CSeq
// number). REQUIRES: a request that parse() accepted.
std::uint64_t old_transaction_number(const TextKey& key, const Message& request) noexcept;
[[gnu::always_inline]] inline std::uint64_t transaction_number(const Secret& secret,
                                                               const Message& request) noexcept {
    const Via& via = request.top_via;
    // The bare cookie marks nothing unique (RFC 4475 3.3.14).
    if (via.branch.size() > kMagicCookie.size() && via.branch.starts_with(kMagicCookie)) [[likely]]
        return text_hash(secret.transaction, 0, via.branch, via.sent_by);
    return old_transaction_number(secret.transaction, request);
}

// Proves to ourselves that we sent the branch of that transaction for a reply to go there. AES of
// one block, or for IPv6 CBC-MAC of two; the family in the first one says which.
std::uint64_t reply_mac_ipv6(const AesKey& key, std::uint64_t transaction, std::uint64_t rest,
                             const IpAddress& address) noexcept;
inline std::uint64_t reply_mac(const Secret& secret, std::uint64_t transaction,
                               const IpAddress& address, std::uint16_t port) noexcept {
    const AesKey& key = secret.reply_route;
    const std::uint64_t rest =
        static_cast<std::uint64_t>(address.family()) << 48 | static_cast<std::uint64_t>(port) << 32;
    if (address.is_ipv6()) return reply_mac_ipv6(key, transaction, rest, address);
    return aes_encrypt(key, transaction, rest | load_be32(address.data())).low;
}
inline std::uint64_t reply_mac(const Secret& secret, std::uint64_t transaction,
                               const Endpoint& reply_to) noexcept {
    return reply_mac(secret, transaction, reply_to.address, reply_to.port);
}
// `mac`: what reply_mac() gave, exclusive or the mark. REQUIRES: kBranchSize writable chars.
void write_relay_branch(std::uint64_t transaction, std::uint64_t mac, char* out) noexcept;
inline void write_relay_branch(const Secret& secret, std::uint64_t transaction,
                               const Endpoint& reply_to, std::uint64_t mark, char* out) noexcept {
    write_relay_branch(transaction, reply_mac(secret, transaction, reply_to) ^ mark, out);
}
// The mark in a branch of ours whose reply goes to `reply_to`; `likely`: what to try first. 0 if it
// does not look like ours. If we did not write it, or for a reply to go elsewhere, any number comes
// out: a mark that nobody has proves as much.
std::uint64_t read_relay_mark(const Secret& secret, std::string_view branch,
                              const Endpoint& reply_to, std::uint64_t likely) noexcept;

void write_probe_branch(const Secret& secret, std::uint64_t number, char* out) noexcept;
// What check_probe_branch() asks once the size and the prefix are right.
bool check_probe_numbers(const Secret& secret, std::string_view branch,
                         std::uint64_t& number) noexcept;
// True if `branch` was made by write_probe_branch() with this secret; `number` is then set.
inline bool check_probe_branch(const Secret& secret, std::string_view branch,
                               std::uint64_t& number) noexcept {
    return is_branch_with(kProbeBranch, branch) && check_probe_numbers(secret, branch, number);
}

// The dialog cookie over a Call-ID, 16 hex digits in the URI parameter "sl" of our Record-Route.
inline constexpr std::string_view kCookieParam = "sl";
inline std::uint64_t dialog_cookie(const Secret& secret, std::string_view call_id) noexcept {
    return text_mac(secret.cookie, 0, call_id, "");
}

// Where a reply goes by a Via (RFC 3261 18.2.2, RFC 3581): received or the sent-by host, rport or
// the sent-by port or 5060. False, and `endpoint` any, if that host is a name or no unicast
// address; nothing, by the other form.
bool find_reply_endpoint(const Via& via, Endpoint& endpoint) noexcept;
inline std::optional<Endpoint> reply_endpoint(const Via& via) noexcept {
    Endpoint endpoint;
    return find_reply_endpoint(via, endpoint) ? std::optional(endpoint) : std::nullopt;
}

}  // namespace lb::sip
