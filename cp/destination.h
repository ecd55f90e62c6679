#pragma once

// What the control plane knows of one destination, and of the sets they stand in.
//
// Threads: plain values, of the control thread. Texts are views into SetTexts of their set, which
//          the workers' tables share: a Destination is not to be kept beyond its set.
// Source:  spec/dispatcher.md 3.2, 3.3, 4.1, 5.2.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/result.h"
#include "dp/table/dispatch.h"

namespace lb::cp {

// Attributes of spec/dispatcher.md 3.2 that have a meaning; `body` keeps them all. What they say is
// looked up in it, so that the many that a row does not have cost four bytes each.
struct Attributes {
    // Where in the body a value stands.
    struct Part {
        std::uint16_t at = 0, length = 0;
    };

    std::string_view body;  // as listed: one trailing ';' dropped; at most SetTexts::kTextMax
    bool given = false;     // the row's text was not empty (";" is given, though its body is empty)
    bool cc = false;
    std::int16_t weight = 0;
    std::int16_t rweight = 0;
    std::int16_t ocmin = 0, ocmax = 100, ocrate = 0;
    std::int32_t maxload = 0;
    std::optional<std::int32_t> latency;
    Part duid_at, socket_at, sockname_at, ping_socket_at, ping_from_at, obproxy_at;

    std::string_view duid() const noexcept { return text(duid_at); }
    std::string_view socket() const noexcept { return text(socket_at); }
    std::string_view sockname() const noexcept { return text(sockname_at); }
    std::string_view ping_socket() const noexcept { return text(ping_socket_at); }
    std::string_view ping_from() const noexcept { return text(ping_from_at); }
    std::string_view obproxy() const noexcept { return text(obproxy_at); }

private:
    std::string_view text(Part part) const noexcept { return body.substr(part.at, part.length); }
};

// Latency figures of spec/dispatcher.md 5.2.
struct Latency {
    std::int32_t min = 0, max = 0;
    float average = 0, stdev = 0, estimate = 0;
    std::uint32_t samples = 0;  // all of them
    double m2 = 0;
    std::uint32_t count = 0;  // the weight of `average`, which Kamailio sets to 10,000 once steady
    std::uint32_t timeout = 0;
};

// The addresses of one destination, of which nearly all have one: that one takes no allocation.
class EndpointList {
public:
    EndpointList() = default;
    EndpointList(const Endpoint& one) : first_(one), size_(1) {}
    EndpointList(std::span<const Endpoint> all);
    EndpointList(std::initializer_list<Endpoint> all) : EndpointList(std::span(all)) {}
    EndpointList(const EndpointList& other) : EndpointList(other.all()) {}
    EndpointList(EndpointList&& other) noexcept = default;
    EndpointList& operator=(const EndpointList& other) { return *this = EndpointList(other); }
    EndpointList& operator=(EndpointList&& other) noexcept = default;

    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }
    const Endpoint& front() const noexcept { return all().front(); }
    std::span<const Endpoint> all() const noexcept {
        return {more_ ? more_.get() : &first_, size_};
    }
    friend bool operator==(const EndpointList& a, const EndpointList& b) noexcept;

private:
    Endpoint first_;
    std::uint32_t size_ = 0;
    std::unique_ptr<Endpoint[]> more_;  // all of them, if there is more than one
};

struct Destination {
    table::DestinationId id{};
    std::int32_t setid = 0;
    std::string_view uri;  // as listed
    std::uint16_t host_at = 0, host_length = 0;
    std::uint16_t port = 0;     // in the URI, or 0
    std::uint8_t protocol = 0;  // PROTOID: 0 none, 1 UDP, 2 TCP, 3 TLS, 4 SCTP
    // False for a destination that must not be looked up at load (flag 16, ds_dns_mode): list shows
    // no IPADDR then, although a literal or a later lookup gives endpoints.
    bool looked_up = false;
    EndpointList endpoints;   // resolved, first is IPADDR; empty: not resolved
    std::uint32_t flags = 0;  // table::StateBits, as now
    std::uint32_t configured_flags = 0;
    std::int32_t priority = 0;
    Attributes attrs;
    std::int32_t rweight = 0;  // as congestion control has it now
    Latency latency;
    std::uint32_t probing_count = 0;

    // What probing alone has learned: the state that a reload goes back to (design.md section 11).
    std::uint32_t learned_flags = 0;
    std::uint32_t learned_count = 0;

    std::uint32_t slot = kNoTrafficSlot;  // of its counters in the workers, as long as its id

    std::string_view host() const noexcept { return uri.substr(host_at, host_length); }  // no []
    bool skipped() const noexcept { return (flags & table::kSkipped) != 0; }
    bool draining() const noexcept { return (flags & table::kDraining) != 0; }
    // False for transport=tcp, sips: and the like: listed, but never selected and not to be probed.
    bool over_udp() const noexcept;
    // May be selected now: in a state that takes calls, over UDP, and with an address.
    bool usable() const noexcept { return !skipped() && over_udp() && !endpoints.empty(); }
};

struct DestinationSet {
    std::int32_t id = 0;
    std::uint64_t revision = 0;          // of the model, when something of it last changed
    std::vector<Destination> members{};  // index order (spec 3.4)
    table::SetTexts texts{};             // of the members, one each
};

// The two letters of dispatcher.list: "AX", "IP" ... (spec 4.1); `with_n` shows the N of newer
// versions.
std::string state_letters(std::uint32_t flags, bool with_n);

// A state argument of set_state: "ip", "1", "dp" ... (spec 6.1). Errors carry Kamailio's text.
Result<std::uint32_t> parse_state(std::string_view text);

// Attributes, or why the destination is refused (spec 3.2). The result looks into `text`.
// `warnings`, if given, collects sentences about values that were put right (weight=101 counts as
// 0).
Result<Attributes> parse_attributes(std::string_view text,
                                    std::vector<std::string>* warnings = nullptr);

// What a destination URI is, after the prefixing of spec 3.3 and before DNS.
struct DestinationUri {
    std::string uri;   // as stored: "sip:" prepended where it was missing
    std::string host;  // without brackets
    std::uint16_t port = 0;
    std::uint8_t protocol = 0;
    std::optional<IpAddress> literal;
};
Result<DestinationUri> parse_destination_uri(std::string_view text);
// Destination::over_udp() of a URI as stored.
bool over_udp(std::string_view uri, std::uint8_t protocol) noexcept;

// The same without a copy: views into the text, or into `prefixed` where "sip:" was prepended.
struct DestinationUriView {
    std::string_view uri;
    std::string_view host;
    std::uint16_t port = 0;
    std::uint8_t protocol = 0;
    std::optional<IpAddress> literal;
};
Result<DestinationUriView> view_destination_uri(std::string_view text, std::string& prefixed);

}  // namespace lb::cp
