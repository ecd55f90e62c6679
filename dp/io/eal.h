#pragma once

// DPDK's environment: huge pages, lcores, buses. One per process, for the life of the process.
//
// Threads: create and destroy on the main thread, which DPDK pins to its main lcore.
// Memory:  with huge pages reserved we add `--in-memory`, which needs no hugetlbfs mount and leaves
// no
//          files behind; args that choose a memory mode of their own are left alone. `--no-huge`
//          gets
//          `--no-shconf` so that several instances can live on one machine.

#include <string>
#include <vector>

#include "dp/base/result.h"

namespace lb::io {

// The arguments as they go to rte_eal_init(), without the program's name; or why they cannot work.
// Apart from create() so that `--check` may ask: it touches nothing but sysfs.
Result<std::vector<std::string>> plan_eal_args(std::vector<std::string> args,
                                               std::size_t free_huge_pages);

// Huge pages of any size that are free now.
std::size_t count_free_huge_pages();

class Eal {
public:
    // `args` as in `[eal] args`. The error carries what DPDK said. REQUIRES: first call in this
    // process.
    static Result<Eal> create(const std::vector<std::string>& args);
    ~Eal();
    Eal(Eal&& other) noexcept : owns_(other.owns_) { other.owns_ = false; }
    Eal& operator=(Eal&&) = delete;

    // Lcores other than the main one; empty on a machine (or with args) of one lcore.
    std::vector<unsigned> worker_lcores() const;

private:
    Eal() = default;
    bool owns_ = true;
};

}  // namespace lb::io
