#include "cp/destination_traffic.h"

namespace lb::cp {

void DestinationTraffic::adopt(const Dispatcher& dispatcher) {
    for (const DestinationSet& set : dispatcher.sets()) {
        for (const Destination& d : set.members) {
            if (d.slot == kNoTrafficSlot) continue;
            if (d.slot >= owners_.size()) owners_.resize(d.slot + 1);
            Owner& owner = owners_[d.slot];
            if (owner.id != d.id) owner = {d.id, read_(d.slot)};
        }
    }
}

core::TrafficValues DestinationTraffic::of(const Destination& d) const {
    if (d.slot >= owners_.size() || owners_[d.slot].id != d.id) return {};
    return read_(d.slot).since(owners_[d.slot].before);
}

void DestinationTraffic::watch(Dispatcher& dispatcher, std::uint64_t now_ms) {
    if (dispatcher.draining() == 0) return drains_.clear();
    for (const DestinationSet& set : dispatcher.sets()) {
        for (const Destination& d : set.members) {
            if (!d.draining()) continue;
            const core::TrafficValues now = of(d);
            const auto [found, fresh] = drains_.try_emplace(static_cast<std::uint32_t>(d.id));
            Drain& drain = found->second;
            if (fresh) drain = {now_ms, now_ms, now, now};
            if (now.requests != drain.seen.requests || now.sent != drain.seen.sent) {
                drain.last_ms = now_ms;
                drain.seen = now;
            }
        }
    }
    std::erase_if(drains_, [&dispatcher](const auto& entry) {
        const Destination* d = dispatcher.find(table::DestinationId{entry.first});
        return d == nullptr || !d->draining();
    });
}

std::vector<DrainState> DestinationTraffic::draining(const Dispatcher& dispatcher,
                                                     std::uint64_t now_ms) const {
    std::vector<DrainState> out;
    for (const DestinationSet& set : dispatcher.sets()) {
        for (const Destination& d : set.members) {
            const auto found = drains_.find(static_cast<std::uint32_t>(d.id));
            if (!d.draining() || found == drains_.end()) continue;
            const Drain& drain = found->second;
            out.push_back({set.id, std::string(d.uri), d.flags, now_ms - drain.since_ms,
                           now_ms - drain.last_ms, drain.seen.since(drain.at_start)});
        }
    }
    return out;
}

}  // namespace lb::cp
