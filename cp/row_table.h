#pragma once

// The rows of a dispatcher table as their source has them, before anything was checked: one by one
// for people and commands, and as a whole table in one piece of memory for a load of 100,000.
//
// Threads: none of its own. Cost: 96 bytes a row besides its texts.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace lb::cp {

// One row as stored, before anything was checked.
struct DestinationRow {
    std::int64_t id = 0;  // database id, 0 for a list file
    std::string origin;   // names it in messages: "dispatcher row 12", "dispatcher.list:7"
    std::int64_t setid = 0;
    std::string destination;
    std::int64_t flags = 0;
    std::int64_t priority = 0;
    std::string attrs;
    std::string description;
    std::string problem;  // not empty: why the source could not make sense of it; load() refuses it
};

// The same, looking into a RowTable, without what only people read.
struct RowView {
    std::int64_t setid = 0;
    std::int64_t flags = 0;
    std::int64_t priority = 0;
    std::int64_t number = 0;  // of its origin: row id, line
    std::string_view destination;
    std::string_view attrs;
    std::string_view problem;
    std::string_view origin;  // empty: that of the table, with `number` behind it
};

class RowTable {
public:
    // Rows are named `origin` with their number behind it.
    RowTable() = default;
    explicit RowTable(std::string origin) : origin_(std::move(origin)) {}
    RowTable(const std::vector<DestinationRow>& rows);
    RowTable(std::initializer_list<DestinationRow> rows);

    // Copies the texts.
    void add(const RowView& row);
    void add(const DestinationRow& row);

    std::size_t size() const noexcept { return rows_.size(); }
    bool empty() const noexcept { return rows_.empty(); }
    // REQUIRES: index < size(). Valid until the next add().
    RowView operator[](std::size_t index) const noexcept;
    std::string origin(std::size_t index) const;  // may be empty

private:
    struct Row {
        std::int64_t setid, flags, priority, number;
        std::size_t at;  // of its texts, one behind the other
        std::uint32_t destination, attrs, problem, origin;
    };

    std::string origin_;
    std::string text_;
    std::vector<Row> rows_;
};

}  // namespace lb::cp
