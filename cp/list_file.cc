#include "cp/list_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>

namespace lb::cp {
namespace {

constexpr std::string_view kSpace = " \t\r";
constexpr std::string_view kDigits = "0123456789";

bool is_hex(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

int hex_value(char c) noexcept { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }

// Reads fields off the front of one line.
class Fields {
public:
    explicit Fields(std::string_view line) noexcept : rest_(line) { skip_space(); }

    bool done() const noexcept { return rest_.empty(); }
    bool at_comment() const noexcept { return rest_.starts_with('#'); }

    void skip_space() noexcept {
        const std::size_t start = rest_.find_first_not_of(kSpace);
        rest_.remove_prefix(start == std::string_view::npos ? rest_.size() : start);
    }
    // Up to any of `stops`, or all.
    std::string_view take_until(std::string_view stops) noexcept {
        const std::string_view token = rest_.substr(0, rest_.find_first_of(stops));
        rest_.remove_prefix(token.size());
        return token;
    }
    // The longest run of digits, which may be none (0). Nothing if it is above 2^31-1.
    std::optional<std::int64_t> take_number() noexcept {
        std::int64_t value = 0;
        while (!rest_.empty() && kDigits.find(rest_.front()) != std::string_view::npos) {
            value = value * 10 + (rest_.front() - '0');
            if (value > INT32_MAX) return std::nullopt;
            rest_.remove_prefix(1);
        }
        return value;
    }
    std::optional<std::int64_t> take_flags() noexcept {
        const bool hex =
            rest_.size() > 2 && rest_[0] == '0' && (rest_[1] | 0x20) == 'x' && is_hex(rest_[2]);
        if (!hex) return take_number();
        rest_.remove_prefix(2);
        std::int64_t value = 0;
        while (!rest_.empty() && is_hex(rest_.front())) {
            value = value * 16 + hex_value(rest_.front());
            if (value > INT32_MAX) return std::nullopt;
            rest_.remove_prefix(1);
        }
        return value;
    }

private:
    std::string_view rest_;
};

// Null, or what is wrong. `comment`: the line holds no record.
const char* parse_line(std::string_view line, RowView& row, bool& comment) {
    Fields fields(line);
    comment = fields.done() || fields.at_comment();
    if (comment) return nullptr;

    const auto setid = fields.take_number();
    if (!setid) return "the set id is above 2147483647";
    row.setid = *setid;
    fields.skip_space();
    row.destination = fields.take_until(" \t\r#");
    if (row.destination.empty()) return "a set id without a destination";
    if (fields.at_comment()) return nullptr;
    fields.skip_space();
    if (fields.at_comment()) return nullptr;

    const auto flags = fields.take_flags();
    if (!flags) return "the flags are above 2147483647";
    row.flags = *flags;
    fields.skip_space();
    if (fields.at_comment()) return nullptr;
    const auto priority = fields.take_number();
    if (!priority) return "the priority is above 2147483647";
    row.priority = *priority;
    fields.skip_space();
    if (fields.at_comment()) return nullptr;
    row.attrs = fields.take_until(kSpace);
    return nullptr;
}

}  // namespace

Result<RowTable> parse_list(std::string_view text, const std::string& name) {
    RowTable rows(name + ':');
    for (std::int64_t number = 1; !text.empty(); ++number) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        RowView row;
        bool comment = false;
        if (const char* error = parse_line(line, row, comment)) {
            return failed(Errc::kInvalid, fmt::format("{}:{}: {}", name, number, error));
        }
        if (comment) continue;
        row.number = number;
        rows.add(row);
    }
    return rows;
}

Result<RowTable> load_list_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        return failed(Errc::kUnavailable,
                      fmt::format("list_file {}: {}", path, std::strerror(errno)));
    }
    std::string text;
    char chunk[65536];
    while (file.read(chunk, sizeof chunk), file.gcount() > 0) {
        text.append(chunk, static_cast<std::size_t>(file.gcount()));
        if (text.size() > kListFileMax) {
            return failed(Errc::kExhausted,
                          fmt::format("list_file {}: larger than {} bytes", path, kListFileMax));
        }
    }
    if (file.bad())
        return failed(Errc::kUnavailable, fmt::format("list_file {}: read error", path));
    return parse_list(text, path);
}

}  // namespace lb::cp
