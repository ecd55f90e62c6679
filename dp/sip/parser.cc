#include "dp/sip/parser.h"

#include <array>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>

#include "dp/base/bytes.h"
#include "dp/sip/header_name.h"
#include "dp/sip/scan.h"
#include "dp/sip/start_line.h"
#include "dp/sip/text.h"
#include "dp/sip/via.h"

namespace lb::sip {
namespace {

constexpr std::int32_t kMaxForwardsClamp = 1000000;

struct ErrorRow {
    Error error;
    std::string_view text;
};

// One row per error, in enum order.
constexpr std::array kErrors{
    ErrorRow{Error::kNone, "no error"},
    ErrorRow{Error::kEmpty, "empty datagram"},
    ErrorRow{Error::kNotSip, "no SIP start line"},
    ErrorRow{Error::kVersion, "SIP version is not 2.0"},
    ErrorRow{Error::kStatusCode, "status code is not 100 to 699"},
    ErrorRow{Error::kRequestUri, "malformed request line"},
    ErrorRow{Error::kTruncated, "header section is cut off"},
    ErrorRow{Error::kHeaderLine, "header line without colon"},
    ErrorRow{Error::kTooManyHeaders, "too many header lines"},
    ErrorRow{Error::kDuplicateHeader, "header field may stand only once"},
    ErrorRow{Error::kNoVia, "no Via"},
    ErrorRow{Error::kBadVia, "malformed Via"},
    ErrorRow{Error::kNoCallId, "no Call-ID"},
    ErrorRow{Error::kNoCseq, "no CSeq"},
    ErrorRow{Error::kBadCseq, "malformed CSeq"},
    ErrorRow{Error::kNoFrom, "no From"},
    ErrorRow{Error::kNoTo, "no To"},
    ErrorRow{Error::kBadFromTo, "malformed From or To"},
    ErrorRow{Error::kBadMaxForwards, "malformed Max-Forwards"},
    ErrorRow{Error::kBadContentLength, "bad Content-Length"},
};

constexpr bool in_enum_order(const auto& rows) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (static_cast<std::size_t>(rows[i].error) != i) return false;
    }
    return rows.size() == static_cast<std::size_t>(Error::kCount);
}
static_assert(in_enum_order(kErrors));

// Keeps what was found wrong first.
struct FirstError {
    Error error = Error::kNone;
    void note(Error found) noexcept {
        if (error == Error::kNone) error = found;
    }
    void note_unless(bool good, Error found) noexcept {
        if (!good) note(found);
    }
};

// Everything but the four texts that parse() sets, the Route fields, which routes_count guards, and
// the topmost Via, which parse_via() sets: in one sweep of wide stores, without a call or a loop.
// View by view it took a fifth of the time of a parse. All-zero bytes are an empty view and a zero
// number.
[[gnu::always_inline]] inline void reset(Message& message) noexcept {
    static_assert(std::is_trivially_copyable_v<Message> && std::is_standard_layout_v<Message>);
    constexpr std::size_t kBegin = offsetof(Message, reply), kEnd = offsetof(Message, routes);
    constexpr std::size_t kBlocks = (kEnd - kBegin) / sizeof(WideBlock);
    static_assert((kEnd - kBegin) % sizeof(WideBlock) == 0);
    char* const bytes = reinterpret_cast<char*>(&message) + kBegin;
    [bytes]<std::size_t... kBlock>(std::index_sequence<kBlock...>) {
        (store_word(bytes + kBlock * sizeof(WideBlock), WideBlock{}), ...);
    }
    (std::make_index_sequence<kBlocks>{});
    message.max_forwards_value = -1;
}

[[gnu::noinline]] std::string_view skip_line_ends(std::string_view text) noexcept {
    while (!text.empty() && (text[0] == '\r' || text[0] == '\n')) text.remove_prefix(1);
    return text;
}

HeaderField& slot_at(Message& message, std::uint16_t offset) noexcept {
    return *reinterpret_cast<HeaderField*>(reinterpret_cast<char*>(&message) + offset);
}

// A second one of a kind. Two Content-Length of one value are one; any other pair of a field that
// may stand only once has no meaning (RFC 4475 3.3.8, 3.3.9).
void keep_second(Header header, HeaderField first, HeaderField field, FirstError& errors) noexcept {
    if (!stands_once(header)) return;
    if (header == Header::kContentLength && first.value == field.value) return;
    errors.note(Error::kDuplicateHeader);
}

void keep_via(Message& message, HeaderField field) noexcept {
    if (!message.via.present()) {
        message.via = field;
        return;
    }
    if (!message.second_via.present()) message.second_via = field;
    ++message.via_lines;  // the first one is counted at the end
}

