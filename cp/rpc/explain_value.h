#pragma once

// An explanation as the answer of siplane.explain, and that answer as text for people: one form,
// whether the daemon gave it or it was worked out without one.

#include <string>

#include "cp/explain.h"
#include "cp/rpc/value.h"

namespace lb::rpc {

Struct value_of(const cp::Explanation& explanation);

// REQUIRES: value_of()'s, or what the daemon answered.
std::string explanation_text(const Value& value);

}  // namespace lb::rpc
