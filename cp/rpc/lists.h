#pragma once

// BINRPC does not tell a list from a struct: both arrive as records. For JSON they differ.

#include "cp/rpc/value.h"

namespace lb::rpc {

// A reply over BINRPC with its lists as Lists, by their names, which are lists in every reply: as
// JSON it is what the method answers over JSON-RPC.
Value with_lists(const Value& value);

}  // namespace lb::rpc