void keep_route(Message& message, const HeaderLine& line, FirstError& errors) noexcept {
    if (message.routes_count == kRoutesMax) return errors.note(Error::kTooManyHeaders);
    message.routes[message.routes_count++] = line;
}

[[gnu::noinline]] void keep(Header header, const HeaderLine& line, Message& message,
                            FirstError& errors) noexcept {
    const HeaderField field{line.value};
    if (header == Header::kVia) return keep_via(message, field);
    if (const std::uint16_t slot = slot_of(header)) {
        HeaderField& place = slot_at(message, slot);
        if (place.present()) return keep_second(header, place, field, errors);
        place = field;
        return;
    }
    if (header == Header::kRoute) return keep_route(message, line, errors);
    errors.note(Error::kHeaderLine);
}

// Whatever the line is. REQUIRES: a line with its end.
[[gnu::noinline]] void read_any_header(const char* begin, const char* end, Message& message,
                                       FirstError& errors) noexcept {
    const HeaderStart start = classify(between(begin, end));
    if (start.header == Header::kOther) return;
    const std::string_view value = trimmed(between(begin + start.value, end));
    keep(start.header, {between(begin, end), value}, message, errors);
}

// Of a field whose place is taken: by one before it, or because Message keeps several. False: it is
// for read_any_header() to judge.
[[gnu::always_inline]] inline bool keep_further(Header header, const HeaderLine& line,
                                                Message& message) noexcept {
    if (header == Header::kVia) {
        keep_via(message, {line.value});
        return true;
    }
    if (header != Header::kRoute || message.routes_count == kRoutesMax) return false;
    message.routes[message.routes_count++] = line;
    return true;
}

// The same as read_any_header() for what a line usually is, one space behind the colon and CR LF
// behind the value: true, if it is so. REQUIRES: a line with its end; HeaderTable::kReadable
// readable bytes from its begin on.
[[gnu::always_inline]] inline bool read_usual_header(const char* begin, const char* end,
                                                     Message& message) noexcept {
    using Match = HeaderTable::Match;
    const HeaderTable::Entry* entry;
    const Match match = kHeaderTable.find(begin, entry);
    if (match != Match::kUsual) return match == Match::kOther;
    const std::string_view value = between(begin + entry->size, end - 2);
    if (value.data()[0] <= ' ' || end[-2] != '\r' || end[-3] <= ' ') return false;
    HeaderField& place = slot_at(message, entry->slot);
    if (place.present()) [[unlikely]]
        return keep_further(entry->header, {between(begin, end), value}, message);
    place.value = value;
    return true;
}

// Header lines 1 .. lines-1, if none begins with a blank: such a line belongs to the one before it.
// REQUIRES: index.closed.
[[gnu::always_inline]] inline bool read_unfolded_headers(Message& message,
                                                         FirstError& errors) noexcept {
    const TextIndex& index = message.index;
    const char* const* next = index.line_ends.data() + 1;
    const char* const* const last = index.line_ends.data() + index.lines - 1;
    const char* begin = next[-1];
    const auto read_odd_header = [&](const char* end) {
        if (is_blank(*begin)) return false;
        FirstError found = errors;  // no address of `errors` is given away: it stays in a register
        read_any_header(begin, end, message, found);
        errors = found;
        return true;
    };
    const char* const* safe = last;  // as long as there are bytes enough behind a line's begin
    const char* const last_begin = end_of(message.body) - HeaderTable::kReadable;
    for (; safe > next && safe[-2] > last_begin; --safe) {
    }
    while (next < safe) {
        const char* const end = *next++;
        const bool usual = read_usual_header(begin, end, message);
        if (!usual) [[unlikely]] {
            if (!read_odd_header(end)) return false;
        }
        begin = end;
    }
    while (next < last) {
        const char* const end = *next++;
        if (!read_odd_header(end)) return false;
        begin = end;
    }
    return true;
}

// Whatever the lines are. REQUIRES: no header was read yet.
[[gnu::noinline]] void read_any_headers(Message& message, FirstError& errors) noexcept {
    const TextIndex& index = message.index;
    const std::uint32_t count = index.closed ? index.lines - 1 : index.lines;
    const char* const* next = index.line_ends.data() + 1;
    const char* const* const last = index.line_ends.data() + count;
    const char* begin = next[-1];
    if (next < last && is_blank(*begin)) errors.note(Error::kHeaderLine);
    while (next < last) {
        const char* end = *next++;
        while (next < last && is_blank(*end)) end = *next++;
        read_any_header(begin, end, message, errors);
        begin = end;
    }
}

