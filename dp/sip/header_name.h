#pragma once

// Which header a line begins with, among those that Message needs.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

#include "dp/sip/message.h"
#include "dp/sip/text.h"

namespace lb::sip {

enum class Header : std::uint8_t {
    kOther,   // any other name, or a line that is no header at all
    kBroken,  // one of ours without its colon
    kVia,
    kFrom,
    kTo,
    kCallId,
    kCseq,
    kMaxForwards,
    kContentLength,
    kContact,
    kRoute,
    kRecordRoute,
    kRequire,
    kProxyRequire,
    kAuthorization,
    kProxyAuthorization,
    kCount,
};

// Where Message keeps the first header field of a kind: an offset, or 0, where the text is.
constexpr std::uint16_t slot_of(Header header) noexcept {
    switch (header) {
        case Header::kVia:
            return offsetof(Message, via);
        case Header::kFrom:
            return offsetof(Message, from);
        case Header::kTo:
            return offsetof(Message, to);
        case Header::kCallId:
            return offsetof(Message, call_id);
        case Header::kCseq:
            return offsetof(Message, cseq);
        case Header::kMaxForwards:
            return offsetof(Message, max_forwards);
        case Header::kContentLength:
            return offsetof(Message, content_length);
        case Header::kContact:
            return offsetof(Message, contact);
        case Header::kRecordRoute:
            return offsetof(Message, record_route);
        case Header::kRequire:
            return offsetof(Message, require);
        case Header::kProxyRequire:
            return offsetof(Message, proxy_require);
        case Header::kAuthorization:
            return offsetof(Message, authorization);
        case Header::kProxyAuthorization:
            return offsetof(Message, proxy_authorization);
        default:
            static_assert(offsetof(Message, text) == 0);
            return 0;
    }
}

// True for those of which a second one is an error.
constexpr bool stands_once(Header header) noexcept {
    return header >= Header::kFrom && header <= Header::kContentLength;
}

struct HeaderStart {
    Header header = Header::kOther;
    std::uint32_t value = 0;  // offset behind the colon; 0 for kOther and kBroken
};

namespace name {

// What stands behind a name that has just been recognised.
[[gnu::always_inline]] inline HeaderStart behind_name(std::string_view line, std::size_t size,
                                                      Header header) noexcept {
    std::size_t at = size;
    while (at < line.size() && is_blank(line[at])) ++at;
    if (at < line.size() && line[at] == ':') return {header, static_cast<std::uint32_t>(at + 1)};
    // "To be: x" or "Via" alone is ours but broken; "Tone: x" is another header.
    return {at > size || is_lws(line[size]) ? Header::kBroken : Header::kOther, 0};
}

template <std::size_t N>
[[gnu::always_inline]] inline bool begins(std::string_view line, const Name<N>& name) noexcept {
    return line.size() > N && name.equals(line.data()) && !is_token(line[N]);
}

// One row per header: `rest` rows are tried when the first one does not fit.
template <std::size_t N>
[[gnu::always_inline]] inline HeaderStart match(std::string_view line, const Name<N>& name,
                                                Header header) noexcept {
    return begins(line, name) ? behind_name(line, N, header) : HeaderStart{};
}

template <std::size_t N, class... Rest>
[[gnu::always_inline]] inline HeaderStart match(std::string_view line, const Name<N>& name,
                                                Header header, const Rest&... rest) noexcept {
    return begins(line, name) ? behind_name(line, N, header) : match(line, rest...);
}

inline constexpr Name kVia("via");
inline constexpr Name kV("v");
inline constexpr Name kFrom("from");
inline constexpr Name kF("f");
inline constexpr Name kTo("to");
inline constexpr Name kT("t");
inline constexpr Name kCallId("call-id");
inline constexpr Name kI("i");
inline constexpr Name kCseq("cseq");
inline constexpr Name kMaxForwards("max-forwards");
inline constexpr Name kContentLength("content-length");
inline constexpr Name kL("l");
inline constexpr Name kContact("contact");
inline constexpr Name kM("m");
inline constexpr Name kRoute("route");
inline constexpr Name kRecordRoute("record-route");
inline constexpr Name kRequire("require");
inline constexpr Name kProxyRequire("proxy-require");
inline constexpr Name kAuthorization("authorization");
inline constexpr Name kProxyAuthorization("proxy-authorization");

}  // namespace name

// The first character picks at most three candidates, whose whole name is then compared, in any
// letter case or in compact form (RFC 3261 7.3.1, 7.3.3). Blanks in front of the colon are allowed
// (HCOLON). REQUIRES: line is not empty.
[[gnu::always_inline]] inline HeaderStart classify(std::string_view line) noexcept {
    switch (line[0] | 0x20) {
        case 'v':
            return name::match(line, name::kVia, Header::kVia, name::kV, Header::kVia);
        case 'f':
            return name::match(line, name::kFrom, Header::kFrom, name::kF, Header::kFrom);
        case 't':
            return name::match(line, name::kTo, Header::kTo, name::kT, Header::kTo);
        case 'i':
            return name::match(line, name::kI, Header::kCallId);
        case 'l':
            return name::match(line, name::kL, Header::kContentLength);
        case 'm':
            return name::match(line, name::kMaxForwards, Header::kMaxForwards, name::kM,
                               Header::kContact);
        case 'c':
            return name::match(line, name::kCallId, Header::kCallId, name::kCseq, Header::kCseq,
                               name::kContact, Header::kContact, name::kContentLength,
                               Header::kContentLength);
        case 'r':
            return name::match(line, name::kRoute, Header::kRoute, name::kRecordRoute,
                               Header::kRecordRoute, name::kRequire, Header::kRequire);
        case 'a':
            return name::match(line, name::kAuthorization, Header::kAuthorization);
        case 'p':
            return name::match(line, name::kProxyAuthorization, Header::kProxyAuthorization,
                               name::kProxyRequire, Header::kProxyRequire);
        default:
            return {};
    }
}

// The same for lines as they usually are: a whole name, its colon and one space right behind it,
// told by one look at its first characters and one compare of sixteen bytes.
class HeaderTable {
public:
    // Names that begin alike follow each other by `next`.
    struct alignas(16) Entry {
        std::array<std::uint8_t, 16> name{};     // lower case, with colon and space
        std::array<std::uint8_t, 16> counts{};   // its bits that count: not a letter's case
        std::array<std::uint8_t, 16> letters{};  // the same of the name without colon and space
        std::uint64_t size = 0;                  // with colon and space
        std::uint16_t slot = 0;                  // as slot_of() has it
        std::uint16_t next = 0;                  // offset of the entry to try then; 0: none
        Header header = Header::kOther;  // kOther: a longer name, of which this is the front
    };
    static constexpr std::size_t kReadable = 16;  // bytes that find() looks at

