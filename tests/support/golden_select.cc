#include "tests/support/golden_select.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace lb::test {
namespace {

// The value of `name` in "a=1;b=2".
std::string_view attribute(std::string_view attrs, std::string_view name) {
    while (!attrs.empty()) {
        const std::string_view one = attrs.substr(0, attrs.find(';'));
        attrs.remove_prefix(std::min(one.size() + 1, attrs.size()));
        const std::size_t equals = one.find('=');
        if (equals != std::string_view::npos && one.substr(0, equals) == name) {
            return one.substr(equals + 1);
        }
    }
    return {};
}

// Spec 3.2: weights are 1..100, anything else counts as 0.
std::uint16_t weight(std::string_view attrs, std::string_view name) {
    const std::string_view text = attribute(attrs, name);
    unsigned value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value <= 100 ? static_cast<std::uint16_t>(value) : std::uint16_t{0};
}

std::string without_scheme(const std::string& uri) { return uri.substr(uri.find(':') + 1); }

// All URIs of the golden data are sip:a.b.c.d[:port][;params].
Endpoint endpoint_of(const std::string& uri) {
    std::string text = without_scheme(uri);
    text = text.substr(0, text.find(';'));
    if (text.find(':') == std::string::npos) text += ":5060";
    return Endpoint::parse(text).value();
}

void add_member(table::Set& set, const std::string& uri, const std::string& attrs,
                std::uint32_t flags, std::int32_t priority) {
    table::Member member;
    member.id = table::DestinationId{static_cast<std::uint32_t>(set.id) * 1'000'000U +
                                     static_cast<std::uint32_t>(set.members.size()) + 1};
    member.flags = flags;
    member.priority = priority;
    member.weight = weight(attrs, "weight");
    member.rweight = weight(attrs, "rweight");
    member.endpoint = endpoint_of(uri);
    member.text = static_cast<std::uint32_t>(set.texts.size());
    set.members.push_back(member);
    const std::string host_port = without_scheme(uri);
    const std::string duid(attribute(attrs, "duid"));
    set.texts.push_back({uri, attrs, duid, host_port});
}

}  // namespace

table::Set set_from_rows(const nlohmann::json& rows, std::int32_t id) {
    table::Set set;
    set.id = id;
    for (const nlohmann::json& row : rows) {
        add_member(set, row.at("uri"), row.at("attrs"), row.at("flags"), row.at("priority"));
    }
    std::ranges::reverse(set.members);
    std::ranges::stable_sort(set.members, std::ranges::greater{}, &table::Member::priority);
    return set;
}

table::Set plain_set(std::size_t count, std::int32_t id) {
    table::Set set;
    set.id = id;
    set.members.reserve(count);
    set.texts.reserve(count, count * 32);
    for (std::size_t i = 0; i < count; ++i) {
        const std::string uri = "sip:10." + std::to_string(i >> 16) + "." +
                                std::to_string(i >> 8 & 255) + "." + std::to_string(i & 255) +
                                ":5060";
        add_member(set, uri, "duid=d" + std::to_string(i), 0, 0);
    }
    return set;
}

table::Dispatch::Input input_for(table::Set set, table::Algorithm algorithm) {
    table::Dispatch::Input input;
    table::Service service;
    service.name = "test";
    service.set = set.id;
    service.algorithm = algorithm;
    input.services.push_back(std::move(service));
    input.sets.push_back(std::move(set));
    return input;
}

}  // namespace lb::test
