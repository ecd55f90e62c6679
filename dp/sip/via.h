#pragma once

// The Via that nearly every message has, "SIP/2.0/UDP host:port;branch=token;rport", read in line
// by its two readers: parse() and parse_via(). What it does not have is for via.cc to judge.

#include <cstdint>
#include <string_view>

#include "dp/sip/break_walk.h"
#include "dp/sip/char_set.h"
#include "dp/sip/message.h"
#include "dp/sip/text.h"

namespace lb::sip {
namespace detail {

inline constexpr CharSet kNoHostChar = CharSet("-._", true).with_letters_and_digits();
inline constexpr std::string_view kUsualProtocol = "SIP/2.0/UDP ";

// Each reads what take_usual_via() does not, and as parse_via() does: `rest` is left alone when
// there is none, and not asked for when null.

// Any Via.
bool take_any_via(std::string_view text, Via& via, std::string_view* rest,
                  const TextIndex* index) noexcept;
// Parameters of any number and order, from `at` on, or if need be all of the Via anew. REQUIRES:
// the Via is read up to there.
bool take_other_params(const char* at, Via& via, std::string_view* rest,
                       const TextIndex& index) noexcept;
// A Via whose host is an IPv6 reference or a long name, or any other.
bool take_long_host(std::string_view text, Via& via, std::string_view* rest,
                    const TextIndex& index) noexcept;

// The parameters that nearly every Via has, read one by one into the Via that `end` is the end of.
struct UsualParams {
    Via& via;
    const char* end;
    const TextIndex& index;
    // Members: a constant that several object files share is loaded for each compare, not folded.
    Name<8> branch{";branch="};
    Name<6> rport{";rport"};
    Name<10> received{";received="};

    template <std::size_t N>
    bool is_at(const char* at, const Name<N>& name) const noexcept {
        return end - at >= name.size() && name.equals(at);
    }
    // Each returns what is behind it. REQUIRES: the parameter is there.
    const char* take_branch(const char* at) const noexcept {
        const char* const token = at + branch.size();
        const char* const token_end = near_break(token, index);
        via.branch = between(token, token_end);
        return token_end;
    }
    const char* take_rport(const char* at) const noexcept {
        const char* value = at + rport.size();
        const char* value_end = value;
        if (value != end && *value == '=') value_end = near_break(++value, index);
        via.rport = between(value, value_end);
        via.rport_param = between(at, value_end);
        return value_end;
    }
    const char* take_received(const char* at) const noexcept {
        const char* const value = at + received.size();
        const char* const value_end = near_break(value, index);
        via.received = between(value, value_end);
        via.received_param = between(at, value_end);
        return value_end;
    }
};

// ";branch=token" with ";rport" behind or in front of it or without, and in a Via that was passed
// on ";received=address" in front of both and a value of rport: all that there is up to the end of
// the Via. False when there is anything else in it. REQUIRES: `received` is clear.
[[gnu::always_inline]] inline bool take_usual_params(const char* at, Via& via,
                                                     const TextIndex& index) noexcept {
    const UsualParams params{via, end_of(via.value), index};
    const char* const end = params.end;
    if (end - at < params.branch.size()) return false;
    if (!params.branch.equals(at)) {
        if (params.is_at(at, params.received)) at = params.take_received(at);
        if (params.is_at(at, params.rport)) {
            at = params.take_rport(at);
            return params.is_at(at, params.branch) && params.take_branch(at) == end;
        }
        if (!params.is_at(at, params.branch)) return false;
    }
    at = params.take_branch(at);
    if (at != end) return params.is_at(at, params.rport) && params.take_rport(at) == end;
    clear(via.rport);
    clear(via.rport_param);
    return true;
}

// The rest of a Via that begins so, behind its host.
[[gnu::always_inline]] inline bool take_behind_host(std::string_view text, const char* host_end,
                                                    Via& via, std::string_view* rest,
                                                    const TextIndex& index) noexcept {
    const char* const host = text.data() + kUsualProtocol.size();
    const char* at = host_end;
    via.value = text;
    via.host = between(host, host_end);
    clear(via.received);
    clear(via.received_param);
    clear(via.maddr);
    if (*at == ':') [[likely]] {
        ++at;
        const std::uint32_t port = end_of(text) - at < 8 ? 0 : take_short_number(at);
        if (port - 1 > 65534) [[unlikely]]
            return take_any_via(via.value, via, rest, &index);
        via.port = static_cast<std::uint16_t>(port);
    } else {
        via.port = 0;
    }
    via.sent_by = between(host, at);
    if (!take_usual_params(at, via, index)) [[unlikely]]
        return take_other_params(at, via, rest, index);
    return true;
}

}  // namespace detail

// parse_via() for the usual one; `rest` is set when there is a comma only, and may be null.
[[gnu::always_inline]] inline bool take_usual_via(std::string_view text, Via& via,
                                                  std::string_view* rest,
                                                  const TextIndex& index) noexcept {
    constexpr std::size_t kHost = detail::kUsualProtocol.size();
    if (text.size() >= kHost + 16 && text.starts_with(detail::kUsualProtocol)) [[likely]] {
        const char* const host = text.data() + kHost;
        const char* const host_end = detail::kNoHostChar.find_in_16(host);
        if (host_end != nullptr && host_end != host) [[likely]]
            return detail::take_behind_host(text, host_end, via, rest, index);
    }
    return detail::take_long_host(text, via, rest, index);
}

}  // namespace lb::sip
