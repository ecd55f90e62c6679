// Texts from a hostile client through the JSON-RPC reader. Whatever comes, what is answered is
// JSON.

#include <nlohmann/json.hpp>

#include "cp/rpc/jsonrpc.h"
#include "tests/fuzz/fuzz.h"

namespace lb::test {

std::vector<std::string> fuzz_seeds() {
    return {
        R"({"jsonrpc": "2.0", "method": "dispatcher.set_state", "params": ["ip", 1, "sip:a"], "id": 4})",
        R"({"jsonrpc":"2.0","method":"core.echo","params":{"a":"\u00fc\n\"","b":1.5e300},"id":"x"})",
        R"({"jsonrpc":"2.0","method":"m","reply_name":"fifo","id":null})", R"([{"id":1}] {})",
        R"(junk {"jsonrpc":"2.0"})"};
}

}  // namespace lb::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lb;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t length = rpc::first_document(text);
    FUZZ_CHECK(length <= size);
    const auto request = rpc::parse_json_request(text);
    if (!request) return 0;
    FUZZ_CHECK(length > 0);
    rpc::Reply reply;
    reply.list = size % 2 == 0;
    for (std::size_t i = 0; i < request->params.size(); ++i) {
        (void)request->params.integer(i);
        if (const auto value = request->params.text_or_integer(i))
            reply.values.emplace_back(*value);
    }
    for (const bool pretty : {true, false}) {
        const rpc::JsonStyle style{pretty};
        const std::string good = rpc::write_json_reply(*request, reply, style);
        FUZZ_CHECK(nlohmann::json::accept(good));
        const auto fault = rpc::Reply::failed(500, "Method Not Found", "detail");
        FUZZ_CHECK(nlohmann::json::accept(rpc::write_json_reply(*request, fault, style)));
    }
    return 0;
}
