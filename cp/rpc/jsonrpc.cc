#include "cp/rpc/jsonrpc.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace lb::rpc {
namespace {

using Json = nlohmann::ordered_json;  // params given as an object count in their order

// Names in one document: an object looks each of its names up among those before.
constexpr std::size_t kNamesMax = 1024;
constexpr std::size_t kMessageMax = 127;  // fault texts longer than this are cut

bool beyond_int64(const Json& number) {
    return number.is_number_unsigned() && !std::in_range<std::int64_t>(number.get<std::uint64_t>());
}

Param param_of(const Json& json) {
    Param param;
    if (json.is_boolean()) {
        param.kind = Param::Kind::kInt;
        param.truth = true;
        param.number = json.get<bool>() ? 1 : 0;
    } else if (json.is_number_integer() && !beyond_int64(json)) {
        param.kind = Param::Kind::kInt;
        param.number = json.get<std::int64_t>();
    } else if (json.is_number()) {
        param.kind = Param::Kind::kDouble;
        param.real = json.get<double>();
    } else if (json.is_string()) {
        param.kind = Param::Kind::kString;
        param.text = json.get<std::string>();
    } else {
        param.kind = Param::Kind::kStruct;
    }
    return param;
}

std::optional<std::string> id_of(const Json& json) {
    std::string out;
    if (json.is_string()) {
        append_json_string(out, json.get<std::string>());
    } else if (json.is_number_float()) {
        append_json_number(out, json.get<double>());
    } else if (json.is_number()) {
        out = json.dump();
    } else {  // true is 1; null, and whatever else cannot be an id, is 0
        out += json.is_boolean() && json.get<bool>() ? '1' : '0';
    }
    return out;
}

// False: the parameters are neither an array nor an object.
bool read_params(const Json& json, Params& params) {
    if (!json.is_array() && !json.is_object()) return false;
    for (const Json& element : json) {
        if (params.size() >= 4096) break;
        params.add(param_of(element));
    }
    return true;
}

const Json* member(const Json& object, const char* name) {
    const auto at = object.find(name);
    return at == object.end() ? nullptr : &*at;
}

std::string envelope(const char* name, std::string_view payload,
                     const std::optional<std::string>& id, JsonStyle style) {
    const std::string_view colon = style.pretty ? ":\t" : ":";
    const std::string_view line = style.pretty ? "\n\t" : "";
    std::string out = "{";
    out.append(line).append("\"jsonrpc\"").append(colon).append("\"2.0\",");
    out.append(line).append("\"").append(name).append("\"").append(colon).append(payload);
    if (id) out.append(",").append(line).append("\"id\"").append(colon).append(*id);
    out += style.pretty ? "\n}" : "}";
    return out;
}

std::string result_text(const Reply& reply, JsonStyle style) {
    std::string out;
    if (reply.list) {
        append_json_array(out, reply.values, style, 1);
    } else if (reply.values.empty()) {
        append_json(out, Struct{}, style, 1);
    } else {
        append_json(out, reply.values.back(), style, 1);
    }
    return out;
}

std::string fault_text(const Fault& fault, JsonStyle style) {
    Struct error{{"code", fault.code}, {"message", fault.text.substr(0, kMessageMax)}};
    if (!fault.detail.empty()) error.add("data", fault.detail);
    std::string out;
    append_json(out, std::move(error), style, 1);
    return out;
}

Reply reply_to(Context& context, const JsonRequest& request) {
    if (!request.method) return {};
    const Method* method = find_method(*request.method);
    return method != nullptr ? call(context, *method, request.params)
                             : Reply::failed(500, "Method Not Found");
}

// Not one of Kamailio's methods, whose answers are the same byte for byte.
bool is_our_own(const JsonRequest& request) {
    return request.method && request.method->starts_with("siplane.");
}

int http_status(const Reply& reply) {
    const bool has_one = reply.fault && reply.fault->code >= 400 && reply.fault->code <= 599;
    return has_one ? reply.fault->code : 200;
}

// Kamailio takes control characters in strings and between the words, and numbers such as 01, which
// kamctl sends for the word 01. This gives the same document as JSON has it.
std::string as_strict_json(std::string_view text) {
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    std::string out;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const char next = i + 1 < text.size() ? text[i + 1] : ' ';
        const char before = out.empty() ? ' ' : out.back();
        const bool control = c > '\0' && c < ' ';
        if (in_string && control) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else if (in_string && c == '\\') {
            out += c;
            out += next;
            ++i;
        } else if (in_string || c != '0' || !is_digit(next) || is_digit(before) || before == '.') {
            if (c == '"') in_string = !in_string;
            out += control ? ' ' : c;
        }  // else a leading zero
    }
    return out;
}

}  // namespace

std::size_t first_document(std::string_view text) noexcept {
    std::size_t depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') {
                ++i;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = depth > 0;  // text before the document has no strings
        } else if (c == '{' || c == '[') {
            ++depth;
        } else if ((c == '}' || c == ']') && depth > 0 && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

std::optional<JsonRequest> parse_json_request(std::string_view text) {
    const std::size_t length = first_document(text);
    if (length == 0) return std::nullopt;
    std::size_t names = 0;
    const auto is_kept = [&names](int, Json::parse_event_t event, const Json&) {
        return event != Json::parse_event_t::key || ++names <= kNamesMax;
    };
    const Json json = Json::parse(as_strict_json(text.substr(0, length)), is_kept, false);
    if (json.is_discarded() || names > kNamesMax) return std::nullopt;
    JsonRequest request;
    if (!json.is_object()) return request;
    if (const Json* id = member(json, "id")) request.id = id_of(*id);
    const Json* name = member(json, "reply_name");
    if (name != nullptr && name->is_string()) request.reply_name = name->get<std::string>();
    const Json* version = member(json, "jsonrpc");
    const Json* method = member(json, "method");
    if (version == nullptr || *version != "2.0" || method == nullptr || !method->is_string()) {
        return request;
    }
    const Json* params = member(json, "params");
    if (params != nullptr && !read_params(*params, request.params)) return request;
    request.method = method->get<std::string>();
    return request;
}

std::string write_json_reply(const JsonRequest& request, const Reply& reply, JsonStyle style) {
    style.raw_bytes = !is_our_own(request);
    if (reply.fault) return envelope("error", fault_text(*reply.fault, style), request.id, style);
    return envelope("result", result_text(reply, style), request.id, style);
}

std::string answer_json(Context& context, const JsonRequest& request, JsonStyle style) {
    return write_json_reply(request, reply_to(context, request), style);
}

cp::HttpAnswer answer_json_post(Context& context, std::string_view body) {
    const JsonStyle style{.pretty = true};
    const std::optional<JsonRequest> request = parse_json_request(body);
    if (!request) {
        JsonRequest broken;
        broken.id = "null";
        return {200, write_json_reply(broken, Reply::failed(-32700, "Parse error"), style)};
    }
    const Reply reply = reply_to(context, *request);
    return {http_status(reply), write_json_reply(*request, reply, style)};
}

}  // namespace lb::rpc
