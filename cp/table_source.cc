#include "cp/table_source.h"

#include <utility>

#include "cp/tables_builder.h"

namespace lb::cp {
namespace {

constexpr std::uint32_t kDnsServices = 8;  // ds_dns_mode: NAPTR and SRV too

bool asks_services(const DispatcherConfig& config) noexcept {
    return (config.ds_dns_mode & kDnsServices) != 0;
}

std::vector<DnsName> names_of(const std::vector<DestinationRow>& rows, bool services) {
    std::vector<DnsName> names;
    for (const DestinationRow& row : rows) {
        if ((row.flags & table::kNoDns) != 0) continue;
        const auto uri = parse_destination_uri(row.destination);
        if (uri && !uri->literal) names.push_back({uri->host, uri->port, services});
    }
    return names;
}

}  // namespace

Result<Dispatcher::LoadReport> TableSource::load(const DispatcherConfig& config,
                                                 Dispatcher& dispatcher, bool all_or_nothing) {
    auto rows = load_rows(config);
    if (!rows) return failed(std::move(rows).error());
    dns_.resolve_now(names_of(*rows, asks_services(config)), kNamesLimit);
    return dispatcher.load(*rows, resolver(config), all_or_nothing);
}

Resolver TableSource::resolver(const DispatcherConfig& config) {
    return [this, services = asks_services(config)](
               const DestinationUri& uri) -> Result<std::vector<Endpoint>> {
        const std::string host = uri.literal ? uri.literal->text() : uri.host;
        const DnsName name{host, uri.port, services};
        if (dns_.find(name) == nullptr) dns_.resolve_now({name}, kNamesLimit);
        const Dns::Endpoints* endpoints = dns_.find(name);
        if (endpoints == nullptr || endpoints->empty()) {
            return failed(Errc::kNotFound, "host " + host + " does not resolve");
        }
        return *endpoints;
    };
}

void TableSource::refresh(const DispatcherConfig& config, std::function<Dispatcher&()> find,
                          std::function<void()> changed) {
    if (!stale_.empty() || asking_ != 0) return;  // the round before is not over
    for (const DestinationSet& set : find().sets()) {
        for (const Destination& member : set.members) {
            const bool fixed = (member.configured_flags & table::kNoDns) != 0 ||
                               IpAddress::parse(member.host).has_value();
            if (!fixed) stale_.push_back(member.id);
        }
    }
    while (asking_ < kRefreshTogether && !stale_.empty()) {
        refresh_next(asks_services(config), find, changed);
    }
}

// One destination; its answer asks for the next.
void TableSource::refresh_next(bool services, const std::function<Dispatcher&()>& find,
                               const std::function<void()>& changed) {
    const table::DestinationId id = stale_.front();
    stale_.pop_front();
    const Destination* destination = find().find(id);
    if (destination == nullptr) return;
    ++asking_;
    dns_.resolve(
        {destination->host, destination->port, services},
        [this, id, services, find, changed, alive = alive_](const Dns::Endpoints& endpoints) {
            if (!*alive) return;
            --asking_;
            const Destination* now = find().find(id);
            if (now != nullptr && now->endpoints != endpoints) {
                find().resolved(id, endpoints);
                changed();
            }
            while (asking_ < kRefreshTogether && !stale_.empty()) {
                refresh_next(services, find, changed);
            }
        });
}

}  // namespace lb::cp
