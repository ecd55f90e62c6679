#pragma once

// Log lines of the control path: one event, one line, `event key=value key=value`. Workers do not
// log.
//
// Threads: any; the control thread in practice.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "cp/config.h"

namespace lb::cp {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Where lines go and from which level on. Before it is called they go to stderr. Below journald
// stderr lines carry no time and the priority prefix of sd-daemon(3).
void set_up_log(const LogConfig& config);

struct LogField {
    std::string_view key;
    std::string value;  // quoted where it holds a space, a quote or '='; control characters as "?"
};

// `event` is a noun with dots: "destination.inactive".
void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

// The text of a line, without time and level; for tests.
std::string log_line(std::string_view event, std::initializer_list<LogField> fields);

}  // namespace lb::cp
