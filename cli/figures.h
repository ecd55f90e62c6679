#pragma once

// Numbers and texts out of a reply, and rows of text that stand in columns.

#include <string>
#include <string_view>
#include <vector>

#include "cp/rpc/value.h"

namespace lb::cli {

using Rows = std::vector<std::vector<std::string>>;

// The member of that name, or 0 / "-" where there is none.
double number_of(const rpc::Value& record, std::string_view name);
std::string text_of(const rpc::Value& record, std::string_view name);

// The members of a list member; empty where there is none.
const std::vector<rpc::Member>& members_of(const rpc::Value& record, std::string_view name);

// Each column as wide as its widest cell; those of `right` (0-based) stand to the right.
std::string in_columns(const Rows& rows, const std::vector<std::size_t>& right);

// "12345", "1.2M": at most five figures; "0.3" below ten.
std::string short_number(double number);

}  // namespace lb::cli
