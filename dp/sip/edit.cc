#include "dp/sip/edit.h"

#include <algorithm>
#include <cstring>

#include "dp/base/assert.h"
#include "dp/base/bytes.h"

namespace lb::sip {
namespace {

const char* end_of(std::string_view text) noexcept { return text.data() + text.size(); }

// At one place insertions come first, then the part that is replaced.
bool stands_before(std::string_view part, std::string_view other) noexcept {
    if (part.data() != other.data()) return part.data() < other.data();
    return part.empty() && !other.empty();
}

}  // namespace

void EditList::clear() noexcept {
    count_ = 0;
    growth_ = 0;
    used_ = 0;
    ok_ = true;
}

void EditList::replace_anywhere(std::string_view part, std::string_view text) noexcept {
    if (count_ == kEditsMax) ok_ = false;
    if (!ok_) return;
    std::size_t place = count_;
    while (place > 0 && stands_before(part, edits_[place - 1].part)) --place;
    if (place > 0 && end_of(edits_[place - 1].part) > part.data()) ok_ = false;
    if (place < count_ && end_of(part) > edits_[place].part.data()) ok_ = false;
    if (!ok_) return;
    std::copy_backward(edits_.begin() + place, edits_.begin() + count_,
                       edits_.begin() + count_ + 1);
    edits_[place] = {part, text};
    ++count_;
    grow(part, text);
}

std::string_view EditList::copy(std::string_view text) noexcept {
    char* const to = room(text.size());
    if (to == nullptr) return {};
    std::copy(text.begin(), text.end(), to);
    return {to, text.size()};
}

bool EditList::moves_to_front_only() const noexcept {
    std::ptrdiff_t shift = 0;
    for (std::size_t i = count_; i-- > 0;) {
        shift += static_cast<std::ptrdiff_t>(edits_[i].text.size()) -
                 static_cast<std::ptrdiff_t>(edits_[i].part.size());
        if (shift < 0) return false;
    }
    return true;
}

// Every piece moves towards the front or stays: what is written is never behind what is still to be
// read, so one pass does it.
void EditList::apply_forward(char* begin) const noexcept {
    const char* from = begin;
    char* to = begin - growth_;
    for (std::size_t i = 0; i < count_; ++i) {
        const Edit& edit = edits_[i];
        const auto kept = static_cast<std::size_t>(edit.part.data() - from);
        move_to_front(to, from, kept);
        from += kept + edit.part.size();
        to += kept;
        copy_short(to, edit.text.data(), edit.text.size());
        to += edit.text.size();
    }
}

// The message falls into pieces that stay, one in front of each edit, and the tail. A piece moves
// by what the edits behind it add. Pieces keep their order, so one that moves towards the front can
// only overwrite pieces in front of it that moved the same way, and those have gone first; the
// reverse holds for pieces that move back. Texts fill the gaps last.
char* EditList::apply(char* begin, std::size_t size) const noexcept {
    LB_ASSERT(ok_);
    LB_ASSERT(count_ == 0 ||
              (edits_[0].part.data() >= begin && end_of(edits_[count_ - 1].part) <= begin + size));
    if (moves_to_front_only()) {  // as nearly always
        apply_forward(begin);
        return begin - growth_;
    }
    std::array<Piece, kEditsMax> pieces;
    find_pieces(begin, size, pieces);
    for (std::size_t i = 0; i < count_; ++i) {
        if (pieces[i].to < pieces[i].from)
            std::memmove(pieces[i].to, pieces[i].from, pieces[i].size);
    }
    for (std::size_t i = count_; i-- > 0;) {
        if (pieces[i].to > pieces[i].from)
            std::memmove(pieces[i].to, pieces[i].from, pieces[i].size);
    }
    for (std::size_t i = 0; i < count_; ++i) {
        const std::string_view text = edits_[i].text;
        copy_short(pieces[i].to + pieces[i].size, text.data(), text.size());
    }
    return begin - growth_;
}

void EditList::find_pieces(char* begin, std::size_t size,
                           std::array<Piece, kEditsMax>& pieces) const noexcept {
    char* from = begin;
    std::ptrdiff_t shift = growth_;
    for (std::size_t i = 0; i < count_; ++i) {
        const Edit& edit = edits_[i];
        const auto kept = static_cast<std::size_t>(edit.part.data() - from);
        LB_ASSERT(edit.part.data() >= from && end_of(edit.part) <= begin + size);
        pieces[i] = {from, from - shift, kept};
        from += kept + edit.part.size();
        shift -= static_cast<std::ptrdiff_t>(edit.text.size()) -
                 static_cast<std::ptrdiff_t>(edit.part.size());
    }
}

}  // namespace lb::sip
