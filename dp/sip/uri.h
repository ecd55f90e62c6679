#pragma once

// SIP, SIPS and tel URIs as views (RFC 3261 19.1, RFC 3966).

#include <cstdint>
#include <optional>
#include <string_view>

#include "dp/base/address.h"
#include "dp/sip/scan.h"

namespace lb::sip {

// kUrn: names a service and no host, as "urn:service:sos" (RFC 5031).
enum class Scheme : std::uint8_t { kSip, kSips, kTel, kUrn, kOther };

struct Uri {
    std::string_view text;  // all of it
    Scheme scheme = Scheme::kOther;
    std::string_view user;  // without password; the number for tel:
    std::string_view password;
    std::string_view host;       // as written, IPv6 with brackets
    std::string_view port_text;  // digits; empty when absent
    std::string_view host_port;  // host[:port] exactly as written (also "host:" with an empty port)
    std::string_view params;     // from the first ';' behind the host, or empty
    std::string_view headers;    // from '?', or empty
    std::uint16_t port = 0;      // 0: absent
    bool has_user = false;       // there is an '@' (the user may be empty text)
};

// False when the text is no URI of a known shape. For kUrn and kOther only `text` and `scheme` are
// set and the result is true as long as there is a scheme.
// `index`: of the message that `text` is a view into, or null.
bool parse_uri(std::string_view text, Uri& uri, const TextIndex* index = nullptr) noexcept;

// The value of parameter `name` (case-insensitive) in `params` (";a;b=c"). Nothing when absent;
// empty text for a flag.
std::optional<std::string_view> find_param(std::string_view params, std::string_view name,
                                           const TextIndex* index = nullptr) noexcept;

// True when the parameters of a URI say ;user=phone.
bool is_user_phone(const Uri& uri) noexcept;

// The host as an address, if it is a literal (brackets removed).
std::optional<IpAddress> literal_host(std::string_view host) noexcept;

}  // namespace lb::sip
