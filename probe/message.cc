#include "probe/message.h"

#include <algorithm>
#include <array>

#include "dp/sip/branch.h"

namespace lb::probe {

namespace {

bool is_clean(std::string_view text) noexcept {
    return std::none_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f;
    });
}

// 16 hex digits that only we can make of the number; `use` keeps From tag and Call-ID apart.
std::string mark(const Secret& secret, std::uint64_t number, std::uint8_t use) {
    std::array<std::uint8_t, 9> input{use};
    store_be32(&input[1], static_cast<std::uint32_t>(number >> 32));
    store_be32(&input[5], static_cast<std::uint32_t>(number));
    std::string text(16, '0');
    write_hex64(siphash_2_4(secret.tag, input), text.data());
    return text;
}

void add_local(const Endpoint& local, std::string& out) {
    std::array<char, kEndpointTextMax> text;
    std::string_view shown{text.data(), local.write(text.data())};
    if (local.port == kSipPort) shown = shown.substr(0, shown.rfind(':'));
    out += shown;
}

// A name-addr. Kamailio puts no second brackets around a From that has its own.
void add_address(std::string_view uri, bool may_have_brackets, std::string& out) {
    const bool bare = !may_have_brackets || uri.find('<') == std::string_view::npos;
    if (bare) out += '<';
    out += uri;
    if (bare) out += '>';
}

}  // namespace

bool write_ping(const PingFormat& format, const Secret& secret, std::uint64_t number,
                std::string_view uri, std::string_view from, const Endpoint& local,
                std::string& out) {
    out.clear();
    if (from.empty()) from = format.from;
    if (!is_clean(uri) || !is_clean(from)) return false;

    std::array<char, sip::kBranchSize> branch;
    sip::write_probe_branch(secret, number, branch.data());
    out.append(format.method).append(" ").append(uri).append(" SIP/2.0\r\nVia: SIP/2.0/UDP ");
    add_local(local, out);
    out.append(";branch=").append(branch.data(), branch.size()).append("\r\nTo: ");
    add_address(uri, false, out);
    out.append("\r\nFrom: ");
    add_address(from, true, out);
    out.append(";tag=").append(mark(secret, number, 'f'));
    out.append("\r\nCSeq: 10 ").append(format.method);
    out.append("\r\nCall-ID: ").append(mark(secret, number, 'c')).append("@");
    out.append(local.address.text());
    out.append("\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n");
    if (!format.user_agent.empty()) {
        out.append("User-Agent: ").append(format.user_agent).append("\r\n");
    }
    out.append("\r\n");
    if (out.size() > kPingMax) out.clear();
    return !out.empty();
}

}  // namespace lb::probe