    enum class Match : std::uint8_t { kOther, kUsual, kUnusual };

    consteval HeaderTable() {
        add("via: ", Header::kVia);
        add("from: ", Header::kFrom);
        add("to: ", Header::kTo);
        add("call-id: ", Header::kCallId);
        add("cseq: ", Header::kCseq);
        add("max-forwards: ", Header::kMaxForwards);
        add("content-length: ", Header::kContentLength);
        add("contact: ", Header::kContact);
        add("route: ", Header::kRoute);
        add("record-route: ", Header::kRecordRoute);
        add("require: ", Header::kRequire);
        add("proxy-require: ", Header::kProxyRequire);
        add("authorization: ", Header::kAuthorization);
        add("proxy-authorizat", Header::kOther);
    }

    // kUsual: the line begins as `entry` says. kOther: a header that Message does not need.
    // kUnusual: neither is certain, classify() tells. REQUIRES: kReadable readable bytes.
    [[gnu::always_inline]] inline Match find(const char* line, const Entry*& entry) const noexcept {
        std::uint64_t begin;
        std::memcpy(&begin, line, 8);
        begin &= kBegin;
        const std::size_t offset = buckets_[bucket_of(begin)];
        if (offset != 0) [[likely]] {  // ours have the shorter way: they are read further
            entry = entry_at(offset);
            Difference difference(line, entry->name);
            while (difference.among(entry->counts)) [[unlikely]] {
                    // There may be a blank in front of the colon, or none behind it.
                    if (!difference.among(entry->letters)) return Match::kUnusual;
                    if (entry->next == 0) return others_match(line, begin);
                    const Entry* const other = entry_at(entry->next);
                    difference.move(entry->name, other->name);
                    entry = other;
                }
            return Match::kUsual;
        }
        return others_match(line, begin);
    }

private:
    static constexpr std::size_t kBuckets = 128;

    // The first three characters, in any letter case, and one bit of the fifth, in which Contact
    // and Content-Length differ.
    static constexpr std::uint64_t kFifth = std::uint64_t{4} << 32;
    static constexpr std::uint64_t kBegin = kFifth | 0xdfdfdf;

