#include "cp/table_loader.h"

#include <fmt/format.h>

#include <algorithm>

#include "cp/dispatcher_model.h"
#include "dp/table/flat_index.h"
#include "dp/table/random.h"

namespace lb::cp {
namespace {

struct HashSetId {
    std::size_t operator()(std::int64_t id) const noexcept {
        return table::mix64(static_cast<std::uint64_t>(id));
    }
};

}  // namespace

TableLoader::TableLoader(const DispatcherOptions& options, const RowTable& rows)
    : options_(options), rows_(rows), reader_(options) {}

// A counting sort: two passes over the rows and no set that grows step by step.
void TableLoader::group_rows() {
    const auto count = static_cast<std::uint32_t>(rows_.size());
    table::FlatIndex<std::int64_t, HashSetId> index(count);
    std::vector<std::uint32_t> group_of(count);
    for (std::uint32_t row = 0; row < count; ++row) {
        const std::int64_t id = rows_[row].setid;
        std::uint32_t group = index.find(id);
        if (group == index.kNone) {
            group = static_cast<std::uint32_t>(groups_.size());
            index.insert(id, group);
            groups_.emplace_back();
        }
        group_of[row] = group;
        ++groups_[group].end;
    }
    std::uint32_t at = 0;
    for (Group& group : groups_) {
        group.begin = std::exchange(at, at + group.end);
        group.end = group.begin;
    }
    order_.resize(count);
    for (std::uint32_t row = 0; row < count; ++row) order_[groups_[group_of[row]].end++] = row;
}

void TableLoader::read() {
    group_rows();
    for (std::uint32_t i = 0; i < groups_.size(); ++i) read_group(i);
}

void TableLoader::read_group(std::uint32_t number) {
    Group& group = groups_[number];
    const auto first = order_.begin() + group.begin;
    // Index 0 is the highest priority; among equals the row that came last (spec 3.4).
    std::sort(first, order_.begin() + group.end, [this](std::uint32_t a, std::uint32_t b) {
        const std::int64_t x = rows_[a].priority;
        const std::int64_t y = rows_[b].priority;
        return x != y ? x > y : a > b;
    });
    DestinationSet& set = group.set;
    set.members.reserve(group.end - group.begin);
    std::uint32_t good = group.begin;
    for (std::uint32_t at = group.begin; at < group.end; ++at) {
        const std::uint32_t row = order_[at];
        auto reading = reader_.read(rows_[row]);
        if (!reading) {
            refuse(row, reading.error().message);
            continue;
        }
        for (const std::string& remark : reading->remarks) {
            warn(row, reading->destination, remark);
        }
        if (reading->needs_look_up) {
            pending_.push_back({number, static_cast<std::uint32_t>(set.members.size())});
        }
        set.id = reading->destination.setid;
        set.members.push_back(std::move(reading->destination));
        order_[good++] = row;
    }
    group.end = good;
}

void TableLoader::refuse(std::uint32_t row, const std::string& why) {
    const std::string origin = rows_.origin(row);
    bad_.push_back({row, origin.empty() ? why : origin + ": " + why});
}

void TableLoader::warn(std::uint32_t row, const Destination& destination, std::string_view what) {
    warnings_.push_back({row, fmt::format("{}: {}: {}", rows_.origin(row), destination.uri, what)});
}

void TableLoader::look_up(const Resolver& resolve, const NamesHook& names) {
    if (names && !pending_.empty()) {
        std::vector<DestinationUri> uris;
        uris.reserve(pending_.size());
        for (const Pending& one : pending_) {
            uris.push_back(uri_of(groups_[one.group].set.members[one.member]));
        }
        names(uris);
    }
    for (Pending& one : pending_) {
        Group& group = groups_[one.group];
        Destination& destination = group.set.members[one.member];
        const Status found = RowReader::look_up(destination, resolve);
        if (found) continue;
        const std::uint32_t row = order_[group.begin + one.member];
        one.refused = destination.looked_up;
        if (one.refused) {
            refuse(row, found.error().message);
        } else {
            warn(row, destination, "gets no traffic yet: " + found.error().message);
        }
    }
    drop_refused();
}

// One pass over each set, however many of its members go: pending_ is in order of sets and members.
void TableLoader::drop_refused() {
    for (auto one = pending_.cbegin(); one != pending_.cend();) {
        const std::uint32_t number = one->group;
        Group& group = groups_[number];
        auto& members = group.set.members;
        std::uint32_t kept = 0;
        for (std::uint32_t i = 0; i < members.size(); ++i) {
            const bool asked = one != pending_.cend() && one->group == number && one->member == i;
            if (asked && (one++)->refused) continue;
            if (kept != i) {
                members[kept] = std::move(members[i]);
                order_[group.begin + kept] = order_[group.begin + i];
            }
            ++kept;
        }
        members.erase(members.begin() + kept, members.end());
        group.end = group.begin + kept;
    }
}

std::vector<std::string> TableLoader::in_row_order(std::vector<Remark> remarks) {
    std::ranges::stable_sort(remarks, {}, &Remark::row);
    std::vector<std::string> out;
    out.reserve(remarks.size());
    for (Remark& remark : remarks) out.push_back(std::move(remark.text));
    return out;
}

Dispatcher::LoadReport TableLoader::report() {
    Dispatcher::LoadReport report;
    for (const Group& group : groups_) report.loaded += group.set.members.size();
    std::ranges::sort(bad_, {}, &Remark::row);
    std::erase_if(warnings_, [this](const Remark& remark) {  // of names that do not resolve
        return std::ranges::binary_search(bad_, remark.row, {}, &Remark::row);
    });
    report.bad_rows = in_row_order(std::move(bad_));
    report.warnings = in_row_order(std::move(warnings_));
    return report;
}

std::vector<DestinationSet> TableLoader::take_sets() {
    struct Appearance {
        std::uint32_t row, group;
    };
    std::vector<Appearance> found;
    for (std::uint32_t i = 0; i < groups_.size(); ++i) {
        const auto begin = order_.begin() + groups_[i].begin;
        const auto end = order_.begin() + groups_[i].end;
        if (begin != end) found.push_back({*std::min_element(begin, end), i});
    }
    std::ranges::sort(found, {}, &Appearance::row);
    std::vector<DestinationSet> sets;
    sets.reserve(found.size());
    for (const Appearance& one : found) {
        DestinationSet& set = sets.emplace_back(std::move(groups_[one.group].set));
        set.members.shrink_to_fit();  // bad rows left room
        own_texts(set);
    }
    return sets;
}

}  // namespace lb::cp
