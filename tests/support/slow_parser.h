#pragma once

// The obvious twin of dp/sip/parser.h: splits the text into strings, line by line and part by part,
// with no thought of speed. Written from RFC 3261 section 25 and the leniency that parser.h states,
// sharing no code with it.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dp/sip/parser.h"

namespace lb::test {

struct SlowVia {
    bool good = false;
    std::string value, transport, host, port, branch, received, rport, rest;
    bool has_rport = false;
};

struct SlowMessage {
    sip::Error error = sip::Error::kNone;
    bool reply = false;
    unsigned status = 0;
    std::string method, uri, reason, text, body;
    std::string call_id, from, to, cseq_method, contact;
    std::uint64_t cseq_number = 0;
    std::int64_t max_forwards = -1;
    std::vector<std::string> vias, routes;
    SlowVia top_via;
};

namespace slow {

using Strings = std::vector<std::string>;

inline bool blank(char c) { return c == ' ' || c == '\t'; }
inline bool lws(char c) { return blank(c) || c == '\r' || c == '\n'; }

inline std::string lower(std::string text) {
    for (char& c : text) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return text;
}

inline std::string trim(std::string text) {
    while (!text.empty() && lws(text.back())) text.pop_back();
    while (!text.empty() && lws(text.front())) text.erase(text.begin());
    return text;
}

inline bool only(const std::string& text, const char* set) {
    return !text.empty() && text.find_first_not_of(set) == std::string::npos;
}
inline bool digits(const std::string& text) { return only(text, "0123456789"); }
inline bool token(const std::string& text) {
    return only(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~");
}

// A decimal number, or `limit + 1` when it is larger than `limit`.
inline std::uint64_t number(const std::string& text, std::uint64_t limit) {
    std::string significant = text;
    while (significant.size() > 1 && significant[0] == '0') significant.erase(0, 1);
    if (significant.size() > 15) return limit + 1;
    const std::uint64_t value = std::stoull(significant);
    return value > limit ? limit + 1 : value;
}

// Where the first of `stops` stands outside quotes; the size when nowhere; npos when a quote never
// ends.
inline std::size_t find_outside_quotes(const std::string& text, const std::string& stops) {
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (quoted && text[i] == '\\') {
            ++i;
        } else if (text[i] == '"') {
            quoted = !quoted;
        } else if (!quoted && stops.find(text[i]) != std::string::npos) {
            return i;
        }
    }
    return quoted ? std::string::npos : text.size();
}

inline bool parse_host_port(const std::string& text, SlowVia& via) {
    std::size_t colon = text.rfind(':');
    if (colon != std::string::npos && text.find(']', colon) != std::string::npos) {
        colon = std::string::npos;
    }
    std::string host = trim(text.substr(0, colon));
    const std::string letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
        const std::string inner = host.substr(1, host.size() - 2);
        if (inner.find_first_not_of(letters + ":") != std::string::npos) return false;
    } else if (!only(host, letters.c_str())) {
        return false;
    }
    if (colon != std::string::npos) {
        via.port = trim(text.substr(colon + 1));
        if (!digits(via.port) || number(via.port, 65535) > 65535) return false;
        if (number(via.port, 65535) == 0) return false;
    }
    via.host = host;
    return true;
}

inline bool parse_param(const std::string& text, SlowVia& via, bool seen[3]) {
    const std::size_t equals = text.find('=');
    const std::string name = trim(text.substr(0, equals));
    if (!token(name)) return false;
    std::string value;
    if (equals != std::string::npos) value = trim(text.substr(equals + 1));
    if (!value.empty() && value[0] == '"') {
        const std::size_t end = find_outside_quotes(value, " \t\r\n\"");
        if (end != value.size()) return false;
        // One quoted string and nothing behind it.
        std::size_t close = 1;
        while (close < value.size() && value[close] != '"') close += value[close] == '\\' ? 2 : 1;
        if (close + 1 != value.size()) return false;
    } else {
        for (const char c : value) {
            if (lws(c) || c == '"') return false;
        }
    }
    const std::string known = lower(name);
    if (known == "branch" && !std::exchange(seen[0], true)) via.branch = value;
    if (known == "received" && !std::exchange(seen[1], true)) via.received = value;
    if (known == "rport" && !std::exchange(seen[2], true)) {
        via.rport = value;
        via.has_rport = true;
    }
    return true;
}

// "SIP / 2.0 / UDP host", everything in front of the first ';'.
inline bool parse_via_head(const std::string& head, SlowVia& via) {
    const std::size_t first = head.find('/');
    if (first == std::string::npos) return false;
    const std::size_t second = head.find('/', first + 1);
    if (second == std::string::npos) return false;
    if (lower(trim(head.substr(0, first))) != "sip") return false;
    if (trim(head.substr(first + 1, second - first - 1)) != "2.0") return false;
    const std::string rest = trim(head.substr(second + 1));
    const std::size_t space = rest.find_first_of(" \t\r\n");
    if (space == std::string::npos) return false;
    via.transport = rest.substr(0, space);
    return token(via.transport) && parse_host_port(trim(rest.substr(space)), via);
}

inline SlowVia parse_via(const std::string& text) {
    SlowVia via;
    const std::size_t comma = find_outside_quotes(text, ",");
    if (comma == std::string::npos) return via;
    if (comma < text.size()) via.rest = text.substr(comma + 1);
    via.value = trim(text.substr(0, comma));
    Strings parts;
    std::string left = via.value;
    for (;;) {
        const std::size_t semicolon = find_outside_quotes(left, ";");
        parts.push_back(left.substr(0, semicolon));
        if (semicolon >= left.size()) break;
        left = left.substr(semicolon + 1);
    }
    if (!parse_via_head(parts[0], via)) return via;
    if (parts.size() > 2 && trim(parts.back()).empty()) parts.pop_back();  // one stray ';'
    bool seen[3] = {};
    for (std::size_t i = 1; i < parts.size(); ++i) {
        if (!parse_param(parts[i], via, seen)) return via;
    }
    via.good = true;
    return via;
}

struct Line {
    std::string name, value;
    bool colon = false;
};

// The known header that a name stands for; empty for any other.
inline std::string known_header(const std::string& name) {
    const std::pair<const char*, const char*> rows[] = {
        {"via", "v"},
        {"from", "f"},
        {"to", "t"},
        {"call-id", "i"},
        {"cseq", ""},
        {"max-forwards", ""},
        {"contact", "m"},
        {"route", ""},
        {"content-length", "l"},
        {"record-route", ""},
        {"require", ""},
        {"proxy-require", ""},
        {"authorization", ""},
        {"proxy-authorization", ""},
    };
    for (const auto& [full, compact] : rows) {
        if (name == full || (*compact != '\0' && name == compact)) return full;
    }
    return {};
}

class Reader {
public:
    explicit Reader(std::string_view datagram) : text_(datagram) {}

