#include "cli/arguments.h"

#include <cstdlib>

namespace lb::cli {

rpc::Value typed(const std::string& word) {
    const char* end_of_word = word.c_str() + word.size();
    char* end = nullptr;
    const long number = std::strtol(word.c_str(), &end, 10);  // saturates, as kamcmd's does
    if (end == end_of_word) return static_cast<std::int32_t>(static_cast<std::uint32_t>(number));
    const double real = std::strtod(word.c_str(), &end);
    if (end == end_of_word) return real;
    return word.starts_with("s:") ? word.substr(2) : word;
}

std::vector<rpc::Value> typed(const std::vector<std::string>& words) {
    std::vector<rpc::Value> out;
    out.reserve(words.size());
    for (const std::string& word : words) out.push_back(typed(word));
    return out;
}

}  // namespace lb::cli