[[gnu::always_inline]] inline void read_headers(Message& message, FirstError& errors) noexcept {
    FirstError found = errors;
    if (message.index.closed && read_unfolded_headers(message, errors)) [[likely]]
        return;
    constexpr std::size_t kBegin = offsetof(Message, via);
    constexpr std::size_t kEnd = offsetof(Message, max_forwards_value);
    std::memset(reinterpret_cast<char*>(&message) + kBegin, 0, kEnd - kBegin);
    read_any_headers(message, found);
    errors = found;
}

// parse_number_before_end(), quicker for what nearly always has four digits at most: what stands in
// a message behind its start line has that much in front of its end.
[[gnu::always_inline]] inline bool parse_small_number(std::string_view digits, std::uint64_t max,
                                                      std::uint64_t& number) noexcept {
    if (digits.size() - 1 >= 4) [[unlikely]]
        return parse_number_before_end(digits, max, number);
    auto bytes = load_word<std::uint32_t>(end_of(digits) - 4) ^ 0x30303030;
    bytes &= static_cast<std::uint32_t>(kLastBytes[digits.size()] >> 32);
    if (((bytes | (bytes + 0x76767676)) & 0x80808080) != 0) return false;
    bytes = (bytes * 10 + (bytes >> 8)) & 0x00ff00ff;
    number = (bytes * 100 + (bytes >> 16)) & 0xffff;
    return number <= max;
}

// Whether a method of eight characters at most is what stands in front of `end`. What is behind it
// in a request line and in front of `end` in a message is more than eight bytes.
[[gnu::always_inline]] inline bool stands_before(const char* end,
                                                 std::string_view method) noexcept {
    const std::size_t others = 64 - 8 * method.size();  // bits
    const auto own = load_word<std::uint64_t>(method.data());
    const auto there = load_word<std::uint64_t>(end - 8);
    return (there >> others ^ own) << others == 0;
}

// Where the method of "4711 INVITE" begins, if it is the request's own; null if it is not, or there
// is anything else in it.
[[gnu::always_inline]] inline const char* find_usual_cseq_method(const Message& message) noexcept {
    const std::string_view value = message.cseq.value;
    const std::string_view own = message.method_text;
    const char* const end = end_of(value);
    if (value.size() < own.size() + 2) [[unlikely]]
        return nullptr;
    if (own.size() - 1 < 8) [[likely]] {
        const char* const method = end - own.size();
        if (method[-1] == ' ' && stands_before(end, own)) [[likely]]
            return method;
        return nullptr;
    }
    const char* const space = message.index.next_break(value.data());
    if (space + 1 >= end || *space != ' ' || message.index.next_break(space + 1) != end)
        return nullptr;
    return message.reply || between(space + 1, end) == own ? space + 1 : nullptr;
}

[[gnu::always_inline]] inline bool take_usual_cseq(Message& message) noexcept {
    const std::string_view value = message.cseq.value;
    const char* const method = find_usual_cseq_method(message);
    std::uint64_t number = 0;
    if (method == nullptr) [[unlikely]]
        return false;
    if (!parse_number_before_end(between(value.data(), method - 1), 0xffffffff, number))
        [[unlikely]]
        return false;
    message.cseq_number = static_cast<std::uint32_t>(number);
    message.cseq_method = between(method, end_of(value));
    return true;
}

[[gnu::noinline]] bool parse_any_cseq(Message& message) noexcept {
    Cursor cursor(message.cseq.value, &message.index);
    std::uint64_t number = 0;
    if (!parse_number_before_end(cursor.take_digits(), 0xffffffff, number)) return false;
    message.cseq_number = static_cast<std::uint32_t>(number);
    if (cursor.done() || !is_lws(*cursor.at)) return false;
    cursor.skip_lws();
    message.cseq_method = cursor.take_token();
    return cursor.done() && !message.cseq_method.empty() &&
           (message.reply || message.cseq_method == message.method_text);
}

// Any number of them. False when there is anything else.
[[gnu::noinline]] bool parse_any_max_forwards(Message& message) noexcept {
    if (!message.max_forwards.present()) return true;
    const std::string_view digits = message.max_forwards.value;
    std::uint64_t number = 0;
    if (!parse_number_before_end(digits, kMaxForwardsClamp, number)) {
        for (const char c : digits) {
            if (!is_digit(c)) return false;
        }
        number = kMaxForwardsClamp;
    }
    message.max_forwards_value = static_cast<std::int32_t>(number);
    return !digits.empty();
}

