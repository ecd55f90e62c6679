// Packets from a hostile client through the BINRPC reader. Whatever comes, the reader stays inside
// the bytes, and what it understood as a reply it writes so that it reads the same again.

#include <algorithm>

#include "cp/rpc/binrpc.h"
#include "tests/fuzz/fuzz.h"

namespace lb::test {

std::vector<std::string> fuzz_seeds() {
    rpc::Reply list = rpc::Reply::of(rpc::Struct{
        {"NRSETS", 1},
        {"RECORDS", rpc::Struct{{"SET", rpc::Struct{{"ID", -5}, {"AVG", -1.5}, {"S", "text"}}}}}});
    return {
        rpc::write_request(0x01020304, "dispatcher.set_state", {"ip", 1, "sip:127.0.61.1:5060"}),
        rpc::write_request(0, "core.echo", {1.5, -1, "", std::string(300, 'x')}),
        rpc::write_reply(7, list), rpc::write_reply(7, rpc::Reply::failed(500, "no", "why"))};
}

}  // namespace lb::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lb;
    const ConstBytes packet(data, size);
    rpc::Header header;
    ConstBytes body = packet;
    if (rpc::parse_header(packet, header) == rpc::Defect::kNone) {
        FUZZ_CHECK(header.size >= 4 && header.size <= rpc::kHeaderMax && header.size <= size);
        body = packet.subspan(header.size, std::min<std::size_t>(header.body, size - header.size));
    }
    std::string method;
    rpc::Params params;
    if (rpc::parse_request(body, method, params) == rpc::Defect::kNone) {
        FUZZ_CHECK(method.find('\0') == std::string::npos && method.size() <= size);
        FUZZ_CHECK(params.size() <= rpc::kParamsMax);
        for (std::size_t i = 0; i <= params.size(); ++i) {
            (void)params.integer(i);
            (void)params.text_or_integer(i);
            FUZZ_CHECK(!params.complaint(i, params.type_name(i)).empty());
        }
    }
    (void)rpc::parse_fault(body);
    const auto values = rpc::parse_values(body);
    if (!values) return 0;
    rpc::Reply reply;
    reply.values = *values;
    const std::string written = rpc::write_reply(1, reply);
    FUZZ_CHECK(rpc::parse_header(as_bytes(written), header) == rpc::Defect::kNone);
    const auto again = rpc::parse_values(as_bytes(written).subspan(header.size));
    FUZZ_CHECK(again.has_value() && again->size() == values->size());
    return 0;
}
