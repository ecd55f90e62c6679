#include "cp/table_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "cp/log.h"
#include "cp/tables_builder.h"

namespace lb::cp {
namespace {

constexpr std::uint32_t kDnsRefresh = 4;  // ds_dns_mode: look names up again

std::vector<DnsName> names_of(std::span<const DestinationUri> uris, bool services) {
    std::vector<DnsName> names;
    names.reserve(uris.size());
    for (const DestinationUri& uri : uris) names.push_back({uri.host, uri.port, services});
    return names;
}

// Why `name` has no address.
Result<std::vector<Endpoint>> unresolved(const Dns& dns, const DnsName& name) {
    if (dns.unanswered(name)) return failed(Errc::kUnavailable, "no name server answers");
    return failed(Errc::kNotFound, "host " + name.host + " is not known to the name servers");
}

}  // namespace

// The addresses that a model has for host names, and which of them served for want of an answer.
class TableSource::Known {
public:
    void learn(const Dispatcher& dispatcher) {
        for (const DestinationSet& set : dispatcher.sets()) {
            for (const Destination& member : set.members) {
                if (member.endpoints.empty() || IpAddress::parse(member.host())) continue;
                const auto all = member.endpoints.all();
                addresses_.try_emplace(dns_key(std::string(member.host()), member.port),
                                       all.begin(), all.end());
            }
        }
    }
    bool has(const std::string& host, std::uint16_t port) const {
        return addresses_.contains(dns_key(host, port));
    }
    const std::vector<Endpoint>* take(const std::string& host, std::uint16_t port) {
        const auto found = addresses_.find(dns_key(host, port));
        if (found == addresses_.end()) return nullptr;
        taken_.insert(found->first);
        return &found->second;
    }
    const std::set<std::string>& taken() const noexcept { return taken_; }

private:
    std::unordered_map<std::string, std::vector<Endpoint>> addresses_;
    std::set<std::string> taken_;
};

Result<Dispatcher::LoadReport> TableSource::load(const DispatcherConfig& config,
                                                 Dispatcher& dispatcher, bool all_or_nothing) {
    // A reload of what is not there would take all destinations away.
    const auto rows = load_rows(config, all_or_nothing ? IfMissing::kFail : IfMissing::kCreate);
    if (!rows) return failed(rows.error());
    dns_.follow_servers();
    Known known;
    const auto ask_together = [&](std::span<const DestinationUri> uris) {
        known.learn(dispatcher);
        const std::vector<DnsName> names = names_of(uris, config.asks_services());
        const bool all_known = std::all_of(names.begin(), names.end(), [&](const DnsName& name) {
            return dns_.find(name) != nullptr || known.has(name.host, name.port);
        });
        dns_.resolve_now(names,
                         all_known ? std::min(kKnownNamesLimit, names_limit_) : names_limit_);
    };
    auto report = dispatcher.load(*rows, loading(known, config.asks_services()), all_or_nothing,
                                  ask_together);
    if (!report) return report;
    for (const std::string& name : known.taken()) {
        report->warnings.push_back("no name server answers for " + name + ": keeps its addresses");
    }
    return report;
}

// All names have been asked: nothing here waits, or each of a thousand rows would for a dead
// server.
Resolver TableSource::loading(Known& known, bool services) {
    return [this, &known, services](const DestinationUri& uri) -> Result<std::vector<Endpoint>> {
        const DnsName name{uri.host, uri.port, services};
        if (dns_.unanswered(name)) {
            const std::vector<Endpoint>* before = known.take(uri.host, uri.port);
            if (before != nullptr) return *before;
        }
        const Dns::Endpoints* endpoints = dns_.find(name);
        if (endpoints == nullptr) {
            return failed(Errc::kUnavailable,
                          fmt::format("no answer within {} ms", names_limit_.count()));
        }
        if (endpoints->empty()) return unresolved(dns_, name);
        return *endpoints;
    };
}

Resolver TableSource::resolver(const DispatcherConfig& config) {
    return [this, services = config.asks_services()](
               const DestinationUri& uri) -> Result<std::vector<Endpoint>> {
        const std::string host = uri.literal ? uri.literal->text() : uri.host;
        const DnsName name{host, uri.port, services};
        dns_.follow_servers();
        if (dns_.find(name) == nullptr) dns_.resolve_now({name}, names_limit_);
        const Dns::Endpoints* endpoints = dns_.find(name);
        if (endpoints == nullptr || endpoints->empty()) return unresolved(dns_, name);
        return *endpoints;
    };
}

bool TableSource::refresh(Stale which, const DispatcherConfig& config,
                          std::function<Dispatcher&()> find, std::function<void()> changed) {
    if (!stale_.empty() || asking_ != 0) return false;
    keeping_ = false;
    for (const DestinationSet& set : find().sets()) {
        for (const Destination& member : set.members) {
            const bool meant = which == Stale::kNoAddress
                                   ? member.endpoints.empty()
                                   : (config.ds_dns_mode & kDnsRefresh) != 0 || !member.looked_up;
            if (meant && !IpAddress::parse(member.host())) stale_.push_back(member.id);
        }
    }
    while (asking_ < kRefreshTogether && !stale_.empty()) {
        refresh_next(config.asks_services(), find, changed);
    }
    return true;
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
        {std::string(destination->host()), destination->port, services},
        [this, id, services, find, changed, alive = alive_](const Dns::Endpoints& endpoints) {
            if (!*alive) return;
            --asking_;
            const Destination* now = find().find(id);
            // Nothing comes of a name server that is silent, or has forgotten the name: what was
            // known goes on, as in Kamailio.
            const bool keeps = endpoints.empty() && now != nullptr && !now->endpoints.empty();
            if (keeps && !std::exchange(keeping_, true)) {
                log(LogLevel::kWarning, "dns.no_answer",
                    {{"host", std::string(now->host())},
                     {"text", "keeps its addresses, and so does any other name like it"}});
            }
            if (now != nullptr && !keeps && now->endpoints != EndpointList(endpoints)) {
                find().resolved(id, endpoints);
                changed();
            }
            while (asking_ < kRefreshTogether && !stale_.empty()) {
                refresh_next(services, find, changed);
            }
        });
}

}  // namespace lb::cp
