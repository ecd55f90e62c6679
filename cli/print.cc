#include "cli/print.h"

#include <cmath>
#include <cstdio>
#include <vector>

#include "cp/rpc/json_text.h"
#include "cp/rpc/lists.h"

namespace lb::cli {
namespace {

// Every record as kamcmd counts them, with its depth.
struct Item {
    std::string text;
    std::size_t depth = 0;
};

void flatten(const rpc::Value& value, const std::string& label, std::size_t depth,
             std::vector<Item>& out) {
    const auto* members = value.members();
    if (members == nullptr) {
        out.push_back({label + plain_text(value), depth});
        return;
    }
    out.push_back({label + "{", depth});
    for (const rpc::Member& member : *members) {
        flatten(member.value, member.name + ": ", depth + 1, out);
    }
    out.push_back({"}", depth});
}

std::vector<Item> items_of(const rpc::Reply& reply) {
    std::vector<Item> out;
    for (const rpc::Value& value : reply.values) flatten(value, "", 0, out);
    return out;
}

std::string fault_line(const rpc::Fault& fault) {
    std::string out = "error: ";
    out.append(std::to_string(fault.code)).append(" - ").append(fault.text).append("\n");
    return out;
}

// Appends what an escape stands for; an unknown one stands for itself.
void append_escape(std::string& out, char c) {
    switch (c) {
        case 'n':
            out += '\n';
            break;
        case 'r':
            out += '\r';
            break;
        case 't':
            out += '\t';
            break;
        case '\\':
            out += '\\';
            break;
        default:
            out.append("\\").push_back(c);
    }
}

}  // namespace

std::string plain_text(const rpc::Value& value) {
    if (const auto* text = value.get_if<std::string>()) return *text;
    if (value.get_if<rpc::Null>() != nullptr) return "<null string>";
    if (const auto* number = value.get_if<std::int32_t>()) return std::to_string(*number);
    if (const auto* number = value.get_if<std::uint32_t>()) return std::to_string(*number);
    if (const auto* number = value.get_if<std::int64_t>()) return std::to_string(*number);
    const double* real = value.get_if<double>();
    if (real == nullptr) return {};
    char text[352];
    std::snprintf(text, sizeof text, std::floor(*real) == *real ? "%.0f" : "%f", *real);
    return text;
}

std::string as_kamcmd(const rpc::Reply& reply) {
    if (reply.fault) return fault_line(*reply.fault);
    std::string out;
    for (const Item& item : items_of(reply)) {
        out.append(item.depth, '\t').append(item.text).push_back('\n');
    }
    return out;
}

std::string as_format(const rpc::Reply& reply, std::string_view format) {
    if (reply.fault) return fault_line(*reply.fault);
    const std::vector<Item> items = items_of(reply);
    std::string out;
    std::size_t next = 0;
    do {
        const std::size_t before = next;
        for (std::size_t i = 0; i < format.size(); ++i) {
            const char following = i + 1 < format.size() ? format[i + 1] : '\0';
            if (format[i] == '%' && following == 'v') {
                if (next < items.size()) out += items[next++].text;
                ++i;
            } else if (format[i] == '%' && following == '%') {
                out += format[i++];
            } else if (format[i] == '\\' && following != '\0') {
                append_escape(out, following);
                ++i;
            } else {
                out += format[i];
            }
        }
        if (next == before) break;  // a format without %v would go on for ever
    } while (next < items.size());
    return out;
}

std::string as_json(const rpc::Reply& reply) {
    const rpc::JsonStyle style{.pretty = true};
    std::string out;
    if (reply.fault) {
        rpc::Struct error{{"code", reply.fault->code}, {"message", reply.fault->text}};
        if (!reply.fault->detail.empty()) error.add("data", reply.fault->detail);
        rpc::append_json(out, rpc::Struct{{"error", std::move(error)}}, style);
    } else if (reply.values.size() == 1) {
        rpc::append_json(out, rpc::with_lists(reply.values[0]), style);
    } else {
        std::vector<rpc::Value> values;
        for (const rpc::Value& value : reply.values) values.push_back(rpc::with_lists(value));
        rpc::append_json_array(out, values, style);
    }
    return out + "\n";
}

}  // namespace lb::cli
