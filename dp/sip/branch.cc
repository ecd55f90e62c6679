#include "dp/sip/branch.h"

#include <array>
#include <cstring>

#include "dp/sip/parser.h"
#include "dp/sip/text.h"
#include "dp/sip/uri.h"

namespace lb::sip {
namespace {

constexpr std::string_view kMagicCookie = "z9hG4bK";

// SipHash over a list of texts. Each goes in with its length, so that no two lists are the same
// bytes. A list that does not fit the buffer is folded: what was collected is replaced by its hash.
class Digest {
public:
    explicit Digest(const HashKey& key) noexcept : key_(key) {}

    void add(std::string_view text) noexcept {
        const auto size = static_cast<std::uint32_t>(text.size());
        append(reinterpret_cast<const char*>(&size), sizeof size);
        append(text.data(), text.size());
    }
    void add_number(std::uint64_t number) noexcept {
        append(reinterpret_cast<const char*>(&number), sizeof number);
    }
    std::uint64_t value() const noexcept {
        return siphash_1_3(key_, as_bytes({buffer_.data(), used_}));
    }

private:
    void append(const char* from, std::size_t size) noexcept {
        while (size > buffer_.size() - used_) {
            const std::size_t part = buffer_.size() - used_;
            std::memcpy(buffer_.data() + used_, from, part);
            used_ = buffer_.size();
            fold();
            from += part;
            size -= part;
        }
        copy_short(buffer_.data() + used_, from, size);
        used_ += size;
    }
    void fold() noexcept {
        const std::uint64_t hash = value();
        std::memcpy(buffer_.data(), &hash, sizeof hash);
        used_ = sizeof hash;
    }

    HashKey key_;
    std::array<char, 512> buffer_;
    std::size_t used_ = 0;
};

std::string_view tag_of(const HeaderField& field) noexcept {
    NameAddr parsed;
    return parse_from_to(field.value, parsed) ? parsed.tag : std::string_view();
}

// A client of RFC 2543 makes no unique branch: the fields of RFC 3261 16.11 stand in for it.
// INVITE, its ACK and its CANCEL differ in the To tag, which therefore counts for other methods
// only.
void add_rfc2543(Digest& digest, const Message& request) noexcept {
    const bool invite_like = request.method == Method::kInvite || request.method == Method::kAck ||
                             request.method == Method::kCancel;
    digest.add(request.request_uri);
    digest.add(request.top_via.branch);
    digest.add(request.top_via.sent_by);
    digest.add(tag_of(request.from));
    digest.add(invite_like ? std::string_view() : tag_of(request.to));
    digest.add(request.call_id.value);
    digest.add_number(request.cseq_number);
}

std::uint64_t route_mac(const Secret& secret, std::uint64_t transaction,
                        const Endpoint& endpoint) noexcept {
    std::array<std::uint8_t, 8 + 16 + 2 + 1> bytes{};
    std::memcpy(bytes.data(), &transaction, 8);
    std::memcpy(bytes.data() + 8, endpoint.address.data(), endpoint.address.size());
    store_be16(bytes.data() + 24, endpoint.port);
    bytes[26] = static_cast<std::uint8_t>(endpoint.address.family());
    return siphash_1_3(secret.reply_route, bytes);
}

std::uint64_t probe_mac(const Secret& secret, std::uint64_t number) noexcept {
    std::array<std::uint8_t, 8> bytes;
    std::memcpy(bytes.data(), &number, 8);
    return siphash_1_3(secret.probe, bytes);
}

void write_branch(std::string_view prefix, std::uint64_t first, std::uint64_t second,
                  char* out) noexcept {
    std::memcpy(out, prefix.data(), prefix.size());
    write_hex64(first, out + prefix.size());
    write_hex64(second, out + prefix.size() + 16);
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

std::uint64_t transaction_number(const Secret& secret, const Message& request) noexcept {
    Digest digest(secret.branch);
    const Via& via = request.top_via;
    // The bare cookie marks nothing unique (RFC 4475 3.3.14).
    if (via.branch.starts_with(kMagicCookie) && via.branch.size() > kMagicCookie.size()) {
        digest.add(via.branch);
        digest.add(via.sent_by);
    } else {
        add_rfc2543(digest, request);
    }
    return digest.value();
}

void write_relay_branch(const Secret& secret, std::uint64_t transaction, const Endpoint& reply_to,
                        char* out) noexcept {
    write_branch(kRelayBranch, transaction, route_mac(secret, transaction, reply_to), out);
}

bool check_relay_branch(const Secret& secret, std::string_view branch,
                        const Endpoint& reply_to) noexcept {
    std::uint64_t transaction = 0;
    std::uint64_t mac = 0;
    return read_branch(kRelayBranch, branch, transaction, mac) &&
           mac == route_mac(secret, transaction, reply_to);
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

std::uint64_t dialog_cookie(const Secret& secret, std::string_view call_id) noexcept {
    return siphash_1_3(secret.cookie, as_bytes(call_id));
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
