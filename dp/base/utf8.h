#pragma once

#include <cstddef>
#include <string_view>

namespace lb {

// Length of the valid UTF-8 sequence at the front of `text` (RFC 3629 section 4), or 0.
std::size_t utf8_length(std::string_view text) noexcept;

}  // namespace lb
