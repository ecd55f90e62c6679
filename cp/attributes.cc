// The attrs column: "name=value;name=value" (spec/dispatcher.md 3.2). The grammar is what
// Kamailio 5.6.3 takes: tests/golden/dispatcher/attributes.tsv was recorded from it.

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "cp/destination.h"

namespace lb::cp {
namespace {

bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool same_name(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// Digits with a sign in front, as far as they go; held at the ends of the range. "5x" is 5, "abc"
// is 0.
std::int32_t leading_number(std::string_view text) noexcept {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    std::int64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') break;
        value = std::min<std::int64_t>(value * 10 + (c - '0'), std::int64_t{1} << 40);
    }
    if (negative) value = -value;
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(
        value, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()));
}

struct Pair {
    std::string_view name;
    std::string_view value;
    bool has_value = false;
};

// Cuts one name[=value] after another off the front of a text.
class Scanner {
public:
    explicit Scanner(std::string_view text) noexcept : rest_(text) {}

    bool done() const noexcept { return rest_.empty(); }
    const char* error() const noexcept { return error_; }

    // REQUIRES: !done(). False on a syntax error.
    bool next(Pair& pair) noexcept {
        pair = {};
        pair.name = take_until(" \t\r\n,=;");
        skip_space();
        if (rest_.starts_with('=')) {
            rest_.remove_prefix(1);
            skip_space();
            pair.has_value = true;
            if (!take_value(pair.value)) return false;
        }
        return take_separator();
    }

private:
    std::string_view take_until(std::string_view stops) noexcept {
        const std::string_view token = rest_.substr(0, rest_.find_first_of(stops));
        rest_.remove_prefix(token.size());
        return token;
    }
    void skip_space() noexcept {
        while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
    }
    bool fail(const char* text) noexcept {
        error_ = text;
        return false;
    }

    bool take_value(std::string_view& value) noexcept {
        if (rest_.empty()) return true;
        const char quote = rest_.front();
        if (quote != '"' && quote != '\'') {
            value = take_until(" \t\r\n,;");
            return !value.empty() ? check_value(value) : fail("a value is missing after '='");
        }
        rest_.remove_prefix(1);
        const std::size_t end = rest_.find(quote);  // there is no escape
        if (end == std::string_view::npos) return fail("a quoted value has no end");
        value = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        return check_value(value);
    }

    // Values become parts of messages we send: a line end in one would forge header lines.
    bool check_value(std::string_view value) noexcept {
        const bool clean = std::none_of(value.begin(), value.end(), [](char c) {
            return static_cast<unsigned char>(c) < ' ' || c == 0x7f;
        });
        return clean || fail("a value has a control character in it");
    }

    bool take_separator() noexcept {
        skip_space();
        if (rest_.empty()) return true;
        // Kamailio ends here, silently; a '>' within a name or value is part of it: <sip:a@b>.
        if (rest_.front() == ',' || rest_.front() == '>') {
            rest_ = {};
            return true;
        }
        if (rest_.front() != ';') return fail("text follows a value without a ';' between them");
        rest_.remove_prefix(1);
        skip_space();
        return !rest_.empty() || fail("an attribute is missing after ';'");
    }

    std::string_view rest_;
    const char* error_ = nullptr;
};

enum Name : std::uint32_t {
    kDuid,
    kMaxload,
    kWeight,
    kRweight,
    kSocket,
    kSockname,
    kPingSocket,
    kPingFrom,
    kObproxy,
    kLatency,
    kCc,
    kOcmin,
    kOcmax,
    kOcrate,
    kUnknown
};
constexpr std::string_view kNames[] = {"duid",     "maxload",     "weight",    "rweight", "socket",
                                       "sockname", "ping_socket", "ping_from", "obproxy", "latency",
                                       "cc",       "ocmin",       "ocmax",     "ocrate"};
static_assert(std::size(kNames) == kUnknown);

Name find_name(std::string_view text) noexcept {
    for (std::uint32_t i = 0; i < kUnknown; ++i) {
        if (same_name(text, kNames[i])) return static_cast<Name>(i);
    }
    return kUnknown;
}

using Warnings = std::vector<std::string>*;

std::int32_t percent(Name name, const Pair& pair, std::int32_t otherwise, Warnings warnings) {
    const std::int32_t value = leading_number(pair.value);
    const std::int32_t least = name == kWeight || name == kRweight ? 1 : 0;
    if (value >= least && value <= 100) return value;
    const bool spelled_zero = value == 0 && pair.value.starts_with('0');
    if (warnings != nullptr && !spelled_zero) {
        warnings->push_back(fmt::format("{}={} counts as {}: allowed is {} to 100", kNames[name],
                                        pair.value, otherwise, least));
    }
    return otherwise;
}

void apply(Name name, const Pair& pair, Attributes& out, Warnings warnings) {
    const auto number = [&](std::int32_t otherwise) {
        return static_cast<std::int16_t>(percent(name, pair, otherwise, warnings));
    };
    const auto part = [&]() -> Attributes::Part {
        if (pair.value.empty()) return {};
        return {static_cast<std::uint16_t>(pair.value.data() - out.body.data()),
                static_cast<std::uint16_t>(pair.value.size())};
    };
    switch (name) {
        case kDuid:
            out.duid_at = part();
            break;
        case kMaxload:
            out.maxload = leading_number(pair.value);
            break;
        case kWeight:
            out.weight = number(0);
            break;
        case kRweight:
            out.rweight = number(0);
            break;
        case kSocket:
            out.socket_at = part();
            break;
        case kSockname:
            out.sockname_at = part();
            break;
        case kPingSocket:
            out.ping_socket_at = part();
            break;
        case kPingFrom:
            out.ping_from_at = part();
            break;
        case kObproxy:
            out.obproxy_at = part();
            break;
        case kLatency:
            out.latency = leading_number(pair.value);
            break;
        case kCc:
            out.cc = leading_number(pair.value) != 0;
            break;
        case kOcmin:
            out.ocmin = number(0);
            break;
        case kOcmax:
            out.ocmax = number(100);
            break;
        case kOcrate:
            out.ocrate = number(0);
            break;
        case kUnknown:
            break;  // stays in the body
    }
}

}  // namespace

Result<Attributes> parse_attributes(std::string_view text, std::vector<std::string>* warnings) {
    Attributes out;
    out.given = !text.empty();
    if (text.ends_with(';')) text.remove_suffix(1);
    if (text.size() > table::SetTexts::kTextMax) {
        return failed(Errc::kInvalid, fmt::format("attrs are longer than {} characters",
                                                  table::SetTexts::kTextMax));
    }
    out.body = text;
    Scanner scanner(text);
    std::uint32_t seen = 0;
    while (!scanner.done()) {
        Pair pair;
        if (!scanner.next(pair)) {
            return failed(Errc::kInvalid, fmt::format("attrs \"{}\": {}", text, scanner.error()));
        }
        const Name name = find_name(pair.name);
        if (name == kUnknown || (seen & (1u << name)) != 0) continue;  // the first one counts
        seen |= 1u << name;
        if (pair.has_value) apply(name, pair, out, warnings);
    }
    if (out.ocmax == 0) out.ocmax = 100;
    return out;
}

}  // namespace lb::cp
