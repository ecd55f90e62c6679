#pragma once

// One table of a TOML file, key by key: each take_ names a key, checks it and remembers it, and
// finish() reports what nobody asked for. Heavy (toml++): for the .cc files of the configuration
// only.
//
// Errors: the first one counts; it has the form "file:line: key: what is wrong and what is
// allowed".

#include <toml++/toml.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lb::cp {

// The first error and all warnings of one file.
struct ConfigLog {
    std::string file;
    std::string error;
    std::vector<std::string> warnings;

    void fail(int line, std::string_view key, std::string_view what);
    void warn(int line, std::string_view key, std::string_view what);
};

int line_of(const toml::node& node) noexcept;
// As in the file, shortened: for messages.
std::string shown(const toml::node& node);

struct Range {
    std::int64_t least = 0;
    std::int64_t most = INT32_MAX;
};

class Section {
public:
    // `path`: "dispatcher", "service \"public\"": what stands before the key in messages.
    Section(const toml::table& table, std::string path, ConfigLog& log)
        : table_(table), path_(std::move(path)), log_(log) {}

    int line() const noexcept { return line_of(table_); }
    ConfigLog& log() const noexcept { return log_; }
    const std::string& path() const noexcept { return path_; }

    // Null if the key is not there.
    const toml::node* find(std::string_view key);

    // Each leaves `out` alone if the key is not there, or wrong.
    void take(std::string_view key, std::string& out);
    void take(std::string_view key, bool& out);  // true, false, 1, 0
    template <class Integer>
    void take(std::string_view key, Integer& out, Range range) {
        if (const auto value = integer(key, range)) out = static_cast<Integer>(*value);
    }
    // An array of strings, or one string.
    void take(std::string_view key, std::vector<std::string>& out);
    // Permissions of a file: octal (0o660), or text as chmod takes it ("0660"). Another number only
    // if it can be nothing else: 384 is 0o600, but whoever writes 440 means 0o440.
    void take_mode(std::string_view key, std::uint32_t& out);
    // One of `names`: its index.
    std::optional<std::size_t> choice(std::string_view key, std::vector<std::string_view> names);
    // Calls `parse(text)` (an optional) for each string of an array; `expected` describes one.
    template <class T, class Parse>
    void take_list(std::string_view key, std::vector<T>& out, Parse parse, const char* expected) {
        std::vector<std::string> texts;
        take(key, texts);
        const toml::node* node = find(key);
        if (node != nullptr) out.clear();
        for (const std::string& text : texts) {
            if (auto value = parse(text)) {
                out.push_back(std::move(*value));
            } else {
                fail(key, "\"" + text + "\" is not " + expected);
            }
        }
    }

    void fail(std::string_view key, std::string_view what);
    // Every key that was not asked for is an error. `hints` says more about some of them.
    using Hints = std::vector<std::pair<std::string_view, std::string_view>>;
    void finish(const Hints& hints = {});

private:
    std::optional<std::int64_t> integer(std::string_view key, Range range);
    void wrong(std::string_view key, const toml::node& node, std::string_view expected);
    std::string full(std::string_view key) const;

    const toml::table& table_;
    std::string path_;
    ConfigLog& log_;
    std::set<std::string, std::less<>> known_;
};

}  // namespace lb::cp
