#include "probe/rounds.h"

#include <algorithm>

namespace lb::probe {

Rounds::Rounds(Micros started, Micros interval, bool spread) noexcept
    : base_(started + interval), interval_(interval), spread_(spread) {}

void Rounds::restart(Micros started, Micros interval, bool spread) noexcept {
    const std::uint64_t missed = missed_;
    *this = Rounds(started, interval, spread);
    missed_ = missed;
}

Micros Rounds::offset(std::size_t index) const noexcept {
    if (!spread_) return 0;
    const auto count = static_cast<Micros>(entries_.size());
    const auto in_group = static_cast<Micros>(index % kTogether);
    const Micros group = static_cast<Micros>(index) - in_group;
    return group * interval_ / count +
           std::min(in_group * kMillisecond, in_group * interval_ / count);
}

void Rounds::set(std::span<const TargetId> ids, Micros now) {
    std::vector<Entry> known = std::move(entries_);
    const auto by_id = [](const Entry& a, const Entry& b) { return a.id < b.id; };
    std::sort(known.begin(), known.end(), by_id);

    entries_.assign(ids.size(), Entry{});
    if (known.empty() && interval_ > 0) {  // rounds went by with nothing to ping
        round_ = std::max(round_, (now - base_) / interval_);
    }
    if (!placed_ && !ids.empty()) {
        // The last group of the first round starts where Kamailio would start them all.
        base_ -= offset((ids.size() - 1) / kTogether * kTogether);
        placed_ = true;
    }
    for (std::size_t index = 0; index < ids.size(); ++index) {
        Entry& entry = entries_[index];
        entry.id = ids[index];
        const auto old = std::lower_bound(known.begin(), known.end(), entry, by_id);
        if (old != known.end() && old->id == entry.id) {
            entry.round = old->round;
        } else {
            const bool too_late = round_start() + offset(index) < now;
            entry.round = too_late ? round_number() : round_number() - 1;
        }
    }
    cursor_ = 0;
}

std::optional<TargetId> Rounds::take(Micros now) noexcept {
    if (interval_ <= 0 || entries_.empty()) return std::nullopt;
    while (true) {
        if (round_start() + interval_ <= now &&
            (cursor_ == entries_.size() || round_start() + 2 * interval_ <= now)) {
            enter_round_of(now);
        }
        if (cursor_ == entries_.size() || round_start() + offset(cursor_) > now) {
            return std::nullopt;
        }
        Entry& entry = entries_[cursor_++];
        if (entry.round == round_number()) continue;
        entry.round = round_number();
        return entry.id;
    }
}

void Rounds::enter_round_of(Micros now) noexcept {
    const std::int64_t current = (now - base_) / interval_;
    if (current > round_ + 1) {
        missed_ += static_cast<std::uint64_t>(current - round_ - 1);
        base_ = now - current * interval_;  // what is left of that round would come as a burst
    }
    round_ = current;
    cursor_ = 0;
}

std::optional<Micros> Rounds::next() const noexcept {
    if (interval_ <= 0 || entries_.empty()) return std::nullopt;
    if (cursor_ == entries_.size()) return round_start() + interval_;
    return round_start() + offset(cursor_);
}

}  // namespace lb::probe
