#pragma once

// A Report as one self-contained page of HTML for people: no script, nothing loaded from
// elsewhere, readable on a phone.
//
// Bounds:  what the Report shows: some 400 bytes a destination, 2000 of them at most.
// Threads: any. Whatever comes from a row or the network is escaped.

#include <string>

#include "cp/report.h"

namespace lb::cp {

std::string status_page(const Report& report);

}  // namespace lb::cp
