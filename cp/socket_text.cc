#include "cp/socket_text.h"

#include <strings.h>

namespace lb::cp {

std::optional<Endpoint> parse_socket(std::string_view text) noexcept {
    if (text.size() > 4 && strncasecmp(text.data(), "udp:", 4) == 0) text.remove_prefix(4);
    if (const auto endpoint = Endpoint::parse(text)) return endpoint;
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    if (const auto address = IpAddress::parse(text)) return Endpoint{*address, kSipPort};
    return std::nullopt;
}

}  // namespace lb::cp
