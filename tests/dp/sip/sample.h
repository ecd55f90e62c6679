#pragma once

// Messages of our own that several tests begin with.

#include <string>
#include <string_view>

namespace lb::test {

inline constexpr std::string_view kInvite =
    "INVITE sip:bob@example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKa7f3;rport\r\n"
    "Max-Forwards: 70\r\n"
    "From: \"Alice\" <sip:alice@example.com>;tag=a1\r\n"
    "To: <sip:bob@example.com>\r\n"
    "Call-ID: 3848276298220188511@192.0.2.10\r\n"
    "CSeq: 314159 INVITE\r\n"
    "Contact: <sip:alice@192.0.2.10:5062>\r\n"
    "Content-Type: application/sdp\r\n"
    "Content-Length: 5\r\n"
    "\r\n"
    "v=0\r\n";

// Folded, spaced and spelled as oddly as RFC 3261 allows, and still good.
inline constexpr std::string_view kTortuous =
    "INVITE tel:+15551234 SIP/2.0\r\n"
    "TO :\r\n sip:v@chair.example.com ;  tag  = 19\r\n"
    "from  : \"J \\\\\\\"\"   <sip:jdr@example.com>\r\n  ;\r\n  tag = 98\r\n"
    "MaX-fOrWaRdS: 0068\r\nCall-ID: wide.open@192.0.2.1\r\nContent-Length   : 2\r\n"
    "cseq: 0009\r\n  INVITE\r\n"
    "Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2 : 5070;branch=390skdjuw ; rport "
    ";received=1.2.3.4\r\n"
    "Odd: ;;,,;;,;\r\nRoute: <sip:a;lr>\r\n"
    "v:  SIP  / 2.0  / TCP     h.example.com   ;\r\n  branch  =   z9hG4bK9  ,\r\n"
    " SIP  /    2.0   / UDP  [::1]   ; x=\"a,b\"\r\n"
    "\r\nab";

// kInvite with the first `from` replaced by `to`.
inline std::string with(std::string_view from, std::string_view to,
                        std::string_view message = kInvite) {
    std::string text(message);
    const std::size_t at = text.find(from);
    return at == std::string::npos ? std::string() : text.replace(at, from.size(), to);
}

}  // namespace lb::test
