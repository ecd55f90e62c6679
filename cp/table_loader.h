#pragma once

// From the rows of a source to sets of destinations in Kamailio's order, without identities yet.
//
// Rows are grouped by set before anything is made of them, so that every set is made in one go and
// in its place: in order of priority, its texts in one block of their size.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cp/dispatcher.h"
#include "cp/row_reader.h"

namespace lb::cp {

class TableLoader {
public:
    // REQUIRES: `options` and `rows` live as long as this.
    TableLoader(const DispatcherOptions& options, const RowTable& rows);

    // In this order.
    void read();
    void look_up(const Resolver& resolve, const NamesHook& names);
    Dispatcher::LoadReport report();

    // The sets in order of appearance of their first good row.
    std::vector<DestinationSet> take_sets();

private:
    struct Group {                         // the rows of one set
        std::uint32_t begin = 0, end = 0;  // in order_; behind read(): rows that became members
        DestinationSet set{};
    };
    struct Pending {  // a name to look up
        std::uint32_t group = 0, member = 0;
        bool refused = false;
    };
    struct Remark {
        std::uint32_t row = 0;
        std::string text;
    };

    void group_rows();
    void read_group(std::uint32_t number);
    void refuse(std::uint32_t row, const std::string& why);
    void warn(std::uint32_t row, const Destination& destination, std::string_view what);
    void drop_refused();
    static std::vector<std::string> in_row_order(std::vector<Remark> remarks);

    const DispatcherOptions& options_;
    const RowTable& rows_;
    RowReader reader_;
    std::vector<std::uint32_t> order_;  // rows, those of a group together, best priority first
    std::vector<Group> groups_;
    std::vector<Pending> pending_;
    std::vector<Remark> bad_, warnings_;
};

}  // namespace lb::cp
