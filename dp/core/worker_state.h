#pragma once

// What selection remembers per worker: nothing here is shared, so nothing here is atomic. Bounded,
// allocated once before the worker starts.

#include <cstddef>
#include <cstdint>

#include "dp/base/limits.h"
#include "dp/core/traffic.h"
#include "dp/core/transaction_table.h"

namespace lb::core {

struct WorkerState {
    // `remembered`: how many transactions (TransactionTable). Throws std::bad_alloc.
    explicit WorkerState(std::size_t remembered = kTransactionsDefault)
        : transactions(remembered) {}

    std::uint32_t worker =
        0;  // 0-based, below Dispatch::Input::workers (which is the control thread's)
    std::uint64_t now_ms = 0;  // monotonic milliseconds, one reading per burst (set by the worker)
    std::uint64_t random =
        0x9e3779b97f4a7c15;         // state of the generator, seeded by the worker, not 0
    bool only_looks = false;        // explain: relaying changes no load of algorithm 10
    Traffic traffic;                // counts nothing until the worker reserves its rows
    TransactionTable transactions;  // the worker calls expire(now_ms, 4) once per turn
};

}  // namespace lb::core
