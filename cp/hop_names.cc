#include "cp/hop_names.h"

#include <utility>

namespace lb::cp {

PingHop HopNames::find(std::string_view host, std::uint16_t port) {
    const DnsName name{std::string(host), port, true};
    std::string key = dns_key(host, port);
    if (names_.size() >= kNamesMax && !names_.contains(key)) names_.clear();
    std::shared_ptr<Name>& entry = names_[std::move(key)];
    if (!entry) entry = std::make_shared<Name>();

    if (const Dns::Endpoints* known = dns_.find(name)) {
        take(name, *known, *entry);
    } else {
        ask(name, entry);
    }
    return entry->last;
}

// No server answered: what was known before stands.
void HopNames::take(const DnsName& name, const Dns::Endpoints& endpoints, Name& entry) const {
    if (!endpoints.empty()) {
        entry.last = {endpoints.front(), false};
    } else if (!dns_.unanswered(name)) {
        entry.last = {};
    }
}

// The answer is taken when it comes: with a TTL below the interval of pings the cache has forgotten
// it by the next one.
void HopNames::ask(const DnsName& name, const std::shared_ptr<Name>& entry) {
    if (std::exchange(entry->asking, true)) return;
    dns_.resolve(name, [this, name, weak = std::weak_ptr(entry)](const Dns::Endpoints& endpoints) {
        const std::shared_ptr<Name> asked = weak.lock();
        if (!asked) return;  // and with it, maybe, this object
        asked->asking = false;
        take(name, endpoints, *asked);
    });
}

}  // namespace lb::cp
