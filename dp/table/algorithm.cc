#include "dp/table/algorithm.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace lb::table {
namespace {

struct Name {
    std::string_view name;
    Algorithm algorithm;
};

// The first name of each number is the one that is printed.
constexpr std::array kNames{
    Name{"callid", Algorithm::kCallId},
    Name{"fromuri", Algorithm::kFromUri},
    Name{"from", Algorithm::kFromUri},
    Name{"touri", Algorithm::kToUri},
    Name{"to", Algorithm::kToUri},
    Name{"requesturi", Algorithm::kRequestUri},
    Name{"ruri", Algorithm::kRequestUri},
    Name{"roundrobin", Algorithm::kRoundRobin},
    Name{"rr", Algorithm::kRoundRobin},
    Name{"authuser", Algorithm::kAuthUser},
    Name{"auth", Algorithm::kAuthUser},
    Name{"random", Algorithm::kRandom},
    Name{"hashpvar", Algorithm::kHashPvar},
    Name{"pvar", Algorithm::kHashPvar},
    Name{"first", Algorithm::kFirst},
    Name{"priority", Algorithm::kFirst},
    Name{"serial", Algorithm::kFirst},
    Name{"weight", Algorithm::kWeight},
    Name{"callload", Algorithm::kCallLoad},
    Name{"load", Algorithm::kCallLoad},
    Name{"relativeweight", Algorithm::kRelativeWeight},
    Name{"rweight", Algorithm::kRelativeWeight},
    Name{"parallel", Algorithm::kParallel},
    Name{"latency", Algorithm::kLatency},
    Name{"mixed", Algorithm::kMixed},
    Name{"priorityweight", Algorithm::kPriorityWeight},
    Name{"overload", Algorithm::kOverload},
    Name{"maglev", Algorithm::kMaglev},
    Name{"rendezvous", Algorithm::kRendezvous},
};

constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Compares, leaving letter case, '-' and '_' of `text` aside.
bool is_name(std::string_view text, std::string_view name) noexcept {
    std::size_t matched = 0;
    for (const char c : text) {
        if (c == '-' || c == '_') continue;
        if (matched == name.size() || lower(c) != name[matched]) return false;
        ++matched;
    }
    return matched == name.size();
}

}  // namespace

std::optional<Algorithm> parse_algorithm(std::string_view text) noexcept {
    std::int16_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc{} && rest == end) return static_cast<Algorithm>(number);

    const auto* const found =
        std::ranges::find_if(kNames, [text](const Name& row) { return is_name(text, row.name); });
    if (found == kNames.end()) return std::nullopt;
    return found->algorithm;
}

std::string_view algorithm_name(Algorithm algorithm) noexcept {
    const auto* const found = std::ranges::find(kNames, algorithm, &Name::algorithm);
    return found == kNames.end() ? std::string_view("unknown") : found->name;
}

bool is_function_of_message(Algorithm algorithm) noexcept {
    switch (algorithm) {
        case Algorithm::kRoundRobin:
        case Algorithm::kAuthUser:
        case Algorithm::kRandom:
        case Algorithm::kWeight:
        case Algorithm::kCallLoad:
        case Algorithm::kRelativeWeight:
        case Algorithm::kLatency:
        case Algorithm::kMixed:
        case Algorithm::kPriorityWeight:
        case Algorithm::kOverload:
            return false;
        default:
            return true;
    }
}

std::string_view algorithm_problem(Algorithm algorithm, bool has_hash_pvar,
                                   bool has_call_table) noexcept {
    if (algorithm == Algorithm::kParallel) {
        return "algorithm 12 (parallel) forks a request, which a stateless proxy cannot: "
               "choose another algorithm";
    }
    if (algorithm == Algorithm::kHashPvar && !has_hash_pvar) {
        return "algorithm 7 (hashpvar) needs the option hash_pvar";
    }
    if (algorithm == Algorithm::kCallLoad && !has_call_table) {
        return "algorithm 10 (callload) needs the option ds_hash_size above 0";
    }
    return {};
}

}  // namespace lb::table
