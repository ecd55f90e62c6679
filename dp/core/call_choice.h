#pragma once

// Algorithm 10: the destination with the least load, and a load that follows the life of the call
// (spec/dispatcher.md 2.7).
//
// Threads: any worker. Cost: O(members) for a new call, no allocation.

#include <cstdint>

#include "dp/core/choose.h"
#include "dp/table/call_load.h"
#include "dp/table/plan.h"

namespace lb::core {

inline std::uint32_t call_seconds(const WorkerState& state) noexcept {
    return static_cast<std::uint32_t>(state.now_ms / 1000);
}

// The usable member with room and the least load, the lowest index among equals; the default one if
// no other has room. kNoIndex: all are down or full. `load`, if asked for, is the load that was
// seen.
std::uint32_t least_loaded(const table::Set& set, const table::SetPlan& plan,
                           const table::CallLoad& calls, std::uint32_t* load = nullptr) noexcept;

// Chooses for a new call and raises the load. REQUIRES: plan.load_slots() is not null.
Choice start_call(const table::Set& set, const table::SetPlan& plan, table::CallLoad& calls,
                  std::uint64_t call, std::uint32_t now_s,
                  const table::Dispatch& dispatch) noexcept;

}  // namespace lb::core
