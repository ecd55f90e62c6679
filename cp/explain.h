#pragma once

// What the workers would do with a message, and why: their own code (dp/core) run on it, with the
// tables untouched. An Explainer stands for one more worker, with round-robin pointers and a memory
// of transactions of its own.
//
// Threads: one Explainer, one thread; of tables in use by workers, the control thread.
// Cost:    O(members of the set) per message, for the lists.
// Errors:  a sentence for whoever asked; what happens to a broken message is no error but an
// answer.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/limits.h"
#include "dp/base/result.h"
#include "dp/core/choose.h"
#include "dp/core/route.h"
#include "dp/table/tables.h"

namespace lb::cp {

inline constexpr std::size_t kExplainMessageMax = kDatagramMax;
inline constexpr std::size_t kExplainListMax = 32;  // members named in each list

// A message as it would reach us.
struct ExplainQuestion {
    std::string_view message;
    Endpoint source;
    Endpoint target;  // one of our listeners
};

struct ExplainedMember {
    std::uint32_t index = 0;
    std::string uri;
};

// Some members by name, and how many there are.
struct ExplainedList {
    std::vector<ExplainedMember> members;
    std::size_t count = 0;
};

struct Explanation {
    std::string verdict;  // forward reply drop punt resolve
    std::string reason;   // one sentence
    Endpoint source, target;
    std::string service;

    bool request = false;  // the rest is for requests that got as far
    std::string call_id;
    bool dispatched = false;  // false: see `followed`
    std::string followed;     // the Route or Request-URI that leads, empty: neither
    std::string rule;         // that matched; empty: the service's own set and algorithm
    std::int32_t set = 0;
    bool set_exists = false;
    table::Algorithm algorithm = table::Algorithm::kCallId;
    core::Trace trace;  // its lists of indexes stand below with names
    bool remembered = false;
    std::optional<ExplainedMember> chosen;
    std::string chosen_address;
    ExplainedList candidates, passed_over, failover;
    ExplainedList not_udp, unresolved;  // never selected, whatever their state

    Endpoint sent_from, sent_to;  // of what leaves: the message relayed, or our reply
    std::string sent;
};

// A listener for a message whose target is not known: of the service of that name (empty: any), of
// the source's family. kNotFound, with the names there are.
Result<Endpoint> explain_target(const table::Dispatch& dispatch, std::string_view service,
                                Family family);

class Explainer {
public:
    Explainer();
    ~Explainer();

    // Fails if the message is too large, or nobody listens at the target.
    Result<Explanation> explain(const table::Tables& tables, const ExplainQuestion& question);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// The same with addresses as text. `source` may be empty or ADDRESS:PORT (empty: a made-up
// neighbour); `target` empty (any listener of the source's family), a service's name or
// ADDRESS:PORT.
Result<Explanation> explain_text(Explainer& explainer, const table::Tables& tables,
                                 std::string_view message, std::string_view source,
                                 std::string_view target);

}  // namespace lb::cp
