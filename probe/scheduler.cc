#include "probe/scheduler.h"

#include <algorithm>
#include <utility>

#include "dp/sip/branch.h"
#include "dp/sip/parser.h"

namespace lb::probe {

Scheduler::Scheduler(SchedulerOptions options, const Secret& secret, std::uint32_t seed, Micros now)
    : options_(std::move(options)),
      secret_(secret),
      serial_(seed),
      rounds_(now, options_.interval, options_.spread),
      wheel_(now) {}

void Scheduler::set_options(SchedulerOptions options, Micros now) {
    if (options.interval != options_.interval || options.spread != options_.spread) {
        rounds_.restart(now, options.interval, options.spread);
    }
    options_ = std::move(options);
}

void Scheduler::restart(Micros now) {
    for (SlotIndex index = 0; index < slots_.size(); ++index) {
        if (slots_[index].number == 0) continue;
        ++stats_.forgotten;
        release(index);
    }
    rounds_.restart(now, options_.interval, options_.spread);
}

void Scheduler::on_time(Micros now, Targets& targets, Output& output) {
    std::size_t work = wheel_.expire(
        now, kWorkMax, [&](SlotIndex index) { on_timer(index, now, targets, output); });
    for (; work < kWorkMax; ++work) {
        const std::optional<TargetId> id = rounds_.take(now);
        if (!id) return;
        if (active_) start(*id, now, targets, output);
    }
}

SchedulerStats Scheduler::stats() const noexcept {
    SchedulerStats stats = stats_;
    stats.rounds_missed = rounds_.rounds_missed();
    return stats;
}

std::optional<Micros> Scheduler::next_event() const noexcept {
    const std::optional<Micros> timer = wheel_.next();
    const std::optional<Micros> round = rounds_.next();
    if (!timer || !round) return timer ? timer : round;
    return std::min(*timer, *round);
}

void Scheduler::start(TargetId id, Micros now, Targets& targets, Output& output) {
    Target target;
    if (!targets.find(id, target) || !is_probed(target.flags, options_.mode)) return;
    if (target.wait) {
        ++stats_.postponed;
        return;
    }
    const std::optional<SlotIndex> index = allocate();
    if (!index) {
        ++stats_.overflowed;
        return;
    }
    ++stats_.started;
    Slot& slot = slots_[*index];
    slot.transaction = begin(options_.timers, now);
    slot.target = id;
    slot.local = target.local;
    slot.remote = target.remote;
    if (send(slot, target, output)) {
        wheel_.set(*index, due(slot.transaction, options_.timers));
    } else {
        ++stats_.not_sent;
        release(*index);
        fail(id, Cause::kNotSent, kCodeNotSent, output);
    }
}

void Scheduler::on_timer(SlotIndex index, Micros now, Targets& targets, Output& output) {
    Slot& slot = slots_[index];
    const Step step = probe::on_timer(slot.transaction, options_.timers, now);
    if (step == Step::kTimeout) {
        const TargetId id = slot.target;
        ++stats_.timed_out;
        release(index);
        fail(id, Cause::kTimeout, kCodeTimeout, output);
        return;
    }
    if (step == Step::kResend) {
        Target target;
        if (!targets.find(slot.target, target)) {
            ++stats_.forgotten;
            release(index);
            return;
        }
        // A resend that fails is as good as lost: the first send may still be answered.
        if (send(slot, target, output)) ++stats_.resent;
    }
    wheel_.set(index, due(slot.transaction, options_.timers));
}

bool Scheduler::send(const Slot& slot, const Target& target, Output& output) {
    if (slot.remote.address.is_none() || slot.local.address.is_none()) return false;
    return write_ping(options_.format, secret_, slot.number, target.uri, target.from, slot.local,
                      message_) &&
           output.send(slot.local, slot.remote, message_);
}

bool Scheduler::on_datagram(const Endpoint& source, std::string_view payload, Micros now,
                            Output& output) {
    sip::Message message;
    if (sip::parse(payload, message) != sip::Error::kNone || !message.is_reply()) return false;
    std::uint64_t number = 0;
    if (!sip::check_probe_branch(secret_, message.top_via.branch, number)) return false;

    const std::optional<SlotIndex> index = find(number);
    if (!index || message.cseq_method != options_.format.method) {
        ++stats_.late;
        return true;
    }
    Slot& slot = slots_[*index];
    // A host with several addresses may answer from another: the branch says whom we asked
    // (RFC 3261 17.1.3), and nobody else can make it.
    if (source.address != slot.remote.address) ++stats_.wrong_source;
    if (message.status >= 200) {
        on_final(*index, message.status, now, output);
    } else {
        on_provisional(slot.transaction, options_.timers, now);
        wheel_.set(*index, due(slot.transaction, options_.timers));
    }
    return true;
}

void Scheduler::on_final(SlotIndex index, unsigned code, Micros now, Output& output) {
    const Slot& slot = slots_[index];
    const bool accepted = options_.codes.accepts(code);
    ++(accepted ? stats_.accepted : stats_.refused);
    Verdict verdict{slot.target, accepted ? ProbeOutcome::kSuccess : ProbeOutcome::kFailure,
                    Cause::kReply, code, std::nullopt};
    verdict.latency_ms = static_cast<std::int32_t>((now - slot.transaction.started) / kMillisecond);
    release(index);
    output.verdict(verdict);
}

bool Scheduler::on_unreachable(std::string_view quoted, Output& output) {
    if (!options_.icmp_ends_ping) return false;
    const std::size_t at = quoted.find(sip::kProbeBranch);
    if (at == std::string_view::npos) return false;
    std::uint64_t number = 0;
    const std::string_view branch = quoted.substr(at, sip::kBranchSize);
    if (!sip::check_probe_branch(secret_, branch, number)) return false;
    const std::optional<SlotIndex> index = find(number);
    if (!index) return false;
    const TargetId id = slots_[*index].target;
    ++stats_.unreachable;
    release(*index);
    fail(id, Cause::kUnreachable, kCodeUnreachable, output);
    return true;
}

void Scheduler::fail(TargetId id, Cause cause, unsigned code, Output& output) {
    output.verdict({id, ProbeOutcome::kFailure, cause, code, std::nullopt});
}

std::optional<Scheduler::SlotIndex> Scheduler::allocate() {
    if (free_.empty()) {
        if (slots_.size() >= options_.transactions_max) return std::nullopt;
        free_.push_back(static_cast<SlotIndex>(slots_.size()));
        slots_.emplace_back();
    }
    const SlotIndex index = free_.back();
    free_.pop_back();
    if (++serial_ == 0) ++serial_;  // a number is never 0
    slots_[index].number = (std::uint64_t{serial_} << 32) | index;
    return index;
}

void Scheduler::release(SlotIndex index) {
    wheel_.clear(index);
    slots_[index].number = 0;
    free_.push_back(index);
}

std::optional<Scheduler::SlotIndex> Scheduler::find(std::uint64_t number) const noexcept {
    const auto index = static_cast<SlotIndex>(number);
    if (index >= slots_.size() || slots_[index].number != number) return std::nullopt;
    return index;
}

std::size_t Scheduler::memory_bytes() const noexcept {
    return sizeof(*this) + slots_.size() * sizeof(Slot) + free_.capacity() * sizeof(SlotIndex) +
           wheel_.memory_bytes() + rounds_.memory_bytes();
}

}  // namespace lb::probe
