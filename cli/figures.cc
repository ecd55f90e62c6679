#include "cli/figures.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "cli/print.h"

namespace lb::cli {

double number_of(const rpc::Value& record, std::string_view name) {
    const rpc::Value* value = record.find(name);
    if (value == nullptr) return 0;
    if (const auto* number = value->get_if<std::int32_t>()) return *number;
    if (const auto* number = value->get_if<std::uint32_t>()) return *number;
    if (const auto* number = value->get_if<std::int64_t>()) return static_cast<double>(*number);
    if (const auto* number = value->get_if<double>()) return *number;
    return 0;
}

std::string text_of(const rpc::Value& record, std::string_view name) {
    const rpc::Value* value = record.find(name);
    return value != nullptr ? plain_text(*value) : std::string("-");
}

const std::vector<rpc::Member>& members_of(const rpc::Value& record, std::string_view name) {
    static const std::vector<rpc::Member> kNone;
    const rpc::Value* value = record.find(name);
    const auto* members = value == nullptr ? nullptr : value->members();
    return members == nullptr ? kNone : *members;
}

std::string in_columns(const Rows& rows, const std::vector<std::size_t>& right) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string out;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string fill(widths[i] - row[i].size(), ' ');
            const bool to_right = std::find(right.begin(), right.end(), i) != right.end();
            line += to_right ? fill + row[i] : row[i] + fill;
            line += "  ";
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    }
    return out;
}

std::string short_number(double number) {
    constexpr std::array<const char*, 4> kUnits = {"", "k", "M", "G"};
    std::size_t unit = 0;
    while (number >= 100'000 && unit + 1 < kUnits.size()) {
        number /= 1000;
        ++unit;
    }
    char text[32];
    std::snprintf(text, sizeof text, number != 0 && number < 10 ? "%.1f%s" : "%.0f%s", number,
                  kUnits[unit]);
    return text;
}

}  // namespace lb::cli
