#pragma once

// Makes a Destination of a row, or says why not (spec/dispatcher.md 3.2, 3.3, 3.7).

#include <deque>
#include <string>
#include <vector>

#include "cp/dispatcher.h"

namespace lb::cp {

class RowReader {
public:
    // What a row is, and what else is to be said or done about it.
    struct Reading {
        Destination destination;  // looks into the row, or into texts of this reader
        bool needs_look_up = false;
        std::vector<std::string> remarks;
    };

    explicit RowReader(const DispatcherOptions& options) : options_(options) {}

    // Everything but the look-up of a name.
    Result<Reading> read(const RowView& row);
    // REQUIRES: needs_look_up. Asks the resolver; an error if nothing came. That is no reason to
    // refuse a row that is not Destination::looked_up.
    static Status look_up(Destination& destination, const Resolver& resolve);

private:
    Status check_sockets(const Attributes& attrs) const;
    Status check_socket(std::string_view name, std::string_view value) const;

    const DispatcherOptions& options_;
    std::string prefixed_;
    std::deque<std::string> texts_;  // of rows that named no scheme
};

// What a load would say of a good row that does not serve, or not as written; none for a bad one.
std::vector<std::string> remarks_of(const DestinationRow& row, const DispatcherOptions& options);

// As a Resolver is asked for it.
DestinationUri uri_of(const Destination& destination);

}  // namespace lb::cp
