#pragma once

// Host names to endpoints, as SIP over UDP looks for servers: NAPTR, SRV, A and AAAA, with a cache.
//
// Bounds:  answers and questions under way are bounded by DnsOptions; so are records taken per
// answer. A name that
//          does not resolve is remembered too (negative_ttl_s), so that a flood of bad names asks
//          once each.
// Threads: the control thread only; answers are called from its io_context, never from within a
// call here. Errors:  an empty list of endpoints. A temporary failure (no server answered) keeps an
// older answer in use. Source:  RFC 3263 section 4 for transport UDP, RFC 2782; c-ares does the
// asking, /etc/hosts included.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/result.h"
#include "dp/table/tables.h"

namespace asio {
class io_context;
}

namespace lb::cp {

struct DnsOptions {
    std::vector<Endpoint> servers;  // none: those of resolv_conf
    std::string resolv_conf = "/etc/resolv.conf";
    std::uint16_t port = 53;  // of the servers in resolv_conf
    int timeout_ms = 1000;    // of the first try; each further one waits longer
    int tries = 3;
    std::uint32_t ttl_min_s = 5, ttl_max_s = 3600;
    std::uint32_t ttl_override_s = 0;  // ds_dns_ttl; 0: as answered
    std::uint32_t negative_ttl_s = 30;
    std::size_t answers_max = 10'000;
    std::size_t questions_max =
        256;  // under way; further ones are answered "does not resolve" at once
};

inline constexpr std::size_t kDnsEndpointsMax = 16;  // of one name
inline constexpr std::size_t kDnsTargetsMax = 8;     // SRV targets that are looked up

struct DnsName {
    std::string host;        // without brackets; case does not matter
    std::uint16_t port = 0;  // as in the URI; 0: none given
    bool services = true;    // without a port: look for NAPTR and SRV before A and AAAA (RFC 3263)
};

// table::ResolvedName::key: lower-case "host" or "host:port".
std::string dns_key(std::string_view host, std::uint16_t port);

class Dns {
public:
    Dns(asio::io_context& io, DnsOptions options);
    ~Dns();
    Dns(const Dns&) = delete;
    Dns& operator=(const Dns&) = delete;

    using Endpoints = std::vector<Endpoint>;
    using Done = std::function<void(const Endpoints&)>;

    // The answer in the cache, or null if there is none that is still good. An IP literal is always
    // known.
    const Endpoints* find(const DnsName& name) const;

    // Asks, or joins a question under way, or answers from the cache.
    void resolve(const DnsName& name, Done done);

    // The same for a moment in which nothing else may happen (table load): asks for all names at
    // once and waits until each is answered or `limit` has passed. find() then gives the answers:
    // from then on the cache has room for so many beside DnsOptions::answers_max.
    void resolve_now(const std::vector<DnsName>& names, std::chrono::milliseconds limit);

    // True if nothing is known now, because no server has said anything: not that the name does not
    // exist. What is known from elsewhere may go on being used.
    bool unanswered(const DnsName& name) const;

    // Takes the name servers of resolv_conf as it is now, if it has changed since they were read.
    // Questions under way are asked again, and so is, as soon as somebody wants it, what had no
    // address before. Cost: one stat() while nothing has changed.
    void follow_servers();

    // Every answer to a question with services, sorted by key: what the workers read. Expired ones
    // are left out.
    std::vector<table::ResolvedName> resolved_names() const;

    // Forgets what expired long ago; true if any answer expired since the last call.
    bool expire();
    // ds_dns_ttl from the next answer on; 0: as answered.
    void set_ttl_override(std::uint32_t seconds) noexcept;
    std::size_t size() const noexcept;
    std::uint64_t questions() const noexcept;  // sent to servers since the start

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace lb::cp
