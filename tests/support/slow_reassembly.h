#pragma once

// The slow, obvious twin of net::Reassembler: every byte of a datagram has a cell of its own. No
// bounds, no clock. It sees fragments of one datagram as (offset, bytes, more) and answers like the
// real one.

#include <map>
#include <optional>
#include <set>

#include "tests/support/frames.h"

namespace lb::test {

class SlowReassembly {
public:
    enum class Answer { kHeld, kComplete, kDuplicate, kAbandoned };

    Answer add(std::size_t offset, const Octets& bytes, bool more) {
        if (abandoned_) return Answer::kAbandoned;
        const std::size_t end = offset + bytes.size();
        const auto known = seen_.find({offset, bytes, more});
        if (known != seen_.end()) return Answer::kDuplicate;
        bool wrong = (!more && end_ && *end_ != end) || (more && end_ && end >= *end_);
        for (std::size_t i = 0; i < bytes.size(); ++i) wrong |= cells_.count(offset + i) != 0;
        if (!more && !cells_.empty()) wrong |= cells_.rbegin()->first >= end;
        if (wrong) {
            abandoned_ = true;
            return Answer::kAbandoned;
        }
        for (std::size_t i = 0; i < bytes.size(); ++i) cells_[offset + i] = bytes[i];
        seen_.insert({offset, bytes, more});
        if (!more) end_ = end;
        return end_ && cells_.size() == *end_ ? Answer::kComplete : Answer::kHeld;
    }

    // What was put together so far. After kComplete the whole payload.
    Octets payload() const {
        Octets bytes;
        for (const auto& [at, byte] : cells_) bytes.push_back(byte);
        return bytes;
    }
    std::size_t fragments() const { return seen_.size(); }

private:
    std::map<std::size_t, std::uint8_t> cells_;
    std::set<std::tuple<std::size_t, Octets, bool>> seen_;
    std::optional<std::size_t> end_;
    bool abandoned_ = false;
};

}  // namespace lb::test
