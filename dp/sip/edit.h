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

    void clear() noexcept {
        count_ = 0;
        end_ = nullptr;
        growth_ = 0;
        highest_ = 0;
        used_ = 0;
        ok_ = true;
    }

    // Replaces `part`, a view into the message (may be empty: an insertion in front of
    // part.data()), by `text`. Two insertions at one place stand in the order of the calls. An edit
    // that overlaps another, or one too many, makes the whole list bad: apply() then refuses.
    // REQUIRES: `text` lives until apply() and is no view into the message (copy() such a one
    // first).
    void replace(std::string_view part, std::string_view text) noexcept {
        // Behind all others, as most edits are given.
        if (part.data() < end_ || count_ == kEditsMax) return replace_anywhere(part, text);
        edits_[count_++].set(part, text);
        end_ = part.data() + part.size();
        grow(static_cast<std::ptrdiff_t>(text.size() - part.size()));
    }
    void insert(const char* at, std::string_view text) noexcept { replace({at, 0}, text); }
    void remove(std::string_view part) noexcept { replace(part, {}); }

    // An insertion whose text the caller composes in its final place, behind apply(). At most one.
    void insert_gap(const char* at, std::size_t size) noexcept { replace({at, 0}, {kGap, size}); }

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

    // Carries the edits out on the message [begin, begin + size). REQUIRES: ok(), growth() writable
    // bytes in front of begin.
    struct Applied {
        char* begin;  // of the message, which was begin + growth()
        char* gap;    // where insert_gap()'s text belongs; null: there is none
    };
    Applied apply(char* begin, std::size_t size) const noexcept;

private:
    struct Edit {
        const char* at;
        const char* text;  // kGap: a gap
        std::uint32_t removed;
        std::uint32_t size;

        // One store for each member: they are read one by one.
        void set(std::string_view part, std::string_view with) noexcept {
            at = part.data();
            text = with.data();
            removed = static_cast<std::uint32_t>(part.size());
            size = static_cast<std::uint32_t>(with.size());
        }
        const char* end() const noexcept { return at + removed; }
        std::ptrdiff_t growth() const noexcept { return std::ptrdiff_t{size} - removed; }
    };
    // A part of the message that stays, in front of one edit.
    struct Piece {
        char* from;
        char* to;
        std::size_t size;
    };
    void replace_anywhere(std::string_view part, std::string_view text) noexcept;
    void grow(std::ptrdiff_t by) noexcept {
        if (growth_ > highest_) highest_ = growth_;
        growth_ += by;
    }
    // The part in front of an edit moves by what that edit and those behind it add, which is
    // growth_ less what those in front of it add: towards the front for all if for the greatest.
    bool moves_to_front_only() const noexcept { return highest_ <= growth_; }
    char* apply_forward(char* begin) const noexcept;
    char* apply_anywhere(char* begin, std::size_t size) const noexcept;
    void find_pieces(char* begin, std::size_t size,
                     std::array<Piece, kEditsMax>& pieces) const noexcept;

    static constexpr char kGap[1] = {};

    std::size_t count_ = 0;
    const char* end_ = nullptr;  // of the last edit; null: there is none
    std::ptrdiff_t growth_ = 0;
    std::ptrdiff_t highest_ = 0;  // of the sums of what the first edits add, all but the last
    std::size_t used_ = 0;
    bool ok_ = true;
    std::array<Edit, kEditsMax> edits_;
    std::array<char, kArenaSize> arena_;
};

}  // namespace lb::sip
