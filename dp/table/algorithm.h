#pragma once

// The dispatcher's algorithm numbers (spec/dispatcher.md 2.4) and ours from 100 on.

#include <cstdint>
#include <optional>
#include <string_view>

namespace lb::table {

enum class Algorithm : std::int16_t {
    kCallId = 0,
    kFromUri = 1,
    kToUri = 2,
    kRequestUri = 3,
    kRoundRobin = 4,
    kAuthUser = 5,
    kRandom = 6,
    kHashPvar = 7,
    kFirst = 8,  // serial by priority
    kWeight = 9,
    kCallLoad = 10,
    kRelativeWeight = 11,
    kParallel = 12,  // refused by the configuration
    kLatency = 13,
    kMixed = 14,
    kPriorityWeight = 15,
    kOverload = 64,
    kMaglev = 100,
    kRendezvous = 101,
};

// A number ("4") or a name ("callid", "roundrobin", "maglev" ...; letter case, '-' and '_' do not
// count). A number nobody knows is kept: Kamailio takes the first active destination then
// (spec 2.4), and so do we.
std::optional<Algorithm> parse_algorithm(std::string_view text) noexcept;
std::string_view algorithm_name(Algorithm algorithm) noexcept;  // "unknown" for other numbers

// True if the choice is a function of the message alone, so that a retransmission, CANCEL or ACK
// finds the same destination without a memory of the INVITE. False for the auth user: a CANCEL
// carries no credentials.
bool is_function_of_message(Algorithm algorithm) noexcept;

// Why a configuration may not name this algorithm, as the end of a sentence; empty if it may.
// `has_hash_pvar`: the option hash_pvar is set; `has_call_table`: ds_hash_size is above 0.
std::string_view algorithm_problem(Algorithm algorithm, bool has_hash_pvar,
                                   bool has_call_table) noexcept;

}  // namespace lb::table
