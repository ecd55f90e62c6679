#include "cp/socket_text.h"

#include <strings.h>

#include "dp/sip/uri.h"

namespace lb::cp {

std::optional<Endpoint> parse_socket(std::string_view text) noexcept {
    if (text.size() > 4 && strncasecmp(text.data(), "udp:", 4) == 0) text.remove_prefix(4);
    if (const auto endpoint = Endpoint::parse(text)) return endpoint;
    if (const auto address = sip::literal_host(text)) return Endpoint{*address, kSipPort};
    return std::nullopt;
}

}  // namespace lb::cp