    SlowMessage read() {
        while (!text_.empty() && (text_[0] == '\r' || text_[0] == '\n')) text_.erase(0, 1);
        out_.text = text_;
        if (text_.empty()) return fail(sip::Error::kEmpty);
        const std::size_t feed = text_.find('\n');
        const std::string first = text_.substr(0, feed);
        note(start_line(first));
        if (out_.error == sip::Error::kNotSip) return out_;
        if (feed == std::string::npos) return fail(sip::Error::kTruncated);
        if (!split(feed + 1)) return fail(sip::Error::kTooManyHeaders);
        headers();
        check();
        return out_;
    }

private:
    SlowMessage fail(sip::Error error) {
        out_.error = error;
        return out_;
    }
    void note(sip::Error error) {
        if (out_.error == sip::Error::kNone) out_.error = error;
    }

    static bool version(const std::string& word) {
        const std::string text = lower(word);
        const std::size_t dot = text.find('.');
        return text.starts_with("sip/") && dot != std::string::npos && dot > 4 &&
               digits(text.substr(4, dot - 4)) && digits(text.substr(dot + 1));
    }

    sip::Error start_line(std::string line) {
        if (!line.empty() && line.back() == '\r') line.pop_back();
        if (lower(line).starts_with("sip/") && line.size() >= 8) return status_line(line);
        const std::size_t space = line.find(' ');
        if (space == std::string::npos || !token(line.substr(0, space))) return sip::Error::kNotSip;
        const std::string rest = line.substr(space + 1);
        const std::string inner = trim(rest);
        const std::size_t last = inner.rfind(' ');
        if (last == std::string::npos || !version(inner.substr(last + 1))) {
            return sip::Error::kNotSip;
        }
        out_.method = line.substr(0, space);
        if (lower(inner.substr(last + 1)) != "sip/2.0") return sip::Error::kVersion;
        out_.uri = inner.substr(0, last);
        if (inner != rest || out_.uri.empty()) return sip::Error::kRequestUri;
        for (const char c : out_.uri) {
            if ((static_cast<unsigned char>(c) <= ' ') || c == 127 || c == '<' || c == '>') {
                return sip::Error::kRequestUri;
            }
        }
        return sip::Error::kNone;
    }

