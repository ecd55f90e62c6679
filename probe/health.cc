#include "probe/health.h"

#include <algorithm>

namespace lb::probe {

namespace {

bool has(std::uint32_t flags, std::uint32_t bit) noexcept { return (flags & bit) != 0; }

// The bits that a result asks for (the table of spec 4.3).
std::uint32_t requested_bits(ProbeOutcome outcome, Mode mode) noexcept {
    if (outcome == ProbeOutcome::kSuccess) {
        return mode == Mode::kAll || mode == Mode::kFlagged ? kProbing : 0;
    }
    return mode == Mode::kMarked ? kTrying : kTrying | kProbing;
}

}  // namespace

bool is_probed(std::uint32_t flags, Mode mode) noexcept {
    if (has(flags, kDisabled | kNoDns | kNoPing)) return false;
    switch (mode) {
        case Mode::kAll:
            return true;
        case Mode::kDown:
            return has(flags, kProbing) && has(flags, kInactive);
        case Mode::kMarked:
        case Mode::kFlagged:
            return has(flags, kProbing);
    }
    return false;
}

bool accepts_result(std::uint32_t flags, Mode mode) noexcept {
    if (has(flags, kDisabled)) return false;
    return mode != Mode::kFlagged || has(flags, kProbing);
}

Health apply(Health health, ProbeOutcome outcome, const HealthRules& rules) noexcept {
    if (!accepts_result(health.flags, rules.mode)) return health;
    return apply_request(health, requested_bits(outcome, rules.mode), rules);
}

Health apply_request(Health health, std::uint32_t requested, const HealthRules& rules) noexcept {
    const std::uint32_t old = health.flags;
    std::uint32_t wanted = requested & kStateBits;
    if (has(wanted, kDisabled)) wanted = kDisabled;
    if (has(wanted, kTrying) && has(old, kInactive)) {
        wanted = (wanted & ~kTrying) | kInactive;  // already down stays down
    }

    Health next{(old & ~kStateBits) | wanted, 0};
    if (has(wanted, kTrying)) {  // a failure while up
        next.count = health.count + 1;
        if (next.count >= rules.probing_threshold) {
            next = {(next.flags & ~kTrying) | kInactive, 0};
        }
    } else if (!has(requested, kTrying) && has(old, kInactive)) {  // a success while down
        next.count = health.count + 1;
        if (next.count < rules.inactive_threshold) {
            next.flags |= kInactive | (old & kProbing);
        } else {
            next.count = 0;
        }
    }
    return next;
}

Health initial_health(std::uint32_t configured_flags, const HealthRules& rules,
                      bool hold_until_probed) noexcept {
    const std::uint32_t held = configured_flags | kInactive;
    if (!hold_until_probed || has(configured_flags, kInactive) || !is_probed(held, rules.mode)) {
        return {configured_flags, 0};
    }
    return {held, std::max(rules.inactive_threshold, 1U) - 1};
}

}  // namespace lb::probe
