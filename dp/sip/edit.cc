#include "dp/sip/edit.h"

#include <algorithm>
#include <cstring>

#include "dp/base/assert.h"
#include "dp/base/bytes.h"

namespace lb::sip {
namespace {

// At one place insertions come first, then the part that is replaced.
bool stands_before(std::string_view part, const char* other, std::size_t other_size) noexcept {
    if (part.data() != other) return part.data() < other;
    return part.empty() && other_size != 0;
}

// Moves a piece either way.
void move_piece(char* to, const char* from, std::size_t size) noexcept {
    if (size > 64) {
        std::memmove(to, from, size);
    } else {
        move_to_front(to, from, size);  // up to so many are read before any is written
    }
}

}  // namespace

void EditList::replace_anywhere(std::string_view part, std::string_view text) noexcept {
    if (count_ == kEditsMax) ok_ = false;
    if (!ok_) return;
    Edit edit;
    edit.set(part, text);
    std::size_t place = count_;
    while (place > 0 && stands_before(part, edits_[place - 1].at, edits_[place - 1].removed))
        --place;
    if (place > 0 && edits_[place - 1].end() > edit.at) ok_ = false;
    if (place < count_ && edit.end() > edits_[place].at) ok_ = false;
    if (!ok_) return;
    std::copy_backward(edits_.begin() + place, edits_.begin() + count_,
                       edits_.begin() + count_ + 1);
    edits_[place] = edit;
    ++count_;
    end_ = edits_[count_ - 1].end();
    growth_ = highest_ = 0;
    for (std::size_t i = 0; i < count_; ++i) grow(edits_[i].growth());
}

std::string_view EditList::copy(std::string_view text) noexcept {
    char* const to = room(text.size());
    if (to == nullptr) return {};
    std::copy(text.begin(), text.end(), to);
    return {to, text.size()};
}

EditList::Applied EditList::apply(char* begin, std::size_t size) const noexcept {
    LB_ASSERT(ok_);
    LB_ASSERT(count_ == 0 || (edits_[0].at >= begin && end_ <= begin + size));
    // As nearly always.
    if (moves_to_front_only()) [[likely]]
        return {begin - growth_, apply_forward(begin)};
    return {begin - growth_, apply_anywhere(begin, size)};
}

// Every piece moves towards the front or stays: what is written is never behind what is still to be
// read, so one pass does it.
char* EditList::apply_forward(char* begin) const noexcept {
    const char* from = begin;
    char* to = begin - growth_;
    char* gap = nullptr;
    for (std::size_t i = 0; i < count_; ++i) {
        const Edit& edit = edits_[i];
        const auto kept = static_cast<std::size_t>(edit.at - from);
        move_to_front(to, from, kept);
        from = edit.end();
        to += kept;
        if (edit.text == kGap) {
            gap = to;
        } else {
            copy_short(to, edit.text, edit.size);
        }
        to += edit.size;
    }
    return gap;
}

// The message falls into pieces that stay, one in front of each edit, and the tail. A piece moves
// by what the edits behind it add. Pieces keep their order, so one that moves towards the front can
// only overwrite pieces in front of it that moved the same way, and those have gone first; the
// reverse holds for pieces that move back. Texts fill the gaps last.
[[gnu::noinline]] char* EditList::apply_anywhere(char* begin, std::size_t size) const noexcept {
    std::array<Piece, kEditsMax> pieces;
    find_pieces(begin, size, pieces);
    for (std::size_t i = 0; i < count_; ++i) {
        if (pieces[i].to < pieces[i].from) move_piece(pieces[i].to, pieces[i].from, pieces[i].size);
    }
    for (std::size_t i = count_; i-- > 0;) {
        if (pieces[i].to > pieces[i].from) move_piece(pieces[i].to, pieces[i].from, pieces[i].size);
    }
    char* gap = nullptr;
    for (std::size_t i = 0; i < count_; ++i) {
        char* const to = pieces[i].to + pieces[i].size;
        if (edits_[i].text == kGap) {
            gap = to;
        } else {
            copy_short(to, edits_[i].text, edits_[i].size);
        }
    }
    return gap;
}

void EditList::find_pieces(char* begin, std::size_t size,
                           std::array<Piece, kEditsMax>& pieces) const noexcept {
    char* from = begin;
    std::ptrdiff_t shift = growth_;
    for (std::size_t i = 0; i < count_; ++i) {
        const Edit& edit = edits_[i];
        const auto kept = static_cast<std::size_t>(edit.at - from);
        LB_ASSERT(edit.at >= from && edit.end() <= begin + size);
        pieces[i] = {from, from - shift, kept};
        from += kept + edit.removed;
        shift -= edit.growth();
    }
}

}  // namespace lb::sip
