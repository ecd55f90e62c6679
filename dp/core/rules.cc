#include "dp/core/rules.h"

#include <algorithm>

#include "dp/sip/parser.h"

namespace lb::core {
namespace {

// What holds for it holds for its CANCEL and ACK.
constexpr std::string_view kInvite = "INVITE";

bool matches(const Context& context, const table::Rule& rule, const sip::Uri& uri) noexcept {
    const sip::Message& message = context.message();
    const auto any = [](const auto& list, const auto& test) {
        return list.empty() || std::any_of(list.begin(), list.end(), test);
    };
    return any(rule.methods,
               [&](const std::string& method) {
                   return message.method_text == method ||
                          (method == kInvite && message.follows_invite());
               }) &&
           any(rule.sources,
               [&](const Prefix& prefix) {
                   return prefix.contains(context.frame().source.address);
               }) &&
           any(rule.listen,
               [&](const Endpoint& endpoint) { return context.frame().target == endpoint; }) &&
           uri.user.substr(0, rule.ruri_user_prefix.size()) == rule.ruri_user_prefix &&
           (rule.ruri_host.empty() || sip::iequals(uri.host, rule.ruri_host)) &&
           (rule.header.empty() || sip::find_header(message, rule.header).present());
}

}  // namespace

const table::Rule* match_rule(const Context& context, const sip::Uri& request_uri) noexcept {
    for (const table::Rule& rule : context.service().rules) {
        if (matches(context, rule, request_uri)) return &rule;
    }
    return nullptr;
}

}  // namespace lb::core
