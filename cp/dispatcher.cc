#include "cp/dispatcher.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <unordered_map>
#include <utility>

#include "cp/latency.h"
#include "cp/set_order.h"
#include "probe/health.h"

namespace lb::cp {
namespace {

probe::HealthRules rules_of(const DispatcherOptions& options) {
    return {static_cast<probe::Mode>(options.probing_mode), options.probing_threshold,
            options.inactive_threshold};
}

constexpr std::uint16_t kSipPort = 5060;
constexpr std::uint32_t kOurFlags = table::kDraining;  // never of a row

bool same_text(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool fits_int32(std::int64_t value) noexcept {
    return value >= std::numeric_limits<std::int32_t>::min() &&
           value <= std::numeric_limits<std::int32_t>::max();
}

// What is the same destination in the next table: set, URI and duid (design.md section 11).
std::uint64_t identity_hash(const Destination& d) noexcept {
    const std::hash<std::string_view> hash;
    constexpr std::uint64_t kMix = 0x9e3779b97f4a7c15;
    const std::uint64_t set = static_cast<std::uint32_t>(d.setid);
    return (set * kMix + hash(d.uri)) * kMix + hash(d.attrs.duid);
}

bool same_identity(const Destination& a, const Destination& b) noexcept {
    return a.setid == b.setid && a.uri == b.uri && a.attrs.duid == b.attrs.duid;
}

// Makes a Destination of a row, or says why not (spec 3.2, 3.3, 3.7).
class RowReader {
public:
    RowReader(const DispatcherOptions& options, const Resolver& resolve,
              std::vector<std::string>& warnings)
        : options_(options), resolve_(resolve), warnings_(warnings) {}

    Result<Destination> read(const DestinationRow& row) const {
        auto destination = parse(row);
        if (destination) return destination;
        Error error = std::move(destination).error();
        if (!row.origin.empty()) error.message = row.origin + ": " + error.message;
        return failed(std::move(error));
    }

private:
    Result<Destination> parse(const DestinationRow& row) const {
        if (!row.problem.empty()) return failed(Errc::kInvalid, row.problem);
        if (Status status = check_numbers(row); !status) return failed(status.error());
        auto uri = parse_destination_uri(row.destination);
        if (!uri) return failed(std::move(uri).error());
        std::vector<std::string> remarks;
        const bool none = row.attrs.empty() && options_.attrs_none;
        auto attrs = parse_attributes(none ? "none=yes" : row.attrs, &remarks);
        if (!attrs) return failed(std::move(attrs).error());
        if (Status status = check_sockets(*attrs); !status) return failed(status.error());

        Destination out;
        out.setid = static_cast<std::int32_t>(row.setid);
        out.configured_flags = static_cast<std::uint32_t>(row.flags) & ~kOurFlags;
        out.priority = static_cast<std::int32_t>(row.priority);
        if (Status status = look_up(*uri, out); !status) return failed(status.error());
        out.uri = std::move(uri->uri);
        out.host = std::move(uri->host);
        out.port = uri->port;
        out.protocol = uri->protocol;
        out.attrs = std::move(*attrs);
        out.rweight = out.attrs.rweight;
        if (out.attrs.latency) out.latency = configured_latency(*out.attrs.latency);
        const probe::Health health = probe::initial_health(
            out.configured_flags, rules_of(options_), options_.hold_until_probed && out.over_udp());
        out.flags = out.learned_flags = health.flags;
        out.probing_count = out.learned_count = health.count;
        if (!out.over_udp()) remarks.push_back("gets no traffic: only UDP is spoken");
        for (const std::string& remark : remarks) {
            warnings_.push_back(fmt::format("{}: {}: {}", row.origin, out.uri, remark));
        }
        return out;
    }

    static Status check_numbers(const DestinationRow& row) {
        if (!fits_int32(row.setid)) {
            return failed(Errc::kInvalid, fmt::format("setid {} is no 32-bit integer", row.setid));
        }
        if (!fits_int32(row.priority)) {
            return failed(Errc::kInvalid,
                          fmt::format("priority {} is no 32-bit integer", row.priority));
        }
        if (row.flags < 0 || !fits_int32(row.flags)) {
            return failed(Errc::kInvalid,
                          fmt::format("flags {} are not between 0 and 2147483647", row.flags));
        }
        return {};
    }

    Status check_sockets(const Attributes& attrs) const {
        if (!attrs.sockname.empty()) {
            if (options_.is_local_sockname && !options_.is_local_sockname(attrs.sockname)) {
                return failed(Errc::kInvalid,
                              fmt::format("sockname {} is no listener's name", attrs.sockname));
            }
        } else if (Status status = check_socket("socket", attrs.socket); !status) {
            return status;
        }
        return check_socket("ping_socket", attrs.ping_socket);
    }

    Status check_socket(std::string_view name, const std::string& value) const {
        if (value.empty() || !options_.is_local_socket || options_.is_local_socket(value)) {
            return {};
        }
        return failed(Errc::kInvalid, fmt::format("{} {} is no listener of ours", name, value));
    }

    Status look_up(const DestinationUri& uri, Destination& out) const {
        const bool at_load = (options_.dns_mode & (1 | 4)) != 0;
        out.looked_up = at_load && (out.configured_flags & table::kNoDns) == 0;
        if (uri.literal) {
            out.endpoints.push_back({*uri.literal, uri.port != 0 ? uri.port : kSipPort});
            return {};
        }
        auto endpoints = resolve_(uri);
        if (endpoints && !endpoints->empty()) {
            out.endpoints = std::move(*endpoints);
        } else if (out.looked_up) {
            return failed(
                Errc::kUnavailable,
                fmt::format("host {} does not resolve{}{}", uri.host, endpoints ? "" : ": ",
                            endpoints ? "" : endpoints.error().message));
        }
        return {};
    }

    const DispatcherOptions& options_;
    const Resolver& resolve_;
    std::vector<std::string>& warnings_;
};

// Index 0 is the highest priority; among equals the row that came last (spec 3.4).
void sort_members(std::vector<Destination>& rows) {
    std::reverse(rows.begin(), rows.end());
    const auto higher = [](const Destination& a, const Destination& b) {
        return a.priority > b.priority;
    };
    // Mostly all are equal, and moving them is the dearer part.
    if (std::is_sorted(rows.begin(), rows.end(), higher)) return;
    std::stable_sort(rows.begin(), rows.end(), higher);
}

std::string_view after_scheme(std::string_view uri) noexcept {
    return uri.substr(uri.find(':') + 1);
}

}  // namespace

struct Dispatcher::Impl {
    struct Place {
        std::uint32_t set = 0, member = 0;
    };

