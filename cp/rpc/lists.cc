#include "cp/rpc/lists.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace lb::rpc {
namespace {

bool is_list(std::string_view name) {
    static constexpr std::array<std::string_view, 13> kLists = {
        "RECORDS", "TARGETS",    "DROPS",       "WORKERS",  "PORTS",   "SETS",      "SERVICES",
        "LINES",   "CANDIDATES", "PASSED_OVER", "FAILOVER", "NOT_UDP", "UNRESOLVED"};
    return std::find(kLists.begin(), kLists.end(), name) != kLists.end();
}

Value converted(const Value& value, std::string_view name) {
    const auto* members = value.members();
    if (members == nullptr) return value;
    std::vector<Member> out;
    for (const Member& member : *members) {
        out.push_back({member.name, converted(member.value, member.name)});
    }
    if (is_list(name)) return List{std::move(out)};
    Struct record;
    record.members = std::move(out);
    return record;
}

}  // namespace

Value with_lists(const Value& value) { return converted(value, ""); }

}  // namespace lb::rpc