// Two digits, as of nearly every message.
[[gnu::always_inline]] inline bool take_usual_max_forwards(Message& message) noexcept {
    const std::string_view value = message.max_forwards.value;
    if (value.size() != 2) [[unlikely]]
        return false;
    const unsigned digits = load_word<std::uint16_t>(value.data()) ^ 0x3030;
    if (((digits | (digits + 0x7676)) & 0x8080) != 0) [[unlikely]]
        return false;
    message.max_forwards_value = static_cast<std::int32_t>((digits & 0xff) * 10 + (digits >> 8));
    return true;
}

// Cuts the message off behind Content-Length (RFC 3261 18.3).
bool cut_body(Message& message) noexcept {
    std::uint64_t length = 0;
    if (!parse_small_number(message.content_length.value, message.body.size(), length))
        return !message.content_length.present();
    message.body = between(message.body.data(), message.body.data() + length);
    message.text = between(message.text.data(), end_of(message.body));
    return true;
}

// What must be there, in the order of the enumerators.
[[gnu::always_inline]] inline void check_fields(Message& message, FirstError& errors) noexcept {
    if (!message.via.present()) {
        message.top_via = Via();
        errors.note(Error::kNoVia);
    } else {
        ++message.via_lines;
        errors.note_unless(
            take_usual_via(message.via.value, message.top_via, nullptr, message.index),
            Error::kBadVia);
    }
    errors.note_unless(!message.call_id.value.empty(), Error::kNoCallId);
    if (!take_usual_cseq(message)) [[unlikely]] {
        errors.note_unless(message.cseq.present(), Error::kNoCseq);
        errors.note_unless(parse_any_cseq(message), Error::kBadCseq);
    }
    if (message.from.value.empty() || message.to.value.empty()) [[unlikely]] {
        errors.note_unless(message.from.present(), Error::kNoFrom);
        errors.note_unless(message.to.present(), Error::kNoTo);
        errors.note(Error::kBadFromTo);
    }
    errors.note_unless(take_usual_max_forwards(message) || parse_any_max_forwards(message),
                       Error::kBadMaxForwards);
    errors.note_unless(cut_body(message), Error::kBadContentLength);
}

// Of what has no header section, or one that is not read.
[[gnu::noinline]] Error give_up(Error error, Message& message) noexcept {
    message.header = message.body = {};
    message.top_via = Via();
    return error;
}

}  // namespace

std::string_view error_text(Error error) noexcept {
    const auto index = static_cast<std::size_t>(error);
    return index < kErrors.size() ? kErrors[index].text : "unknown error";
}

Error parse(std::string_view datagram, Message& message) noexcept {
    reset(message);
    std::string_view text = datagram;
    if (text.empty() || text[0] <= '\r') [[unlikely]]
        text = skip_line_ends(text);
    message.text = text;
    if (text.empty()) {
        message.start_line = {};
        return give_up(Error::kEmpty, message);
    }

    const TextIndex& index = message.index;
    scan_header(text, message.index);
    if (!index.closed && index.lines == 0) [[unlikely]] {  // not even a whole start line
        message.start_line = {};
        if (index.too_many) return give_up(Error::kNotSip, message);
        message.start_line = text;
        const Error error = detail::parse_other_start_line(text, message);
        return give_up(error == Error::kNotSip ? error : Error::kTruncated, message);
    }
    FirstError errors;
    errors.note(parse_start_line(between(text.data(), index.line_ends[0]), message));
    if (errors.error == Error::kNotSip) return give_up(errors.error, message);
    const char* const header_end = index.line_ends[index.lines - 1];
    if (!index.closed) [[unlikely]] {
        if (index.too_many) return give_up(Error::kTooManyHeaders, message);
        errors.note_unless(header_end == end_of(text), Error::kTruncated);
    }
    message.header = between(index.line_ends[0], header_end);
    message.body = between(header_end, end_of(text));
    read_headers(message, errors);
    check_fields(message, errors);
    return errors.error;
}

bool answerable(Error error, const Message& message) noexcept {
    if (error == Error::kNone || message.reply || message.method == Method::kAck) return false;
    return !message.method_text.empty() && !message.top_via.host.empty() &&
           !message.from.value.empty() && !message.to.value.empty() &&
           !message.call_id.value.empty() && !message.cseq.value.empty();
}

bool is_keepalive(std::string_view datagram) noexcept {
    for (const char c : datagram) {
        if (c != '\r' && c != '\n' && c != '\0') return false;
    }
    return true;
}

bool iequals(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (to_lower(a[i]) != to_lower(b[i])) return false;
    }
    return true;
}

}  // namespace lb::sip
