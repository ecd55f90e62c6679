#pragma once

// Edits of a message in place. The tail never moves: everything in front of the last edit shifts
// towards the headroom by what the edits behind it add, so a relayed 1,400-byte INVITE moves a few
// hundred bytes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dp/base/limits.h"

namespace lb::sip {

// A bounded list of replacements in one message. Texts of our own are composed in the arena.
//
// Threads:   one per worker, in Scratch.
// Invariant: the edits are ordered by position and do not overlap (insert() keeps them so).
class EditList {
public:
    static constexpr std::size_t kEditsMax = 24;
    static constexpr std::size_t kArenaSize = 2048;

    void clear() noexcept;

    // Replaces `part`, a view into the message (may be empty: an insertion in front of
    // part.data()), by `text`. Two insertions at one place stand in the order of the calls. An edit
    // that overlaps another, or one too many, makes the whole list bad: apply() then refuses.
    // REQUIRES: `text` lives until apply() and is no view into the message (copy() such a one
    // first).
    void replace(std::string_view part, std::string_view text) noexcept {
        const bool behind_all = count_ == 0 || part.data() >= edits_[count_ - 1].part.data() +
                                                                  edits_[count_ - 1].part.size();
        if (!behind_all || count_ == kEditsMax || !ok_) return replace_anywhere(part, text);
        edits_[count_++] = {part, text};
        grow(part, text);
    }
    void insert(const char* at, std::string_view text) noexcept { replace({at, 0}, text); }
    void remove(std::string_view part) noexcept { replace(part, {}); }

    // Room for `size` characters that live until clear(); null when the arena is full (the list
    // goes bad). Call shrink() to give back what was not used of the latest room.
    char* room(std::size_t size) noexcept {
        if (size > kArenaSize - used_) {
            ok_ = false;
            return nullptr;
        }
        char* const begin = arena_.data() + used_;
        used_ += size;
        return begin;
    }
    void shrink(const char* end) noexcept { used_ = static_cast<std::size_t>(end - arena_.data()); }

    // A copy of `text` in the arena, or empty text when that is full (the list goes bad).
    std::string_view copy(std::string_view text) noexcept;

    bool ok() const noexcept { return ok_; }
    std::size_t size() const noexcept { return count_; }
    // Bytes that apply() adds (negative: removes).
    std::ptrdiff_t growth() const noexcept { return growth_; }

    // Carries the edits out on the message [begin, begin + size). Returns the message's new begin:
    // begin - growth(). REQUIRES: ok(), growth() writable bytes in front of begin.
    char* apply(char* begin, std::size_t size) const noexcept;

private:
    struct Edit {
        std::string_view part;
        std::string_view text;
    };
    // A part of the message that stays, in front of one edit.
    struct Piece {
        char* from;
        char* to;
        std::size_t size;
    };
    void replace_anywhere(std::string_view part, std::string_view text) noexcept;
    void grow(std::string_view part, std::string_view text) noexcept {
        growth_ +=
            static_cast<std::ptrdiff_t>(text.size()) - static_cast<std::ptrdiff_t>(part.size());
    }
    bool moves_to_front_only() const noexcept;
    void apply_forward(char* begin) const noexcept;
    void find_pieces(char* begin, std::size_t size,
                     std::array<Piece, kEditsMax>& pieces) const noexcept;

    std::array<Edit, kEditsMax> edits_;
    std::size_t count_ = 0;
    std::ptrdiff_t growth_ = 0;
    std::array<char, kArenaSize> arena_;
    std::size_t used_ = 0;
    bool ok_ = true;
};

}  // namespace lb::sip
