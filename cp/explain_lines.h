#pragma once

// Explaining by JSON lines: a request a line in, an answer a line out.
//
// A line that brings its own "set" (rows in table order: uri, flags, priority, attrs) and "alg" is
// chosen for by that set alone; "flags", "hash_pvar", "use_default" are the options of those names,
// "set_state" [[state, uri], ...] commands before the choice, "calls" how many requests in a row.
// Lines with the same set and options one after the other go on where the line before stopped
// (round robin, weights); any change starts anew, as after a reload. Other lines ("msg", "source",
// "service") ask the tables in use.
//
// The answer has "selected", a URI or null; "error" says why nothing was selected where the message
// itself is at fault.
//
// Bounds:  kCallsMax requests for a line.
// Threads: one.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cp/explain.h"

namespace lb::cp {

inline constexpr std::size_t kCallsMax = 1'000'000;

// What a line without a set of its own says.
struct LineQuestion {
    std::string message;
    std::string source, service;  // may be empty
};
// Its answer: the selected URI, or empty; and what happened.
struct LineAnswer {
    std::string selected, verdict, reason;
};
using AskTables = std::function<Result<LineAnswer>(const LineQuestion&)>;

class LineExplainer {
public:
    // `ask` may be empty: then every line needs a set.
    explicit LineExplainer(AskTables ask);
    ~LineExplainer();

    // One JSON object without newline, {"selected": null, "error": ...} for a line that is none.
    std::string answer(std::string_view line);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace lb::cp
