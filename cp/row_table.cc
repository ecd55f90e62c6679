#include "cp/row_table.h"

namespace lb::cp {

RowTable::RowTable(const std::vector<DestinationRow>& rows) {
    for (const DestinationRow& row : rows) add(row);
}

RowTable::RowTable(std::initializer_list<DestinationRow> rows) {
    for (const DestinationRow& row : rows) add(row);
}

void RowTable::add(const DestinationRow& row) {
    add({row.setid, row.flags, row.priority, 0, row.destination, row.attrs, row.problem,
         row.origin});
}

void RowTable::add(const RowView& row) {
    const auto length = [](std::string_view text) {
        return static_cast<std::uint32_t>(text.size());
    };
    rows_.push_back({row.setid, row.flags, row.priority, row.number, text_.size(),
                     length(row.destination), length(row.attrs), length(row.problem),
                     length(row.origin)});
    text_ += row.destination;
    text_ += row.attrs;
    text_ += row.problem;
    text_ += row.origin;
}

RowView RowTable::operator[](std::size_t index) const noexcept {
    const Row& row = rows_[index];
    std::string_view rest = std::string_view(text_).substr(row.at);
    const auto take = [&rest](std::uint32_t length) {
        const std::string_view text = rest.substr(0, length);
        rest.remove_prefix(length);
        return text;
    };
    RowView out;
    out.setid = row.setid;
    out.flags = row.flags;
    out.priority = row.priority;
    out.number = row.number;
    out.destination = take(row.destination);
    out.attrs = take(row.attrs);
    out.problem = take(row.problem);
    out.origin = take(row.origin);
    return out;
}

std::string RowTable::origin(std::size_t index) const {
    const RowView row = (*this)[index];
    if (!row.origin.empty() || origin_.empty()) return std::string(row.origin);
    return origin_ + std::to_string(row.number);
}

}  // namespace lb::cp
