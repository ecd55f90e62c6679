#include "cp/trace_request.h"

#include <charconv>
#include <optional>

namespace lb::cp {
namespace {

constexpr const char* kNoFilter = "no filter given; use callid=..., src=..., dst=... or all";

struct Range {
    std::uint64_t least, most;
};

Status take_number(const std::string& key, const std::string& text, Range range,
                   std::uint64_t& out) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc() && at == end && number >= range.least && number <= range.most) {
        out = number;
        return {};
    }
    return failed(Errc::kInvalid, key + "=" + text + " is not a number from " +
                                      std::to_string(range.least) + " to " +
                                      std::to_string(range.most));
}

Status take_peer(const std::string& key, const std::string& text,
                 std::optional<core::TracePeer>& out) {
    out = core::TracePeer::parse(text);
    if (out) return {};
    return failed(Errc::kInvalid,
                  key + "=" + text + " is not an address, address/length or address:port");
}

Status take_call_id(const std::string& text, std::string& out) {
    if (text.empty() || text.size() > core::kTraceCallIdMax) {
        return failed(Errc::kInvalid,
                      "callid has 1 to " + std::to_string(core::kTraceCallIdMax) + " characters");
    }
    out = text;
    return {};
}

Status take(const std::string& key, const std::string& value, TraceRequest& out) {
    if (key == "callid") return take_call_id(value, out.filter.call_id);
    if (key == "src") return take_peer(key, value, out.filter.source);
    if (key == "dst") return take_peer(key, value, out.filter.destination);
    if (key == "seconds")
        return take_number(key, value, {1, TraceRequest::kSecondsMax}, out.seconds);
    if (key == "count") return take_number(key, value, {1, TraceRequest::kCountMax}, out.count);
    if (key == "bytes") {
        return take_number(key, value, {TraceRequest::kBytesMin, TraceRequest::kBytesMax},
                           out.bytes);
    }
    if (key != "file") {
        return failed(Errc::kInvalid, "\"" + key +
                                          "\" is none of callid= src= dst= all seconds= "
                                          "count= bytes= file=");
    }
    out.file = value;
    if (value.empty()) return failed(Errc::kInvalid, "file= needs a name");
    return {};
}

}  // namespace

Result<TraceRequest> parse_trace_request(const std::vector<std::string>& words) {
    TraceRequest out;
    bool all = false;
    for (const std::string& word : words) {
        if (word == "all") {
            all = true;
            continue;
        }
        const std::size_t equals = word.find('=');
        const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
        if (Status taken = take(word.substr(0, equals), value, out); !taken)
            return failed(std::move(taken).error());
    }
    const core::TraceFilter& filter = out.filter;
    const bool some = !filter.call_id.empty() || filter.source || filter.destination;
    if (!some && !all) return failed(Errc::kInvalid, kNoFilter);
    if (some && all) return failed(Errc::kInvalid, "all, or a filter: not both");
    return out;
}

}  // namespace lb::cp
