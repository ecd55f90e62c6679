#pragma once

// A service's rules: ordered, first match wins (method, source prefix, listening address, R-URI
// user prefix or host, header present -> set and algorithm, or a reply, or drop).

#include "dp/core/context.h"

namespace lb::core {

// The rule that matches, or null: the service's own set and algorithm.
const table::Rule* match_rule(const Context& context, const sip::Uri& request_uri) noexcept;

}  // namespace lb::core