    sip::Error status_line(const std::string& line) {
        const std::size_t space = line.find(' ');
        if (space == std::string::npos) return sip::Error::kNotSip;
        if (!version(line.substr(0, space))) return sip::Error::kNotSip;
        if (lower(line.substr(0, space)) != "sip/2.0") return sip::Error::kVersion;
        out_.reply = true;
        const std::string rest = line.substr(space + 1);
        const std::string code = rest.substr(0, rest.find_first_not_of("0123456789"));
        if (code.size() != 3 || code < "100" || code > "699") return sip::Error::kStatusCode;
        if (rest.size() > 3 && rest[3] != ' ') return sip::Error::kStatusCode;
        out_.status = static_cast<unsigned>(std::stoul(code));
        if (rest.size() > 4) out_.reason = rest.substr(4);
        return sip::Error::kNone;
    }

    // Header lines, unfolded where needed, and the body. False when there are too many.
    bool split(std::size_t at) {
        std::size_t lines = 1;
        Strings raw;
        bool closed = false;
        while (!closed && at < text_.size()) {
            const std::size_t feed = text_.find('\n', at);
            if (feed == std::string::npos) break;
            if (++lines > kHeaderLinesMax + 2) return false;
            const std::string line = text_.substr(at, feed - at);
            at = feed + 1;
            closed = line.empty() || line == "\r";
            if (closed) break;
            if (blank(line[0]) && !raw.empty()) {
                raw.back() += "\n" + line;
            } else {
                if (blank(line[0])) folded_start_ = true;
                raw.push_back(line);
            }
        }
        cut_ = !closed && at < text_.size();
        body_ = text_.substr(at);
        out_.body = body_;
        for (const std::string& line : raw) lines_.push_back(line);
        return true;
    }

    void headers() {
        if (cut_) note(sip::Error::kTruncated);
        if (folded_start_) note(sip::Error::kHeaderLine);
        for (const std::string& line : lines_) header(line);
    }

    void header(const std::string& line) {
        // The name: up to the first character that no name can have.
        std::size_t end = 0;
        while (end < line.size() && token(line.substr(end, 1))) ++end;
        const std::string name = known_header(lower(line.substr(0, end)));
        if (name.empty()) return;
        std::size_t colon = end;
        while (colon < line.size() && blank(line[colon])) ++colon;
        if (colon == line.size() || line[colon] != ':') {
            if (colon > end || end == line.size() || lws(line[end])) note(sip::Error::kHeaderLine);
            return;
        }
        keep(name, trim(line.substr(colon + 1)));
    }

    void only_one(std::string& slot, bool& seen, const std::string& value) {
        if (seen) note(sip::Error::kDuplicateHeader);
        if (!seen) slot = value;
        seen = true;
    }

    void keep(const std::string& name, const std::string& value) {
        if (name == "via") out_.vias.push_back(value);
        if (name == "call-id") only_one(out_.call_id, has_call_id_, value);
        if (name == "cseq") only_one(cseq_, has_cseq_, value);
        if (name == "from") only_one(out_.from, has_from_, value);
        if (name == "to") only_one(out_.to, has_to_, value);
        if (name == "max-forwards") only_one(max_forwards_, has_max_forwards_, value);
        if (name == "contact" && !std::exchange(has_contact_, true)) out_.contact = value;
        if (name == "content-length") {
            if (has_length_ && value != length_) note(sip::Error::kDuplicateHeader);
            if (!has_length_) length_ = value;
            has_length_ = true;
        }
        if (name == "route") {
            if (out_.routes.size() == kRoutesMax) return note(sip::Error::kTooManyHeaders);
            out_.routes.push_back(value);
        }
    }

    bool cseq() {
        const std::size_t space = cseq_.find_first_of(" \t\r\n");
        if (space == std::string::npos) return false;
        const std::string count = cseq_.substr(0, space);
        if (!digits(count) || number(count, 0xffffffff) > 0xffffffff) return false;
        out_.cseq_number = number(count, 0xffffffff);
        out_.cseq_method = trim(cseq_.substr(space));
        return token(out_.cseq_method) && (out_.reply || out_.cseq_method == out_.method);
    }

