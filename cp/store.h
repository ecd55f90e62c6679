#pragma once

// The `dispatcher` table in an SQLite database, in Kamailio's schema (spec/dispatcher.md 3.5). The
// only file that knows SQLite.
//
// Threads: one Store, one thread. Keep it as short as the work: Kamailio closes after each load
// too, so that an
//          operator may replace the file.
// Errors:  a sentence that names the file and what SQLite, or we, have against it.
// Bounds:  waits at most kBusyTimeoutMs for a lock of another program.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cp/config.h"
#include "cp/row_table.h"
#include "dp/base/result.h"

namespace lb::cp {

inline constexpr int kBusyTimeoutMs = 2000;

// The file of "sqlite:///abs/path" (one slash of the path more, as Kamailio writes it, is fine).
Result<std::string> sqlite_path(std::string_view db_url);

class Store {
public:
    enum class Mode { kReadOnly, kExisting, kReadWrite };

    // kReadWrite creates the file (its folder must exist) and the tables `version` and `dispatcher`
    // where they are missing; kExisting creates nothing, but is read in any journal mode. Fails on
    // a table_version other than 1..4. A database that may only be read is opened read-only when
    // nothing has to be created.
    static Result<Store> open(const DispatcherConfig& config, Mode mode);
    Store(Store&&) noexcept;
    Store& operator=(Store&&) noexcept;
    ~Store();

    // All rows, in the order the database gives them (ascending id). A column holding a wrong type
    // gives a row that Dispatcher::load refuses and names.
    // `description` is filled in only where asked for: nothing but people reads it.
    Result<std::vector<DestinationRow>> rows(bool with_description = false) const;

    // The same rows for Dispatcher::load.
    Result<RowTable> table() const;

    // As `kamctl dispatcher add`, `rm ID`. REQUIRES: table_version 4. insert returns the new id;
    // nothing is checked but what the table itself asks. remove fails with kNotFound for an unknown
    // id.
    Result<std::int64_t> insert(const DestinationRow& row);
    Status remove(std::int64_t id);

    const std::string& path() const noexcept;

private:
    struct Impl;
    explicit Store(std::unique_ptr<Impl> impl) noexcept;
    std::unique_ptr<Impl> impl_;
};

}  // namespace lb::cp
