#pragma once

// What probe results make of a destination's state: a fold with one counter per destination, which
// counts consecutive failures while it is up and consecutive successes while it is down.
//
// Threads: pure functions. Cost: O(1), no allocation.
// Source:  spec/dispatcher.md 4.2 (state machine), 4.3 (modes), golden/probe p1-p8.
// Differs: the configured bits 16 and 32 outlive a state change, and keep a destination from being
// probed
//          (design.md section 11; Kamailio 5.6 wipes both, 6.0 and later do not probe them).

#include <cstdint>
#include <optional>

namespace lb::probe {

// The bits of the table's `flags` column (spec 3.1), the same values as table::StateBits.
inline constexpr std::uint32_t kInactive = 1;
inline constexpr std::uint32_t kTrying = 2;
inline constexpr std::uint32_t kDisabled = 4;
inline constexpr std::uint32_t kProbing = 8;
inline constexpr std::uint32_t kNoDns = 16;
inline constexpr std::uint32_t kNoPing = 32;
// What a state change replaces; everything else is configuration and stays.
inline constexpr std::uint32_t kStateBits = kInactive | kTrying | kDisabled | kProbing;

// ds_probing_mode.
enum class Mode : std::uint8_t {
    kMarked = 0,  // those with P, once: any result takes the P away
    kAll = 1,
    kDown = 2,     // those with I and P, until they answer
    kFlagged = 3,  // those with P, which stays
};

struct HealthRules {
    Mode mode = Mode::kMarked;
    std::uint32_t probing_threshold = 1;  // failures in a row until inactive; 0 is taken for 1
    std::uint32_t inactive_threshold =
        1;  // successes in a row until active again; 0 is taken for 1
};

struct Health {
    std::uint32_t flags = 0;
    std::uint32_t count = 0;

    friend bool operator==(const Health&, const Health&) noexcept = default;
};

enum class ProbeOutcome : std::uint8_t {
    kSuccess,  // a reply with an accepted code
    kFailure,  // any other final reply, no reply in time, not sent
};

// True if a round probes a destination with these flags.
bool is_probed(std::uint32_t flags, Mode mode) noexcept;

// True if a result that arrives now counts: not for a disabled destination, and in mode 3 not for
// one that has lost its P while the probe was on its way.
bool accepts_result(std::uint32_t flags, Mode mode) noexcept;

// The health after a probe's result. The same health if accepts_result() says no.
Health apply(Health health, ProbeOutcome outcome, const HealthRules& rules) noexcept;

// The health after somebody asked for these state bits subject to the thresholds: a probe result is
// one case of it, a mark from a script would be the other.
Health apply_request(Health health, std::uint32_t requested, const HealthRules& rules) noexcept;

// The health of a freshly loaded destination. As configured; with `hold_until_probed` one that will
// be probed takes no traffic until the first result: one success makes it active whatever the
// inactive threshold.
Health initial_health(std::uint32_t configured_flags, const HealthRules& rules,
                      bool hold_until_probed) noexcept;

}  // namespace lb::probe
