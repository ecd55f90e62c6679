#include "cp/rpc/json_text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "dp/base/utf8.h"

namespace lb::rpc {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

void append_escaped(std::string& out, char c) {
    switch (c) {
        case '"':
            out += "\\\"";
            break;
        case '\\':
            out += "\\\\";
            break;
        case '\b':
            out += "\\b";
            break;
        case '\f':
            out += "\\f";
            break;
        case '\n':
            out += "\\n";
            break;
        case '\r':
            out += "\\r";
            break;
        case '\t':
            out += "\\t";
            break;
        default:
            if (static_cast<unsigned char>(c) < 0x20) {
                char escape[8];
                std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
                out += escape;
            } else {
                out += c;
            }
    }
}

class JsonWriter {
public:
    JsonWriter(std::string& out, JsonStyle style) noexcept : out_(out), style_(style) {}

    void value(const Value& value, unsigned depth) {
        struct Visitor {
            JsonWriter& writer;
            unsigned depth;
            void operator()(std::int32_t number) const { writer.number(number); }
            void operator()(std::uint32_t number) const { writer.number(number); }
            void operator()(std::int64_t number) const { writer.number(number); }
            void operator()(double number) const { append_json_number(writer.out_, number); }
            void operator()(const std::string& text) const {
                append_json_string(writer.out_, text, writer.style_);
            }
            void operator()(Null) const { writer.out_ += "null"; }
            void operator()(const Struct& record) const {
                writer.object(record.members.data(), record.members.size(), depth);
            }
            void operator()(const List& list) const { writer.list(list.members, depth); }
        };
        std::visit(Visitor{*this, depth}, value.data);
    }

    void array(const std::vector<Value>& values, unsigned depth) {
        out_ += '[';
        for (const Value& element : values) {
            if (&element != &values.front()) separate();
            value(element, depth + 1);
        }
        out_ += ']';
    }

private:
    void number(std::int64_t number) { out_ += std::to_string(number); }

    void separate() { out_ += style_.pretty ? ", " : ","; }

    void indent(unsigned depth) {
        if (style_.pretty) out_.append(depth, '\t');
    }

    void object(const Member* members, std::size_t count, unsigned depth) {
        out_ += '{';
        for (std::size_t i = 0; i < count; ++i) {
            if (i > 0) out_ += ',';
            if (style_.pretty) out_ += '\n';
            indent(depth + 1);
            append_json_string(out_, members[i].name, style_);
            out_ += style_.pretty ? ":\t" : ":";
            value(members[i].value, depth + 1);
        }
        if (style_.pretty) out_ += '\n';
        indent(depth);
        out_ += '}';
    }

    void list(const std::vector<Member>& members, unsigned depth) {
        out_ += '[';
        for (const Member& member : members) {
            if (&member != &members.front()) separate();
            object(&member, 1, depth + 1);
        }
        out_ += ']';
    }

    std::string& out_;
    JsonStyle style_;
};

}  // namespace

void append_json(std::string& out, const Value& value, JsonStyle style, unsigned depth) {
    JsonWriter(out, style).value(value, depth);
}

void append_json_array(std::string& out, const std::vector<Value>& values, JsonStyle style,
                       unsigned depth) {
    JsonWriter(out, style).array(values, depth);
}

void append_json_string(std::string& out, std::string_view text, JsonStyle style) {
    out += '"';
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        if (length == 1) {
            append_escaped(out, text.front());
        } else if (length == 0 && !style.raw_bytes) {
            out += kReplacement;
        } else {
            out += text.substr(0, std::max<std::size_t>(length, 1));
        }
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    out += '"';
}

void append_json_number(std::string& out, double number) {
    constexpr double kExact = 9.0e15;  // whole numbers beyond it lose digits anyway
    if (!std::isfinite(number)) {
        out += "null";
        return;
    }
    char text[352];  // %f of the largest double has 309 digits before the point
    const bool whole = std::floor(number) == number && std::fabs(number) < kExact;
    std::snprintf(text, sizeof text, whole ? "%.0f" : "%f", number);
    out += text;
}

}  // namespace lb::rpc
