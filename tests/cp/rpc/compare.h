#pragma once

// Compares one reply with the recorded one, under the rules of accepted.h.

#include <set>
#include <string>

#include "cp/rpc/binrpc.h"
#include "cp/rpc/value.h"
#include "tests/cp/rpc/accepted.h"
#include "tests/cp/rpc/transcript.h"

namespace lb::test {

const AcceptedDifference* find_accepted(const Transcript& transcript, const std::string& method);

// Remembers what one session has answered, for the rules that look back.
class ReplyJudge {
public:
    // "" if `actual` is right; else what is wrong. Both are whole packets; `recorded` may be empty.
    std::string judge(const Transcript& transcript, const std::string& method,
                      const std::string& recorded, const std::string& actual);

    const std::set<const AcceptedDifference*>& used() const noexcept { return used_; }
    // Of the next session: forgets the answers, keeps what was used.
    void next_session() { last_list_.clear(); }

private:
    std::set<const AcceptedDifference*> used_;
    std::string last_list_;  // body of the last dispatcher.list
};

// Sets by id, destinations of equal priority by their text: what kOrder compares.
rpc::Value without_order(const rpc::Value& list);

// The list less its destinations with that URI.
rpc::Value without_uri(const rpc::Value& list, const std::string& uri);

}  // namespace lb::test