    void check() {
        if (out_.vias.empty()) {
            note(sip::Error::kNoVia);
        } else {
            out_.top_via = slow::parse_via(out_.vias[0]);
            if (!out_.top_via.good) note(sip::Error::kBadVia);
        }
        if (out_.call_id.empty()) note(sip::Error::kNoCallId);
        if (!has_cseq_) note(sip::Error::kNoCseq);
        if (!cseq()) note(sip::Error::kBadCseq);
        if (!has_from_) note(sip::Error::kNoFrom);
        if (!has_to_) note(sip::Error::kNoTo);
        if (out_.from.empty() || out_.to.empty()) note(sip::Error::kBadFromTo);
        if (has_max_forwards_) {
            if (digits(max_forwards_)) {
                out_.max_forwards = static_cast<std::int64_t>(number(max_forwards_, 999999));
            } else {
                note(sip::Error::kBadMaxForwards);
            }
        }
        if (!has_length_) return;
        if (!digits(length_) || number(length_, body_.size()) > body_.size()) {
            return note(sip::Error::kBadContentLength);
        }
        out_.body = body_.substr(0, number(length_, body_.size()));
        out_.text = text_.substr(0, text_.size() - body_.size()) + out_.body;
    }

    std::string text_, body_, cseq_, max_forwards_, length_;
    Strings lines_;
    bool cut_ = false, folded_start_ = false;
    bool has_call_id_ = false, has_cseq_ = false, has_from_ = false, has_to_ = false;
    bool has_max_forwards_ = false, has_length_ = false, has_contact_ = false;
    SlowMessage out_;
};

}  // namespace slow

inline SlowMessage slow_parse(std::string_view datagram) { return slow::Reader(datagram).read(); }

// What the two disagree about, in words; empty when they agree.
inline std::string disagreement(std::string_view datagram, sip::Error error,
                                const sip::Message& fast) {
    const SlowMessage slow = slow_parse(datagram);
    std::string out;
    const auto compare = [&out](const char* what, std::string_view a, std::string_view b) {
        if (a != b) {
            out += std::string(what) + ": fast [" + std::string(a) + "] slow [" + std::string(b) +
                   "]\n";
        }
    };
    compare("error", sip::error_text(error), sip::error_text(slow.error));
    if (error != sip::Error::kNone || slow.error != sip::Error::kNone) return out;
    compare("method", fast.method_text, slow.method);
    compare("uri", fast.request_uri, slow.uri);
    compare("reason", fast.reason, slow.reason);
    compare("status", std::to_string(fast.status), std::to_string(slow.status));
    compare("text", fast.text, slow.text);
    compare("body", fast.body, slow.body);
    compare("call-id", fast.call_id.value, slow.call_id);
    compare("from", fast.from.value, slow.from);
    compare("to", fast.to.value, slow.to);
    compare("contact", fast.contact.value, slow.contact);
    compare("cseq", std::to_string(fast.cseq_number), std::to_string(slow.cseq_number));
    compare("cseq method", fast.cseq_method, slow.cseq_method);
    compare("max-forwards", std::to_string(fast.max_forwards_value),
            std::to_string(slow.max_forwards));
    compare("vias", std::to_string(fast.via_lines), std::to_string(slow.vias.size()));
    compare("via", fast.via.value, slow.vias[0]);
    compare("top via", fast.top_via.value, slow.top_via.value);
    compare("host", fast.top_via.host, slow.top_via.host);
    const auto slow_port = slow.top_via.port.empty() ? 0UL : std::stoul(slow.top_via.port);
    compare("port", std::to_string(fast.top_via.port), std::to_string(slow_port));
    compare("branch", fast.top_via.branch, slow.top_via.branch);
    compare("received", fast.top_via.received, slow.top_via.received);
    compare("rport", fast.top_via.rport, slow.top_via.rport);
    compare("has rport", fast.top_via.has_rport() ? "1" : "0", slow.top_via.has_rport ? "1" : "0");
    compare("routes", std::to_string(fast.routes_count), std::to_string(slow.routes.size()));
    for (std::size_t i = 0; i < slow.routes.size() && i < fast.routes_count; ++i) {
        compare("route", fast.routes[i].value, slow.routes[i]);
    }
    return out;
}

}  // namespace lb::test
