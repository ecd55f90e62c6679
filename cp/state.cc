// State letters and the state argument of commands (spec/dispatcher.md 4.1, 6.1).

#include "cp/destination.h"

namespace lb::cp {

using table::kDisabled;
using table::kInactive;
using table::kNoPing;
using table::kProbing;
using table::kTrying;

std::string state_letters(std::uint32_t flags, bool with_n) {
    std::string out;
    out += (flags & kInactive) != 0                        ? 'I'
           : (flags & (kDisabled | table::kDraining)) != 0 ? 'D'
           : (flags & kTrying) != 0                        ? 'T'
                                                           : 'A';
    out += (flags & kProbing) != 0 ? 'P' : with_n && (flags & kNoPing) != 0 ? 'N' : 'X';
    return out;
}

Result<std::uint32_t> parse_state(std::string_view text) {
    if (text.empty()) return failed(Errc::kInvalid, "Invalid State Parameter");
    std::uint32_t bits = 0;
    switch (text.front()) {
        case '0':
        case 'i':
        case 'I':
            bits = kInactive;
            break;
        case '1':
        case 'a':
        case 'A':
            break;
        case '2':
        case 'd':
        case 'D':
            return kDisabled;  // "dp" is D alone
        case '3':
        case 't':
        case 'T':
            bits = kTrying;
            break;
        default:
            return failed(Errc::kInvalid, "Unknown State Value");
    }
    if (text.size() > 1 && (text[1] == 'p' || text[1] == 'P')) bits |= kProbing;
    return bits;
}

}  // namespace lb::cp