    // The factor was searched for: headers that Message does not need, but phones send, share no
    // bucket with ours unless they begin alike.
    static constexpr std::size_t bucket_of(std::uint64_t begin) noexcept {
        return begin * 0xadb1b9e29c28a159 >> 57;
    }

    // Of a line that no entry fits. It is ours if it has a compact name ("t:"), or perhaps if there
    // is a blank or line end among the first three characters ("to :").
    static Match others_match(const char* line, std::uint64_t begin) noexcept {
        constexpr std::uint64_t kLetters = 0x404040;  // all of them have that bit
        if ((begin & kLetters) == kLetters) [[likely]]
            return Match::kOther;
        const auto is_odd = [](char c) { return static_cast<std::uint8_t>(c) <= ' '; };
        const bool ours = line[1] == ':' || is_odd(line[0]) || is_odd(line[1]) || is_odd(line[2]);
        return ours ? Match::kUnusual : Match::kOther;
    }

    // Between a line and a name, bit by bit.
    class Difference {
    public:
#if defined(__SSE4_1__)
        Difference(const char* line, const std::array<std::uint8_t, 16>& name) noexcept
            : bits_(_mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(line)),
                                  load(name))) {}
        bool among(const std::array<std::uint8_t, 16>& bits) const noexcept {
            return _mm_testz_si128(bits_, load(bits)) == 0;
        }
        // Of the same line, to another name. The line is loaded by that of the first name alone.
        void move(const std::array<std::uint8_t, 16>& from,
                  const std::array<std::uint8_t, 16>& to) noexcept {
            bits_ = _mm_xor_si128(bits_, _mm_xor_si128(load(from), load(to)));
        }

    private:
        static __m128i load(const std::array<std::uint8_t, 16>& bytes) noexcept {
            return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes.data()));
        }
        __m128i bits_;
#else
        Difference(const char* line, const std::array<std::uint8_t, 16>& name) noexcept {
            std::memcpy(bits_.data(), line, 16);
            for (std::size_t i = 0; i < 16; ++i) bits_[i] ^= name[i];
        }
        bool among(const std::array<std::uint8_t, 16>& bits) const noexcept {
            unsigned found = 0;
            for (std::size_t i = 0; i < 16; ++i) found |= bits_[i] & bits[i];
            return found != 0;
        }
        void move(const std::array<std::uint8_t, 16>& from,
                  const std::array<std::uint8_t, 16>& to) noexcept {
            for (std::size_t i = 0; i < 16; ++i)
                bits_[i] = static_cast<std::uint8_t>(bits_[i] ^ from[i] ^ to[i]);
        }

    private:
        std::array<std::uint8_t, 16> bits_;
#endif
    };

    consteval void add(std::string_view name, Header header) {
        Entry& entry = entries_[++used_];
        const std::size_t letters = name.ends_with(": ") ? name.size() - 2 : name.size();
        std::uint64_t word = 0;
        for (std::size_t i = 0; i < name.size(); ++i) {
            const auto byte = static_cast<std::uint8_t>(name[i]);
            entry.name[i] = byte;
            entry.counts[i] = is_letter(name[i]) ? 0xdf : 0xff;
            if (i < letters) entry.letters[i] = entry.counts[i];
            if (i < 8) word |= std::uint64_t{byte} << (8 * i);
        }
        entry.size = name.size();
        entry.header = header;
        entry.slot = slot_of(header);
        const auto own = static_cast<std::uint16_t>(used_ * sizeof(Entry));
        std::uint16_t& first = buckets_[bucket_of(word & kBegin)];
        entry.next = first;
        first = own;
        if (letters > 4) return;
        std::uint16_t& other =
            buckets_[bucket_of((word ^ kFifth) & kBegin)];  // its fifth is any character
        if (other != entry.next) throw "names share a bucket, but not both of theirs";
        other = own;
    }

    // Offsets, not numbers: what is found is looked at with no arithmetic in between.
    const Entry* entry_at(std::size_t offset) const noexcept {
        return reinterpret_cast<const Entry*>(reinterpret_cast<const char*>(entries_.data()) +
                                              offset);
    }

    std::array<Entry, 15> entries_{};  // the first one is none
    std::array<std::uint16_t, kBuckets> buckets_{};
    std::uint8_t used_ = 0;
};

inline constexpr HeaderTable kHeaderTable;

}  // namespace lb::sip
