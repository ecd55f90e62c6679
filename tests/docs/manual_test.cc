// The manual names every configuration key, RPC command and drop reason, and none that is not.

#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "cp/rpc/methods.h"
#include "dp/core/verdict.h"
#include "dp/table/algorithm.h"

namespace lb {
namespace {

std::string read(const std::string& name) {
    std::ifstream in(std::string(SIPLANE_SOURCE_ROOT) + "/" + name);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

// From the heading that begins with `from` to the next of its level.
std::string section(const std::string& text, const std::string& from) {
    const std::size_t begin = text.find("\n" + from);
    if (begin == std::string::npos) return {};
    return text.substr(begin, text.find("\n## ", begin + 1) - begin);
}

std::set<std::string> matches(const std::string& text, const std::string& pattern) {
    const std::regex regex(pattern);
    std::set<std::string> found;
    for (std::sregex_iterator at(text.begin(), text.end(), regex), end; at != end; ++at) {
        found.insert((*at)[1]);
    }
    return found;
}

// The first cells of tables: | `name` ...
std::set<std::string> documented(const std::string& text) {
    return matches(text, R"(\n\| `([A-Za-z0-9_.]+)`)");
}

// Whatever cp/config.cc asks a table for.
std::set<std::string> config_keys() {
    const std::string source = read("cp/config.cc");
    std::set<std::string> keys = matches(
        source,
        R"(\b(?:in|entry|root)\.(?:take|take_list|take_mode|find|choice)\(\"([a-z0-9_]+)\")");
    keys.merge(matches(source, R"(take_reply\(in, \"([a-z0-9_]+)\")"));
    for (const char* name : {"rule", "rules"}) keys.insert(name);
    return keys;
}

TEST(manual, names_every_configuration_key) {
    const std::set<std::string> keys = config_keys();
    ASSERT_GT(keys.size(), 80U);
    const std::set<std::string> named = documented(section(read("docs/manual.md"), "## 2."));
    for (const std::string& key : keys) EXPECT_TRUE(named.contains(key)) << key << " is missing";
    for (const std::string& key : named) EXPECT_TRUE(keys.contains(key)) << key << " is no key";
}

TEST(manual, names_every_table_of_the_configuration) {
    const std::string text = section(read("docs/manual.md"), "## 2.");
    for (const std::string& name :
         matches(read("cp/config.cc"), R"(with_tables?\(root, \"([a-z]+)\")")) {
        EXPECT_NE(text.find("[" + name + "]"), std::string::npos) << name;
    }
}

TEST(manual, names_every_command) {
    const std::set<std::string> named = documented(section(read("docs/manual.md"), "## 7."));
    std::set<std::string> commands;
    for (const rpc::Method& method : rpc::methods()) commands.emplace(method.name);
    EXPECT_EQ(named, commands);
}

TEST(completions, know_every_command) {
    for (const char* file : {"cli/completions/siplanectl.bash", "cli/completions/_siplanectl"}) {
        const std::set<std::string> words =
            matches(read(file), R"(\b((?:core|ctl|dispatcher|siplane|system)\.[A-Za-z_]+))");
        std::set<std::string> commands;
        for (const rpc::Method& method : rpc::methods()) commands.emplace(method.name);
        EXPECT_EQ(words, commands) << file;
    }
}

TEST(manual, says_what_to_do_about_every_drop) {
    const std::set<std::string> named = documented(section(read("docs/manual.md"), "## 9."));
    std::set<std::string> reasons;
    for (const core::DropReasonInfo& info : core::kDropReasons) reasons.emplace(info.name);
    EXPECT_EQ(named, reasons);
}

TEST(manual, numbers_algorithms_as_the_code_does) {
    const std::string text = section(read("docs/manual.md"), "## 5.");
    for (int number = 0; number <= 101; ++number) {
        const auto name = table::algorithm_name(static_cast<table::Algorithm>(number));
        if (name == "unknown") continue;
        const std::string row = "\n| " + std::to_string(number) + " | " + std::string(name) + " |";
        EXPECT_NE(text.find(row), std::string::npos) << row;
    }
}

TEST(manual, man_page_names_every_configuration_key) {
    const std::string page = read("docs/siplane.toml.5");
    for (const std::string& key : config_keys()) {
        EXPECT_NE(page.find(key), std::string::npos) << key << " is missing";
    }
}

}  // namespace
}  // namespace lb
