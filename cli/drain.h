#pragma once

// `siplanectl drain` and `undrain`: who takes no new calls, and how quiet it has become.

#include <string>

#include "cp/rpc/value.h"
#include "dp/base/result.h"

namespace lb::cli {

Result<std::string> drained_for_people(const rpc::Reply& reply);

}  // namespace lb::cli
