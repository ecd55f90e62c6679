#include "dp/core/hash_input.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "dp/sip/parser.h"
#include "dp/sip/uri.h"

namespace lb::core {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

std::string_view trim(std::string_view text) noexcept {
    const std::size_t first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string_view take_space(std::string_view text) noexcept {
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
    return text;
}

// Splits one `name=value` off a list of digest parameters. A quoted value ends at the first quote,
// escaped or not, and what else stands before the next comma is passed over, so that realm="a\"b"
// does not hide the parameters behind it. False at the end of the list, or where it is broken.
bool take_parameter(std::string_view& list, std::string_view& name,
                    std::string_view& value) noexcept {
    list.remove_prefix(std::min(list.find_first_not_of(" \t\r\n,"), list.size()));
    const std::size_t equals = list.find('=');
    if (equals == std::string_view::npos) return false;
    name = trim(list.substr(0, equals));
    list = take_space(list.substr(equals + 1));
    if (list.starts_with('"')) {
        const std::size_t close = list.find('"', 1);
        if (close == std::string_view::npos) return false;
        value = list.substr(1, close - 1);
        list.remove_prefix(close + 1);
    } else {
        const std::size_t end = std::min(list.find_first_of(" \t\r\n,"), list.size());
        value = list.substr(0, end);
        list.remove_prefix(end);
    }
    list.remove_prefix(std::min(list.find(','), list.size()));
    return true;
}

bool is_digest(std::string_view credentials, std::string_view& parameters) noexcept {
    constexpr std::string_view kDigest = "Digest";
    if (credentials.size() <= kDigest.size() ||
        !sip::iequals(credentials.substr(0, kDigest.size()), kDigest) ||
        kSpace.find(credentials[kDigest.size()]) == std::string_view::npos) {
        return false;
    }
    parameters = credentials.substr(kDigest.size() + 1);
    return true;
}

// The last one counts.
std::string_view digest_username(std::string_view parameters) noexcept {
    std::string_view name, value, username;
    while (take_parameter(parameters, name, value)) {
        if (sip::iequals(name, "username")) username = value;
    }
    return username;
}

// "sip:bob@x" is bob; names of one or two characters are taken as they are.
std::string_view user_of(std::string_view username) noexcept {
    if (username.size() > 2) {
        username = username.substr(0, username.find('@'));
        username.remove_prefix(username.find(':') + 1);  // npos + 1 is 0
    }
    return username;
}

// Appends to a buffer of fixed size and remembers whether all of it fitted.
class Appender {
public:
    explicit Appender(std::span<char> buffer) noexcept : buffer_(buffer) {}

    void add(std::string_view text) noexcept {
        if (text.size() > buffer_.size() - used_) {
            fits_ = false;
            return;
        }
        if (text.empty()) return;  // perhaps one that was never set: memcpy() takes no null
        std::memcpy(buffer_.data() + used_, text.data(), text.size());
        used_ += text.size();
    }
    void add_or_null(std::string_view text) noexcept { add(text.empty() ? "<null>" : text); }
    void add_number(std::uint32_t number) noexcept {
        char digits[10];
        const auto end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
        add({digits, static_cast<std::size_t>(end - digits)});
    }

    bool fits() const noexcept { return fits_; }
    std::string_view text() const noexcept { return {buffer_.data(), used_}; }

private:
    std::span<char> buffer_;
    std::size_t used_ = 0;
    bool fits_ = true;
};

// A telephone number's parameters are no part of it, in a SIP URI with ;user=phone either.
std::string_view plain_user(const sip::Uri& uri) noexcept {
    return sip::is_user_phone(uri) ? uri.user.substr(0, uri.user.find(';')) : uri.user;
}

enum class UriPart { kUser, kHost };

void add_uri_part(Appender& out, std::string_view text, UriPart part) noexcept {
    sip::Uri uri;
    if (!sip::parse_uri(text, uri)) return out.add("<null>");
    out.add_or_null(part == UriPart::kUser ? plain_user(uri) : uri.host);
}

void add_header(Appender& out, const sip::Message& message, std::string_view name) noexcept {
    const sip::HeaderLine field = sip::find_header(message, name);
    out.add(field.present() ? field.value : std::string_view("<null>"));
}

// Not what algorithm 5 hashes: a CANCEL or ACK has none, nor has a request whose first credentials
// are no Digest, and an empty name is an empty text.
void add_auth_user(Appender& out, const sip::Message& message) noexcept {
    const sip::HeaderField& credentials =
        message.proxy_authorization.present() ? message.proxy_authorization : message.authorization;
    std::string_view parameters;
    if (message.follows_invite() || !is_digest(credentials.value, parameters))
        return out.add("<null>");
    out.add(user_of(digest_username(parameters)));
}

void add_variable(Appender& out, const table::PvarStep& step, const sip::Message& message,
                  const Endpoint& source) noexcept {
    char address[kAddressTextMax];
    switch (step.kind) {
        case table::Pvar::kText:
            return out.add(step.text);
        case table::Pvar::kCallId:
            return out.add_or_null(message.call_id.value);
        case table::Pvar::kCSeq:
            return out.add_number(message.cseq_number);
        case table::Pvar::kMethod:
            return out.add_or_null(message.method_text);
        case table::Pvar::kUserAgent:
            return add_header(out, message, "User-Agent");
        case table::Pvar::kAuthUser:
            return add_auth_user(out, message);
        case table::Pvar::kSourceIp:
            return out.add({address, source.address.write(address)});
        case table::Pvar::kSourcePort:
            return out.add_number(source.port);
        case table::Pvar::kFromUri:
            return out.add_or_null(from_uri(message));
        case table::Pvar::kFromUser:
            return add_uri_part(out, from_uri(message), UriPart::kUser);
        case table::Pvar::kFromHost:
            return add_uri_part(out, from_uri(message), UriPart::kHost);
        case table::Pvar::kToUri:
            return out.add_or_null(to_uri(message));
        case table::Pvar::kToUser:
            return add_uri_part(out, to_uri(message), UriPart::kUser);
        case table::Pvar::kToHost:
            return add_uri_part(out, to_uri(message), UriPart::kHost);
        case table::Pvar::kRequestUri:
            return out.add_or_null(message.request_uri);
        case table::Pvar::kRequestUser:
            return add_uri_part(out, message.request_uri, UriPart::kUser);
        case table::Pvar::kRequestHost:
            return add_uri_part(out, message.request_uri, UriPart::kHost);
        case table::Pvar::kHeader:
            return add_header(out, message, step.text);
    }
}

std::string_view addr_spec(const sip::NameAddr& parsed, const sip::HeaderField& field) noexcept {
    if (!parsed.uri.empty()) return trim(parsed.uri);
    sip::NameAddr value;
    return sip::parse_from_to(field.value, value) ? trim(value.uri) : std::string_view();
}

}  // namespace

bool uri_hash_text(std::string_view text, bool user_only, HashText& key) noexcept {
    sip::Uri uri;
    if (!sip::parse_uri(text, uri) || uri.scheme == sip::Scheme::kUrn ||
        uri.scheme == sip::Scheme::kOther)
        return false;
    if (uri.has_user && uri.user.empty()) return false;  // "sip:@host" is no URI to Kamailio
    const bool tel = uri.scheme == sip::Scheme::kTel;
    key.x = plain_user(uri);
    key.y = {};
    if (user_only || tel) return true;
    const std::uint16_t own =
        uri.scheme == sip::Scheme::kSips && !sip::is_user_phone(uri) ? 5061 : kSipPort;
    key.y = uri.port == own ? uri.host : uri.host_port;
    return true;
}

bool auth_user(const sip::Message& request, std::string_view& user) noexcept {
    std::string_view parameters;
    if (!is_digest(request.proxy_authorization.value, parameters) &&
        !is_digest(request.authorization.value, parameters)) {
        return false;
    }
    user = trim(user_of(digest_username(parameters)));
    return !user.empty();
}

std::string_view from_uri(const sip::Message& message) noexcept {
    return addr_spec(message.from_addr, message.from);
}

std::string_view to_uri(const sip::Message& message) noexcept {
    return addr_spec(message.to_addr, message.to);
}

bool expand(const table::PvarProgram& program, const sip::Message& message, const Endpoint& source,
            std::span<char> buffer, std::string_view& text) noexcept {
    Appender out(buffer);
    for (const table::PvarStep& step : program.steps()) add_variable(out, step, message, source);
    text = trim(out.text());
    return out.fits();
}

}  // namespace lb::core
