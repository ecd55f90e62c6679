#include "cp/config_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

namespace lb::cp {

void ConfigLog::fail(int line, std::string_view key, std::string_view what) {
    if (error.empty()) error = fmt::format("{}:{}: {}: {}", file, line, key, what);
}

void ConfigLog::warn(int line, std::string_view key, std::string_view what) {
    warnings.push_back(fmt::format("{}:{}: {}: {}", file, line, key, what));
}

int line_of(const toml::node& node) noexcept { return static_cast<int>(node.source().begin.line); }

std::string shown(const toml::node& node) {
    constexpr std::size_t kShownMax = 60;
    std::ostringstream out;
    node.visit([&](const auto& value) { out << value; });
    std::string text = out.str();
    std::replace(text.begin(), text.end(), '\n', ' ');
    if (text.size() > kShownMax) text = text.substr(0, kShownMax) + "...";
    return text;
}

namespace {

template <class Names>
std::string joined(const Names& names) {
    std::string out;
    for (const auto& name : names) {
        if (!out.empty()) out += ", ";
        out += name;
    }
    return out;
}

}  // namespace

std::string Section::full(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

const toml::node* Section::find(std::string_view key) {
    known_.emplace(key);
    return table_.get(key);
}

void Section::fail(std::string_view key, std::string_view what) {
    const toml::node* node = table_.get(key);
    log_.fail(node != nullptr ? line_of(*node) : line(), full(key), what);
}

void Section::wrong(std::string_view key, const toml::node& node, std::string_view expected) {
    log_.fail(line_of(node), full(key), fmt::format("{} is not {}", shown(node), expected));
}

void Section::take(std::string_view key, std::string& out) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    if (!node->is_string()) return wrong(key, *node, "a string");
    const std::string& text = node->as_string()->get();
    // Texts of the file end up in SIP messages and in paths.
    const bool clean = std::none_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < ' ' || c == 0x7f;
    });
    if (!clean) return wrong(key, *node, "free of control characters");
    out = text;
}

void Section::take(std::string_view key, bool& out) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    if (node->is_boolean()) {
        out = node->as_boolean()->get();
    } else if (node->is_integer() && (node->as_integer()->get() | 1) == 1) {
        out = node->as_integer()->get() != 0;
    } else {
        wrong(key, *node, "true or false (or 1, 0)");
    }
}

std::optional<std::int64_t> Section::integer(std::string_view key, Range range) {
    const toml::node* node = find(key);
    if (node == nullptr) return std::nullopt;
    if (node->is_integer()) {
        const std::int64_t value = node->as_integer()->get();
        if (value >= range.least && value <= range.most) return value;
    }
    wrong(key, *node, fmt::format("an integer from {} to {}", range.least, range.most));
    return std::nullopt;
}

namespace {

constexpr std::uint32_t kModeMost = 0777;

// "0660", "660", "0o660".
std::optional<std::uint32_t> parse_mode(std::string_view text) {
    if (text.starts_with("0o")) text.remove_prefix(2);
    std::uint32_t mode = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    if (!whole || mode > kModeMost) return std::nullopt;
    return mode;
}

// What a socket has: its owner reads and writes, and nobody executes.
bool is_plausible_mode(std::int64_t mode) noexcept {
    return mode >= 0 && mode <= kModeMost && (mode & 0600) == 0600 && (mode & 0111) == 0;
}

}  // namespace

void Section::take_mode(std::string_view key, std::uint32_t& out) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    constexpr std::string_view kExpected = "a mode: 0o660, or \"0660\"";
    if (node->is_string()) {
        const std::optional<std::uint32_t> mode = parse_mode(node->as_string()->get());
        if (!mode) return wrong(key, *node, kExpected);
        out = *mode;
        return;
    }
    const toml::value<std::int64_t>* const number = node->as_integer();
    if (number == nullptr) return wrong(key, *node, kExpected);
    const std::int64_t value = number->get();
    const bool decimal = number->flags() == toml::value_flags::none;
    const std::string digits = std::to_string(value);
    const bool as_meant = decimal && parse_mode(digits).has_value();
    if (decimal ? !as_meant && is_plausible_mode(value) : value <= kModeMost) {
        out = static_cast<std::uint32_t>(value);
        return;
    }
    if (!decimal) return wrong(key, *node, kExpected);
    fail(key, as_meant ? fmt::format("{0} is a decimal number: write 0o{0}, or \"0{0}\"", digits)
                       : fmt::format("{} is not {}", digits, kExpected));
}

void Section::take(std::string_view key, std::vector<std::string>& out) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    std::vector<std::string> texts;
    if (node->is_string()) {
        texts.push_back(node->as_string()->get());
    } else if (const toml::array* array = node->as_array()) {
        for (const toml::node& item : *array) {
            if (!item.is_string()) return wrong(key, item, "a string");
            texts.push_back(item.as_string()->get());
        }
    } else {
        return wrong(key, *node, "an array of strings");
    }
    out = std::move(texts);
}

std::optional<std::size_t> Section::choice(std::string_view key,
                                           std::vector<std::string_view> names) {
    const toml::node* node = find(key);
    if (node == nullptr) return std::nullopt;
    const std::string_view text = node->is_string() ? node->as_string()->get() : std::string_view();
    const auto found = std::find(names.begin(), names.end(), text);
    if (node->is_string() && found != names.end()) {
        return static_cast<std::size_t>(found - names.begin());
    }
    wrong(key, *node, "one of: " + joined(names));
    return std::nullopt;
}

void Section::finish(const Hints& hints) {
    for (const auto& [key, node] : table_) {
        if (known_.contains(key.str())) continue;
        const auto hint =
            std::find_if(hints.begin(), hints.end(),
                         [&, &name = key](const auto& one) { return one.first == name.str(); });
        const std::string what = hint != hints.end() ? std::string(hint->second)
                                                     : "unknown key, known are: " + joined(known_);
        // The key's own line: a table's node begins where its header does.
        log_.fail(static_cast<int>(key.source().begin.line), full(key.str()), what);
    }
}

}  // namespace lb::cp