    explicit Impl(DispatcherOptions given) : options(std::move(given)) {}

    DispatcherOptions options;
    std::vector<DestinationSet> sets;      // in listing order
    std::vector<std::int32_t> appearance;  // set ids as their first rows came
    std::unordered_map<std::int32_t, std::uint32_t> set_index;
    std::unordered_map<std::uint32_t, Place> places;  // by DestinationId
    std::vector<StateChange> changes;
    std::uint64_t version = 1, latency_version = 1;
    std::uint64_t table_version = 0;
    static inline std::atomic<std::uint64_t> next_table_version{1};  // tests have several threads
    std::uint32_t next_id = 1;
    // A slot that was given up rests until the next change of the table: until then workers may
    // still count in it for its old destination.
    enum class Slot : std::uint8_t { kFree, kUsed, kResting };
    std::vector<Slot> slots;
    std::vector<std::uint32_t> free_slots;

    table::DestinationId new_id();
    std::uint32_t new_slot();
    void recycle_slots();
    void order_sets();
    void index_all();
    void adopt(std::vector<DestinationSet>& next);
    void adopt_one(Destination& next, const Destination& old) const;
    void set_flags(Destination& d, std::uint32_t flags, bool by_probe);
    void write_state(Destination& d, std::uint32_t bits);
    void sample(DestinationSet& set, Destination& d, std::int32_t ms);
    DestinationSet* find_set(std::int32_t id) noexcept;
};

table::DestinationId Dispatcher::Impl::new_id() {
    while (next_id == 0 || places.contains(next_id)) ++next_id;  // after 2^32 of them
    return table::DestinationId{next_id++};
}

std::uint32_t Dispatcher::Impl::new_slot() {
    if (free_slots.empty()) {
        if (slots.size() == kTrafficSlotsMax) return kNoTrafficSlot;
        slots.push_back(Slot::kUsed);
        return static_cast<std::uint32_t>(slots.size() - 1);
    }
    const std::uint32_t slot = free_slots.back();
    free_slots.pop_back();
    slots[slot] = Slot::kUsed;
    return slot;
}

void Dispatcher::Impl::recycle_slots() {
    std::vector<bool> used(slots.size());
    for (const DestinationSet& set : sets) {
        for (const Destination& d : set.members) {
            if (d.slot != kNoTrafficSlot) used[d.slot] = true;
        }
    }
    for (std::uint32_t i = 0; i < slots.size(); ++i) {
        if (used[i]) continue;
        if (slots[i] == Slot::kResting) free_slots.push_back(i);
        slots[i] = slots[i] == Slot::kUsed ? Slot::kResting : Slot::kFree;
    }
}

DestinationSet* Dispatcher::Impl::find_set(std::int32_t id) noexcept {
    const auto found = set_index.find(id);
    return found == set_index.end() ? nullptr : &sets[found->second];
}

// REQUIRES: `sets` holds exactly the ids of `appearance`.
void Dispatcher::Impl::order_sets() {
    std::unordered_map<std::int32_t, std::uint32_t> from;
    from.reserve(sets.size());
    for (std::uint32_t i = 0; i < sets.size(); ++i) from.emplace(sets[i].id, i);
    std::vector<DestinationSet> ordered;
    ordered.reserve(sets.size());
    for (const std::uint32_t at : listing_order(appearance)) {
        ordered.push_back(std::move(sets[from.at(appearance[at])]));
    }
    sets = std::move(ordered);
}

void Dispatcher::Impl::index_all() {
    set_index.clear();
    places.clear();
    std::size_t total = 0;
    for (const DestinationSet& set : sets) total += set.members.size();
    set_index.reserve(sets.size());
    places.reserve(total);
    for (std::uint32_t s = 0; s < sets.size(); ++s) {
        set_index.emplace(sets[s].id, s);
        for (std::uint32_t m = 0; m < sets[s].members.size(); ++m) {
            places.emplace(static_cast<std::uint32_t>(sets[s].members[m].id), Place{s, m});
        }
    }
    recycle_slots();
    table_version = next_table_version.fetch_add(1, std::memory_order_relaxed);
    ++version;
}

void Dispatcher::Impl::adopt_one(Destination& next, const Destination& old) const {
    next.id = old.id;
    next.slot = old.slot;
    next.flags |= old.flags & kOurFlags;
    const bool same_latency = next.attrs.latency == old.attrs.latency;
    if (same_latency && (options.reload_keeps_state || options.retain_latency)) {
        next.latency = old.latency;
    }
    if (!options.reload_keeps_state) return;
    next.dlgload = old.dlgload;
    // A changed row is what the operator wants now; what was set by command is forgotten either
    // way.
    if (next.configured_flags != old.configured_flags) return;
    // P in the row asks for probing, whatever earlier probes (mode 0) made of it.
    next.learned_flags = old.learned_flags | (next.configured_flags & table::kProbing);
    next.flags = next.learned_flags | (old.flags & kOurFlags);
    next.probing_count = next.learned_count = old.learned_count;
    if (same_latency && next.attrs.cc && next.attrs.weight == old.attrs.weight &&
        next.attrs.rweight == old.attrs.rweight) {
        next.rweight = old.rweight;
    }
}

// Gives each destination of `next` the identity it had before, if it had one; twins pair up in
// order.
void Dispatcher::Impl::adopt(std::vector<DestinationSet>& next) {
    struct Entry {
        std::uint64_t hash;
        Destination* destination;
    };
    const auto sorted = [](std::vector<DestinationSet>& from) {
        std::vector<Entry> out;
        for (DestinationSet& set : from) {
            for (Destination& d : set.members) out.push_back({identity_hash(d), &d});
        }
        std::stable_sort(out.begin(), out.end(),
                         [](const Entry& a, const Entry& b) { return a.hash < b.hash; });
        return out;
    };
    const std::vector<Entry> old = sorted(sets);
    std::size_t at = 0;
    for (const Entry& entry : sorted(next)) {
        while (at < old.size() && old[at].hash < entry.hash) ++at;
        if (at < old.size() && old[at].hash == entry.hash &&
            same_identity(*old[at].destination, *entry.destination)) {
            adopt_one(*entry.destination, *old[at++].destination);
        } else {
            entry.destination->id = new_id();
            entry.destination->slot = new_slot();
        }
    }
}

void Dispatcher::Impl::set_flags(Destination& d, std::uint32_t flags, bool by_probe) {
    if (flags == d.flags) return;
    changes.push_back({d.id, d.setid, d.uri, d.flags, flags, by_probe});
    d.flags = flags;
    ++version;
}

void Dispatcher::Impl::write_state(Destination& d, std::uint32_t bits) {
    set_flags(d, (d.flags & ~(probe::kStateBits | kOurFlags)) | bits, false);
}

// Congestion control (spec 5.3) takes `rweight` down as the estimate rises over the average.
void Dispatcher::Impl::sample(DestinationSet& set, Destination& d, std::int32_t ms) {
    add_latency_sample(d.latency, ms, options.latency_alpha);
    ++latency_version;
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

Result<Dispatcher::LoadReport> Dispatcher::load(const std::vector<DestinationRow>& rows,
                                                const Resolver& resolve, bool all_or_nothing) {
    LoadReport report;
    const RowReader reader(impl_->options, resolve, report.warnings);
    std::vector<DestinationSet> next;
    std::vector<std::int32_t> appearance;
    std::unordered_map<std::int32_t, std::size_t> index;
    std::unordered_map<std::int64_t, std::size_t> counts;  // so that no set grows step by step
    for (const DestinationRow& row : rows) ++counts[row.setid];
    for (const DestinationRow& row : rows) {
        auto destination = reader.read(row);
        if (!destination) {
            report.bad_rows.push_back(std::move(destination).error().message);
            continue;
        }
        const auto [found, added] = index.try_emplace(destination->setid, next.size());
        if (added) {
            next.push_back({destination->setid, {}});
            next.back().members.reserve(counts[row.setid]);
            appearance.push_back(destination->setid);
        }
        next[found->second].members.push_back(std::move(*destination));
        ++report.loaded;
    }
    if (!report.bad_rows.empty() && (all_or_nothing || impl_->options.load_mode_strict)) {
        std::string message = report.bad_rows.front();
        if (report.bad_rows.size() > 1) {
            message += fmt::format(" (and {} more bad rows)", report.bad_rows.size() - 1);
        }
        return failed(Errc::kInvalid, std::move(message));
    }
    for (DestinationSet& set : next) {
        set.members.shrink_to_fit();  // bad rows left room
        sort_members(set.members);
    }
    impl_->adopt(next);
    impl_->sets = std::move(next);
    impl_->appearance = std::move(appearance);
    impl_->order_sets();
    impl_->index_all();
    return report;
}

Status Dispatcher::add(const DestinationRow& row, const Resolver& resolve) {
    std::vector<std::string> warnings;
    auto destination = RowReader(impl_->options, resolve, warnings).read(row);
    if (!destination) return failed(std::move(destination).error());
    destination->id = impl_->new_id();
    destination->slot = impl_->new_slot();
    DestinationSet* set = impl_->find_set(destination->setid);
    if (set == nullptr) {
        impl_->appearance.push_back(destination->setid);
        set = &impl_->sets.emplace_back(DestinationSet{destination->setid, {}});
    }
    const auto at = std::find_if(
        set->members.begin(), set->members.end(),
        [&](const Destination& member) { return member.priority <= destination->priority; });
    set->members.insert(at, std::move(*destination));
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
        for (Destination& member : set->members) impl_->write_state(member, bits);
        return {};
    }
    Destination* found = set == nullptr ? nullptr : find_first(*set, uri, [](const Destination& d) {
        return std::string_view(d.uri);
    });
    if (found == nullptr) return not_found(setid, "URI", uri);
    impl_->write_state(*found, bits);
    return {};
}

Status Dispatcher::set_duid_state(std::int32_t setid, std::string_view duid, std::uint32_t bits) {
    if (duid == "all") return set_state(setid, duid, bits);
    DestinationSet* set = impl_->find_set(setid);
    Destination* found =
        set == nullptr || duid.empty() ? nullptr : find_first(*set, duid, [](const Destination& d) {
            return std::string_view(d.attrs.duid);
        });
    if (found == nullptr) return not_found(setid, "duid", duid);
    impl_->write_state(*found, bits);
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
                           (!d.attrs.duid.empty() && same_text(d.attrs.duid, target));
        if (!meant) continue;
        ++found;
        const std::uint32_t flags = d.flags & ~std::uint32_t{table::kDraining};
        impl_->set_flags(d, draining ? flags | table::kDraining : flags, false);
    }
    return found != 0 ? Status{} : not_found(setid, "URI or duid", target);
}

void Dispatcher::probe_result(table::DestinationId id, bool success,
                              std::optional<std::int32_t> latency_ms, bool timed_out) {
    Destination* d = find(id);
    if (d == nullptr || (d->flags & table::kDisabled) != 0) return;
    const DispatcherOptions& options = impl_->options;
    // Figures count only while P is set: the first answer of a fresh destination does not
    // (spec 5.2).
    if (options.latency_stats && (d->flags & table::kProbing) != 0) {
        if (timed_out) {
            ++d->latency.timeout;
        } else if (latency_ms) {
            impl_->sample(*impl_->find_set(d->setid), *d, std::max(0, *latency_ms));
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
    impl_->set_flags(*d, now.flags, true);
}

void Dispatcher::resolved(table::DestinationId id, std::vector<Endpoint> endpoints) {
    Destination* d = find(id);
    if (d == nullptr || d->endpoints == endpoints) return;
    d->endpoints = std::move(endpoints);
    ++impl_->version;
}

const std::vector<DestinationSet>& Dispatcher::sets() const noexcept { return impl_->sets; }

DestinationSet* Dispatcher::find_set(std::int32_t id) noexcept { return impl_->find_set(id); }

Destination* Dispatcher::find(table::DestinationId id) noexcept {
    const auto found = impl_->places.find(static_cast<std::uint32_t>(id));
    if (found == impl_->places.end()) return nullptr;
    return &impl_->sets[found->second.set].members[found->second.member];
}

std::size_t Dispatcher::size() const noexcept { return impl_->places.size(); }
std::vector<StateChange> Dispatcher::take_changes() { return std::exchange(impl_->changes, {}); }
std::uint64_t Dispatcher::version() const noexcept { return impl_->version; }
std::uint64_t Dispatcher::table_version() const noexcept { return impl_->table_version; }
std::uint64_t Dispatcher::latency_version() const noexcept { return impl_->latency_version; }
const DispatcherOptions& Dispatcher::options() const noexcept { return impl_->options; }

namespace {

table::Member member_of(const Destination& d, std::int32_t rweight_max) {
    table::Member out;
    out.id = d.id;
    out.slot = d.slot;
    out.flags = d.flags;
    out.priority = d.priority;
    out.weight = static_cast<std::uint16_t>(d.attrs.weight);
    // Congestion control may leave 0..100; only the relation of the members counts.
    const std::int64_t rweight = d.rweight;
    out.rweight =
        static_cast<std::uint16_t>(rweight_max > 100 ? rweight * 100 / rweight_max : rweight);
    out.maxload = static_cast<std::uint32_t>(std::max(0, d.attrs.maxload));
    out.latency_estimate = d.latency.estimate;
    out.latency_average = d.latency.average;
    out.congestion_control = d.attrs.cc;
    if (d.over_udp() && !d.endpoints.empty()) out.endpoint = d.endpoints.front();
    return out;
}

}  // namespace

std::vector<table::Set> Dispatcher::table_sets(
    const std::function<table::ListenerIndex(const Attributes&)>& listener_of) const {
    std::vector<table::Set> out;
    out.reserve(impl_->sets.size());
    for (const DestinationSet& set : impl_->sets) {
        table::Set& made = out.emplace_back();
        made.id = set.id;
        made.members.reserve(set.members.size());
        made.texts.reserve(set.members.size());
        std::int32_t rweight_max = 0;
        for (const Destination& d : set.members) rweight_max = std::max(rweight_max, d.rweight);
        for (const Destination& d : set.members) {
            table::Member member = member_of(d, rweight_max);
            member.listener = listener_of(d.attrs);
            member.text = static_cast<std::uint32_t>(made.texts.size());
            made.members.push_back(member);
            made.texts.push_back(
                {d.uri, d.attrs.body, d.attrs.duid, std::string(after_scheme(d.uri))});
        }
    }
    return out;
}

}  // namespace lb::cp
