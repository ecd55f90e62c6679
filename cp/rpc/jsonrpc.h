#pragma once

// JSON-RPC 2.0 in the form that Kamailio's jsonrpcs speaks, as bytes in and bytes out; sockets are
// the business of jsonrpc_server.h and of the HTTP server.
//
// Bounds:  the text is scanned once for its end, then parsed; nothing is remembered between texts.
// Threads: any for parsing and writing; answer_json() the control thread only.
// Source:  spec/jsonrpc.md.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "cp/http_answer.h"
#include "cp/rpc/json_text.h"
#include "cp/rpc/methods.h"

namespace lb::rpc {

// Length of the first JSON object or array in `text`, with what stands before it; 0 if it has not
// ended yet. Braces inside strings do not count.
std::size_t first_document(std::string_view text) noexcept;

struct JsonRequest {
    std::optional<std::string> method;  // none: not a call, answered with an empty result
    Params params{Params::Rules::kJson};
    std::optional<std::string> id;          // as it goes into the reply
    std::optional<std::string> reply_name;  // FIFO only
};

// Nothing if `text` does not begin with a JSON document: such a request is not answered. Whatever
// follows the document is ignored. As Kamailio does it takes numbers with leading zeros, and
// control characters in strings.
std::optional<JsonRequest> parse_json_request(std::string_view text);

// The reply's text. Bytes that are no UTF-8 stay in the answers of Kamailio's methods.
std::string write_json_reply(const JsonRequest& request, const Reply& reply, JsonStyle style);

// Runs the request; the reply's text, or nothing if there is none.
std::string answer_json(Context& context, const JsonRequest& request, JsonStyle style);

// What an HTTP POST to the JSON-RPC path gets: always a text, an error object for broken input. The
// status is the code of the fault where HTTP has one of that kind (400 to 599), else 200.
cp::HttpAnswer answer_json_post(Context& context, std::string_view body);

}  // namespace lb::rpc
