#pragma once

// Host names of next hops that pings go to (obproxy, outbound_proxy), looked up by the daemon's Dns
// without waiting. A name that is asked for again keeps its last answer meanwhile, and while no
// server answers; "does not exist" ends it.
//
// Bounds:  kNamesMax; a further one begins the memory anew, which costs a question each.
// Threads: the control thread only, and nothing here waits.
// Source:  RFC 3263 section 4, as for relayed requests: ds_dns_mode is about rows of the table.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "cp/dns.h"
#include "cp/ping_route.h"

namespace lb::cp {

class HopNames {
public:
    static constexpr std::size_t kNamesMax = 10'000;

    // `dns` outlives it.
    explicit HopNames(Dns& dns) : dns_(dns) {}

    // What is known now of the host's first address; asks if that is nothing, or is old. A name
    // that is known not to exist is no endpoint.
    PingHop find(std::string_view host, std::uint16_t port);

private:
    struct Name {
        PingHop last{std::nullopt, true};
        bool asking = false;
    };
    void take(const DnsName& name, const Dns::Endpoints& endpoints, Name& entry) const;
    void ask(const DnsName& name, const std::shared_ptr<Name>& entry);

    Dns& dns_;
    std::unordered_map<std::string, std::shared_ptr<Name>> names_;  // by dns_key()
};

}  // namespace lb::cp
