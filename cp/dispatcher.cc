#include "cp/dispatcher.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <utility>

#include "cp/dispatcher_model.h"
#include "cp/latency.h"
#include "cp/row_reader.h"
#include "cp/set_order.h"
#include "cp/table_loader.h"

namespace lb::cp {
namespace {

bool same_text(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

void Dispatcher::Impl::set_flags(DestinationSet& set, Destination& d, std::uint32_t flags,
                                 StateChange::Cause cause) {
    if (flags == d.flags) return;
    changes.push_back({d.id, d.setid, std::string(d.uri), d.flags, flags, cause});
    if (d.draining()) --draining;
    d.flags = flags;
    if (d.draining()) ++draining;
    ++version;
    touch(set);
}

void Dispatcher::Impl::write_state(DestinationSet& set, Destination& d, std::uint32_t bits) {
    set_flags(set, d, (d.flags & ~(probe::kStateBits | kOurFlags)) | bits,
              StateChange::Cause::kCommand);
    // Whoever puts it in service does not believe what probing made of it. Else the next reload
    // would take it out again, for good where nobody probes it any more.
    if ((bits & table::kSkipped) != 0) return;
    d.learned_flags &= d.configured_flags | ~probe::kStateBits;
    d.learned_count = 0;
}

// Congestion control (spec 5.3) takes `rweight` down as the estimate rises over the average.
void Dispatcher::Impl::sample(DestinationSet& set, Destination& d, std::int32_t ms) {
    add_latency_sample(d.latency, ms, options.latency_alpha);
    ++latency_version;
    touch(set);
    if (!d.attrs.cc || d.attrs.weight <= 0) return;

    const auto congestion = [](const Destination& of) {
        return std::max(0, static_cast<std::int32_t>(of.latency.estimate - of.latency.average));
    };
    d.rweight = std::max(0, d.attrs.weight - congestion(d));
    std::int64_t sum = 0;
    bool all_zero = set.members.size() > 1;
    for (const Destination& member : set.members) {
        if (!member.attrs.cc) return;
        sum += congestion(member);
        all_zero = all_zero && member.rweight == 0;
    }
    if (all_zero) {
        for (Destination& member : set.members) {
            const std::int64_t share = sum * 16 / std::max(1, congestion(member));
            member.rweight = static_cast<std::int32_t>(std::min<std::int64_t>(share, 1 << 30));
        }
    }
    ++version;
}

Dispatcher::Dispatcher(DispatcherOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}

std::unique_ptr<Dispatcher> Dispatcher::clone() const { return clone(impl_->options); }

std::unique_ptr<Dispatcher> Dispatcher::clone(DispatcherOptions options) const {
    auto copy = std::make_unique<Dispatcher>(options);
    *copy->impl_ = *impl_;
    copy->impl_->options = std::move(options);
    return copy;
}
Dispatcher::~Dispatcher() = default;

Result<Dispatcher::LoadReport> Dispatcher::load(const RowTable& rows, const Resolver& resolve,
                                                bool all_or_nothing, const NamesHook& names) {
    TableLoader loader(impl_->options, rows);
    loader.read();
    loader.look_up(resolve, names);
    LoadReport report = loader.report();
    if (!report.bad_rows.empty() && (all_or_nothing || impl_->options.load_mode_strict)) {
        std::string message = report.bad_rows.front();
        if (report.bad_rows.size() > 1) {
            message += fmt::format(" (and {} more bad rows)", report.bad_rows.size() - 1);
        }
        return failed(Errc::kInvalid, std::move(message));
    }
    if (report.loaded == 0 && size() > 0) {
        report.warnings.push_back(fmt::format(
            "no destination is left of {}: new requests get the answer no_destination", size()));
    }
    std::vector<DestinationSet> next = loader.take_sets();
    impl_->adopt(next);
    impl_->sets = std::move(next);
    impl_->appearance.clear();
    for (DestinationSet& set : impl_->sets) {
        impl_->appearance.push_back(set.id);
        impl_->touch(set);
    }
    impl_->order_sets();
    impl_->index_all();
    return report;
}

Status Dispatcher::add(const DestinationRow& row, const Resolver& resolve) {
    const RowTable rows{row};
    RowReader reader(impl_->options);
    auto reading = reader.read(rows[0]);
    Status status = reading ? Status{} : failed(reading.error());
    if (reading && reading->needs_look_up) {
        status = RowReader::look_up(reading->destination, resolve);
        if (!reading->destination.looked_up) status = {};
    }
    if (!status) {
        Error error = std::move(status).error();
        if (!row.origin.empty()) error.message = row.origin + ": " + error.message;
        return failed(std::move(error));
    }
    Destination& added = reading->destination;
    added.id = impl_->new_id();
    added.slot = impl_->new_slot();
    DestinationSet* set = impl_->find_set(added.setid);
    if (set == nullptr) {
        impl_->appearance.push_back(added.setid);
        set = &impl_->sets.emplace_back(DestinationSet{.id = added.setid});
    }
    const auto at =
        std::find_if(set->members.begin(), set->members.end(),
                     [&](const Destination& member) { return member.priority <= added.priority; });
    set->members.insert(at, std::move(added));
    own_texts(*set);
    impl_->touch(*set);
    impl_->order_sets();
    impl_->index_all();
    return {};
}

Status Dispatcher::remove(std::int32_t setid, std::string_view uri) {
    auto parsed = parse_destination_uri(uri);
    if (!parsed) return failed(std::move(parsed).error());
    DestinationSet* set = impl_->find_set(setid);
    if (set == nullptr) return {};
    const std::size_t gone = std::erase_if(
        set->members, [&](const Destination& member) { return member.uri == parsed->uri; });
    if (gone == 0) return {};
    own_texts(*set);
    impl_->touch(*set);
    if (set->members.empty()) {
        std::erase(impl_->appearance, setid);
        std::erase_if(impl_->sets, [&](const DestinationSet& each) { return each.id == setid; });
    }
    impl_->order_sets();
    impl_->index_all();
    return {};
}

namespace {

// Whole text, any case, the first in index order.
template <class TextOf>
Destination* find_first(DestinationSet& set, std::string_view text, TextOf text_of) {
    for (Destination& member : set.members) {
        if (same_text(text_of(member), text)) return &member;
    }
    return nullptr;
}

Status not_found(std::int32_t setid, std::string_view what, std::string_view name) {
    return failed(Errc::kNotFound,
                  fmt::format("set {} has no destination with {} {}", setid, what, name));
}

}  // namespace

Status Dispatcher::set_state(std::int32_t setid, std::string_view uri, std::uint32_t bits) {
    DestinationSet* set = impl_->find_set(setid);
    if (uri == "all") {  // Kamailio says Ok for a set that does not exist, too
        if (set == nullptr) return {};
        for (Destination& member : set->members) impl_->write_state(*set, member, bits);
        return {};
    }
    Destination* found = set == nullptr
                             ? nullptr
                             : find_first(*set, uri, [](const Destination& d) { return d.uri; });
    if (found == nullptr) return not_found(setid, "URI", uri);
    impl_->write_state(*set, *found, bits);
    return {};
}

Status Dispatcher::set_duid_state(std::int32_t setid, std::string_view duid, std::uint32_t bits) {
    if (duid == "all") return set_state(setid, duid, bits);
    DestinationSet* set = impl_->find_set(setid);
    Destination* found =
        set == nullptr || duid.empty()
            ? nullptr
            : find_first(*set, duid, [](const Destination& d) { return d.attrs.duid(); });
    if (found == nullptr) return not_found(setid, "duid", duid);
    impl_->write_state(*set, *found, bits);
    return {};
}

Status Dispatcher::drain(std::int32_t setid, std::string_view target, bool draining) {
    DestinationSet* set = impl_->find_set(setid);
    if (set == nullptr) {
        std::string known;
        for (const DestinationSet& each : impl_->sets) {
            if (known.size() > 200) break;
            known += fmt::format("{}{}", known.empty() ? "" : ", ", each.id);
        }
        return failed(Errc::kNotFound, fmt::format("no such set {}; sets: {}", setid,
                                                   known.empty() ? "none" : known));
    }
    std::size_t found = 0;
    for (Destination& d : set->members) {
        const bool meant = target == "all" || same_text(d.uri, target) ||
                           (!d.attrs.duid().empty() && same_text(d.attrs.duid(), target));
        if (!meant) continue;
        ++found;
        const std::uint32_t flags = d.flags & ~std::uint32_t{table::kDraining};
        impl_->set_flags(*set, d, draining ? flags | table::kDraining : flags,
                         StateChange::Cause::kCommand);
    }
    return found != 0 ? Status{} : not_found(setid, "URI or duid", target);
}

void Dispatcher::probe_result(table::DestinationId id, bool success,
                              std::optional<std::int32_t> latency_ms, bool timed_out) {
    Destination* d = find(id);
    if (d == nullptr || (d->flags & table::kDisabled) != 0) return;
    DestinationSet& set = *impl_->find_set(d->setid);
    const DispatcherOptions& options = impl_->options;
    // Figures count only while P is set: the first answer of a fresh destination does not
    // (spec 5.2).
    if (options.latency_stats && (d->flags & table::kProbing) != 0) {
        if (timed_out) {
            ++d->latency.timeout;
        } else if (latency_ms) {
            impl_->sample(set, *d, std::max(0, *latency_ms));
        }
    }
    const probe::HealthRules rules = rules_of(options);
    if (!probe::accepts_result(d->flags, rules.mode)) return;
    const auto outcome = success ? probe::ProbeOutcome::kSuccess : probe::ProbeOutcome::kFailure;
    const probe::Health now = probe::apply({d->flags, d->probing_count}, outcome, rules);
    // The same result on what probing knew before a command changed it.
    const probe::Health learned =
        probe::apply({d->learned_flags, d->learned_count}, outcome, rules);
    d->probing_count = now.count;
    d->learned_flags = learned.flags;
    d->learned_count = learned.count;
    impl_->set_flags(set, *d, now.flags, StateChange::Cause::kProbe);
}

void Dispatcher::resolved(table::DestinationId id, const std::vector<Endpoint>& endpoints) {
    Destination* d = find(id);
    EndpointList list(endpoints);
    if (d == nullptr || d->endpoints == list) return;
    d->endpoints = std::move(list);
    ++impl_->version;
    impl_->touch(*impl_->find_set(d->setid));
}

const std::vector<DestinationSet>& Dispatcher::sets() const noexcept { return impl_->sets; }

DestinationSet* Dispatcher::find_set(std::int32_t id) noexcept { return impl_->find_set(id); }

Destination* Dispatcher::find(table::DestinationId id) noexcept {
    const auto place = impl_->places.find(impl_->sets, id);
    return place ? &impl_->sets[place->set].members[place->member] : nullptr;
}

std::size_t Dispatcher::size() const noexcept { return impl_->places.size(); }
std::size_t Dispatcher::draining() const noexcept { return impl_->draining; }
std::vector<StateChange> Dispatcher::take_changes() { return std::exchange(impl_->changes, {}); }
std::uint64_t Dispatcher::version() const noexcept { return impl_->version; }
std::uint64_t Dispatcher::table_version() const noexcept { return impl_->table_version; }
std::uint64_t Dispatcher::latency_version() const noexcept { return impl_->latency_version; }
const DispatcherOptions& Dispatcher::options() const noexcept { return impl_->options; }

}  // namespace lb::cp
