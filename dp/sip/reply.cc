#include "dp/sip/reply.h"

#include <array>
#include <cstring>

#include "dp/sip/branch.h"
#include "dp/sip/header_name.h"
#include "dp/sip/parser.h"
#include "dp/sip/text.h"
#include "dp/sip/uri.h"

namespace lb::sip {
namespace {

// Appends to a bounded buffer; remembers when something did not fit.
class Writer {
public:
    explicit Writer(Bytes out) noexcept : out_(out) {}

    void text(std::string_view part) noexcept {
        if (part.size() > out_.size() - used_) {
            full_ = true;
        } else if (!part.empty()) {
            std::memcpy(out_.data() + used_, part.data(), part.size());
            used_ += part.size();
        }
    }
    void number(unsigned value) noexcept {
        std::array<char, 10> digits;
        char* const end = digits.data() + digits.size();
        char* begin = end;
        do {
            *--begin = static_cast<char>('0' + value % 10);
            value /= 10;
        } while (value != 0);
        text(between(begin, end));
    }
    std::size_t size() const noexcept { return full_ ? 0 : used_; }

private:
    Bytes out_;
    std::size_t used_ = 0;
    bool full_ = false;
};

std::uint64_t tag_number(const Message& request, const Secret& secret) noexcept {
    const std::uint64_t transaction = transaction_number(secret, request);
    std::array<std::uint8_t, 8> bytes;
    std::memcpy(bytes.data(), &transaction, bytes.size());
    return siphash_1_3(secret.tag, bytes);
}

// The line from its name to the end of the value: its line end may be a bare LF or have a stray CR.
std::string_view without_end(const HeaderLine& field) noexcept {
    return between(field.line.data(), end_of(field.value));
}

// RFC 3261 18.2.1 and RFC 3581 4.
bool wants_received(const Via& via, const Endpoint& source, bool force_rport) noexcept {
    if (via.has_rport() || force_rport || !via.received_param.empty()) return true;
    const auto host = literal_host(via.host);
    return !host || *host != source.address;
}

void write_address(Writer& writer, const IpAddress& address) noexcept {
    std::array<char, kAddressTextMax> text;
    writer.text({text.data(), address.write(text.data())});
}

// Copies [from, to) of the topmost Via without its received parameter and with rport filled in.
void write_top_via(Writer& writer, const HeaderLine& field, const Via& via, const Endpoint& source,
                   bool force_rport) noexcept {
    const char* at = field.line.data();
    const auto copy_to = [&](const char* to) {
        writer.text(between(at, to));
        at = to;
    };
    const auto write_rport = [&] {
        if (!via.has_rport()) return;
        copy_to(via.rport_param.data());
        writer.text(";rport=");
        writer.number(source.port);
        at = end_of(via.rport_param);
    };
    const auto drop_received = [&] {
        if (via.received_param.empty()) return;
        copy_to(via.received_param.data());
        at = end_of(via.received_param);
    };
    const bool rport_first = via.rport_param.data() < via.received_param.data();
    rport_first ? write_rport() : drop_received();
    rport_first ? drop_received() : write_rport();
    copy_to(end_of(via.value));
    if (wants_received(via, source, force_rport)) {
        // Behind the stray ';' that some phones send, another one would make an empty parameter.
        writer.text(via.value.ends_with(';') ? "received=" : ";received=");
        write_address(writer, source.address);
    }
    if (force_rport && !via.has_rport()) {
        writer.text(";rport=");
        writer.number(source.port);
    }
    copy_to(end_of(field.value));
    writer.text("\r\n");
}

void write_to(Writer& writer, const HeaderLine& field, const Message& request,
              const ReplyText& text, const Secret& secret) noexcept {
    writer.text(without_end(field));
    NameAddr to;
    const bool tagged = parse_from_to(field.value, to) && !to.tag.empty();
    if (!tagged && text.code > 100) {
        std::array<char, 16> tag;
        write_hex64(tag_number(request, secret), tag.data());
        writer.text(";tag=");
        writer.text({tag.data(), tag.size()});
    }
    writer.text("\r\n");
}

void write_copied(Writer& writer, const HeaderLine& field) noexcept {
    writer.text(without_end(field));
    writer.text("\r\n");
}

bool is_first(const HeaderLine& field, const HeaderField& kept) noexcept {
    return field.value.data() == kept.value.data();
}

// The headers of the request that a reply repeats, in the request's order (RFC 3261 8.2.6.2). Of
// several To, From, Call-ID or CSeq (400) the first: a reply has one of each, and does not grow by
// a tag for each To.
void write_headers(Writer& writer, const Message& request, const Endpoint& source,
                   const ReplyText& text, const Secret& secret) noexcept {
    std::string_view rest = request.header;
    std::string_view name;
    HeaderLine field;
    while (next_header(rest, name, field)) {
        switch (classify(field.line).header) {
            case Header::kVia:
                // A topmost Via that is broken behind its sent-by (400) is copied as it came.
                if (is_first(field, request.via) && !request.top_via.value.empty()) {
                    write_top_via(writer, field, request.top_via, source, text.force_rport);
                } else {
                    write_copied(writer, field);
                }
                break;
            case Header::kTo:
                if (is_first(field, request.to)) write_to(writer, field, request, text, secret);
                break;
            case Header::kFrom:
                if (is_first(field, request.from)) write_copied(writer, field);
                break;
            case Header::kCallId:
                if (is_first(field, request.call_id)) write_copied(writer, field);
                break;
            case Header::kCseq:
                if (is_first(field, request.cseq)) write_copied(writer, field);
                break;
            default:
                break;
        }
    }
}

}  // namespace

std::size_t write_reply(const Message& request, const Endpoint& source, const ReplyText& text,
                        const Secret& secret, Bytes out) noexcept {
    Writer writer(out);
    writer.text("SIP/2.0 ");
    writer.number(text.code);
    writer.text(" ");
    writer.text(text.reason);
    writer.text("\r\n");
    write_headers(writer, request, source, text, secret);
    writer.text(text.extra);
    if (!text.server.empty()) {
        writer.text("Server: ");
        writer.text(text.server);
        writer.text("\r\n");
    }
    writer.text("Content-Length: 0\r\n\r\n");
    return writer.size();
}

bool is_ack_to_our_reply(const Message& ack, const Secret& secret) noexcept {
    NameAddr to;
    std::uint64_t tag = 0;
    return ack.method == Method::kAck && parse_from_to(ack.to.value, to) &&
           parse_hex64(to.tag, tag) && tag == tag_number(ack, secret);
}

Endpoint reply_target(const Message& request, const Endpoint& source, bool force_rport) noexcept {
    const Via& via = request.top_via;
    if (via.has_rport() || force_rport) return source;
    return {source.address, via.port == 0 ? kSipPort : via.port};
}

}  // namespace lb::sip
