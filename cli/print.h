#pragma once

// Replies as text: what kamcmd prints, byte for byte (spec/binrpc.md 4), and JSON.

#include <string>
#include <string_view>

#include "cp/rpc/value.h"

namespace lb::cli {

// Records one a line, indented by a tab per open struct. A fault: "error: CODE - TEXT".
std::string as_kamcmd(const rpc::Reply& reply);

// With kamcmd's option -f: "%v" is the next record, the format starts again while records are left.
std::string as_format(const rpc::Reply& reply, std::string_view format);

// One JSON value and a newline: the reply's only value, or an array of them, or {"error": ...}.
// Members that are lists (RECORDS, TARGETS, ...) are arrays, as over JSON-RPC.
std::string as_json(const rpc::Reply& reply);

// A plain value as kamcmd writes it.
std::string plain_text(const rpc::Value& value);

}  // namespace lb::cli
