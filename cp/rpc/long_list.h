#pragma once

// dispatcher.list of many destinations, written a piece at a time, so that neither probes nor other
// clients wait for it: 100,000 of them are some 100 ms of work.
//
// Bounds:  kLongListStep destinations per step. A table that changes meanwhile (reload, add,
// remove)
//          makes it start again; after kLongListRestarts of that it is written in one go.
// Threads: the control thread only.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "cp/dispatcher.h"
#include "cp/rpc/params.h"
#include "cp/rpc/value.h"

namespace lb::rpc {

inline constexpr std::size_t kLongListFrom = 2000;  // destinations; fewer are written at once
inline constexpr std::size_t kLongListStep = 2000;
inline constexpr unsigned kLongListRestarts = 3;

enum class ListMode : std::uint8_t { kNormal, kShort, kFull };
ListMode list_mode(const Params& params);
// One DEST of dispatcher.list.
Struct listed_destination(const cp::Destination& destination, std::int32_t index, ListMode mode,
                          const cp::DispatcherOptions& options);

class LongList {
public:
    // Null for any other request, and for a list that is short.
    static std::unique_ptr<LongList> begin(const cp::Dispatcher& dispatcher,
                                           std::string_view method, const Params& params,
                                           std::uint32_t cookie);

    // Writes on. True when `packet` has got the whole reply appended, the same bytes as in one go.
    // `dispatcher` is the one of now, which may be another object than last time.
    bool step(const cp::Dispatcher& dispatcher, std::string& packet);

private:
    LongList(ListMode mode, std::uint32_t cookie) : mode_(mode), cookie_(cookie) {}
    void restart(const cp::Dispatcher& dispatcher);
    void write(const cp::Dispatcher& dispatcher, std::size_t room);

    ListMode mode_;
    std::uint32_t cookie_;
    std::uint64_t version_ = 0;  // of the table that body_ is about
    unsigned starts_ = 0;
    std::size_t set_ = 0, member_ = 0;  // what comes next
    std::string body_;
};

}  // namespace lb::rpc
