#include "dp/sip/parser.h"
#include "dp/sip/text.h"

namespace lb::sip {
namespace {

struct CompactForm {
    char letter;
    std::string_view name;
};

// IANA "Session Initiation Protocol (SIP) Parameters", Header Fields.
constexpr CompactForm kCompactForms[] = {
    {'a', "Accept-Contact"},
    {'b', "Referred-By"},
    {'c', "Content-Type"},
    {'d', "Request-Disposition"},
    {'e', "Content-Encoding"},
    {'f', "From"},
    {'i', "Call-ID"},
    {'j', "Reject-Contact"},
    {'k', "Supported"},
    {'l', "Content-Length"},
    {'m', "Contact"},
    {'n', "Identity-Info"},
    {'o', "Event"},
    {'r', "Refer-To"},
    {'s', "Subject"},
    {'t', "To"},
    {'u', "Allow-Events"},
    {'v', "Via"},
    {'x', "Session-Expires"},
    {'y', "Identity"},
};

std::string_view full_name(std::string_view name) noexcept {
    if (name.size() != 1) return name;
    for (const CompactForm& form : kCompactForms) {
        if (form.letter == to_lower(name[0])) return form.name;
    }
    return name;
}

// The line at the front of `rest` with the lines folded into it; takes it off.
std::string_view take_line(std::string_view& rest) noexcept {
    std::size_t end = 0;
    do {
        const std::size_t feed = rest.find('\n', end);
        end = feed == std::string_view::npos ? rest.size() : feed + 1;
    } while (end < rest.size() && is_blank(rest[end]));
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end);
    return line;
}

}  // namespace

bool next_header(std::string_view& rest, std::string_view& name, HeaderLine& field) noexcept {
    while (!rest.empty()) {
        field.line = take_line(rest);
        const std::size_t colon = field.line.find(':');
        if (colon == std::string_view::npos) continue;
        name = trimmed(field.line.substr(0, colon));
        field.value = trimmed(field.line.substr(colon + 1));
        return true;
    }
    return false;
}

HeaderLine find_header(const Message& message, std::string_view name) noexcept {
    std::string_view rest = message.header;
    std::string_view found;
    HeaderLine field;
    while (next_header(rest, found, field)) {
        if (iequals(full_name(found), full_name(name))) return field;
    }
    return {};
}

std::string_view line_of(const HeaderField& field, const Message& message) noexcept {
    const auto& line_ends = message.index.line_ends;
    std::uint32_t first = 1;
    while (line_ends[first] <= field.value.data()) ++first;
    std::uint32_t last = first;
    while (first > 1 && is_blank(*line_ends[first - 1])) --first;
    while (last + 1 < message.index.lines && is_blank(*line_ends[last])) ++last;
    return between(line_ends[first - 1], line_ends[last]);
}

}  // namespace lb::sip
