#include "dp/core/top.h"

#include <string>

#include "dp/base/assert.h"
#include "dp/sip/branch.h"

namespace lb::core {
namespace {

constexpr std::string_view kMaxForwardsLine = "Max-Forwards: 70\r\n";
constexpr std::string_view kRouteEnd = ">\r\n";
constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kPath = "Path: ";
constexpr std::size_t kHexSize = 16;
static_assert(table::kBranchBegin == sip::kRelayBranch);
static_assert(table::kRecordRouteCookie.substr(1, 2) == sip::kCookieParam);

// Writes texts one behind the other, into room that was measured before.
struct Writer {
    char* at;

    void text(std::string_view text) noexcept {
        copy_short(at, text.data(), text.size());
        at += text.size();
    }
    void hex64(std::uint64_t value) noexcept {
        write_hex64(value, at);
        at += kHexSize;
    }
};

// One value, or two when the message leaves by another listener than it came in by.
bool has_twin(const Top& top) noexcept { return top.in != top.out; }

const std::string& own_route(const Top& top, const table::Listener& listener) noexcept {
    return listener.record_route[has_twin(top)][top.full_lr];
}

}  // namespace

std::size_t odd_top_size(const table::Listener& in, const table::Listener& out, bool max_forwards,
                         bool record_route, bool path, bool full_lr) noexcept {
    const bool twin = &in != &out;
    const auto route_size = [&](const table::Listener& listener) {
        return listener.record_route[twin][full_lr].size() + kHexSize + kRouteEnd.size();
    };
    const std::size_t routes = route_size(in) + (twin ? route_size(out) : 0);
    const std::size_t values = twin ? 2 : 1;
    std::size_t size = out.via.size() + sip::kBranchSize + kLineEnd.size();
    if (max_forwards) size += kMaxForwardsLine.size();
    if (record_route) size += routes;
    if (path) size += routes - values * (table::kRecordRoute.size() - kPath.size());
    return size;
}

namespace {

void write_own_route(Writer& to, const Top& top, const table::Listener& listener) noexcept {
    to.text(own_route(top, listener));
    to.hex64(top.cookie);
    to.text(kRouteEnd);
}

void write_own_path(Writer& to, const Top& top, const table::Listener& listener) noexcept {
    to.text(kPath);
    to.text(std::string_view(own_route(top, listener)).substr(table::kRecordRoute.size()));
    to.hex64(top.cookie);
    to.text(kRouteEnd);
}

// The outer one first.
template <class Write>
void write_for_listeners(const Top& top, Write write) noexcept {
    if (has_twin(top)) write(*top.out);
    write(*top.in);
}

}  // namespace

void write_odd_top(const Context& context, Top top, char* at) noexcept {
    Writer to{at};
    if (top.max_forwards) to.text(kMaxForwardsLine);
    if (top.record_route)
        write_for_listeners(top, [&](const auto& each) { write_own_route(to, top, each); });
    if (top.path)
        write_for_listeners(top, [&](const auto& each) { write_own_path(to, top, each); });
    to.text(top.out->via);
    sip::write_relay_branch(context.transaction, top.mac, to.at);
    to.at += sip::kBranchSize;
    to.text(kLineEnd);
    LB_ASSERT(to.at == at + top.size);
}

}  // namespace lb::core
