#include "dp/sip/header_name.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "dp/sip/parser.h"

namespace lb::sip {
namespace {

constexpr std::string_view kNames[] = {
    "Via",
    "v",
    "From",
    "f",
    "To",
    "t",
    "Call-ID",
    "i",
    "CSeq",
    "Max-Forwards",
    "Contact",
    "m",
    "Route",
    "Require",
    "Content-Length",
    "l",
    "Content-Type",
    "Record-Route",
    "Proxy-Require",
    "Proxy-Authorization",
    "Authorization",
    "Proxy-Authenticate",
    "Allow",
    "Supported",
    "Subject",
};

// What find() is sure of must be what classify() says.
void expect_agreement(const std::string& line) {
    std::string readable = line;
    readable.append(HeaderTable::kReadable, 'x');
    const HeaderTable::Entry* entry = nullptr;
    const auto match = kHeaderTable.find(readable.data(), entry);
    const HeaderStart start = classify(line);
    if (match == HeaderTable::Match::kOther) {
        EXPECT_EQ(start.header, Header::kOther) << line;
    }
    if (match != HeaderTable::Match::kUsual || entry->header == Header::kOther) return;
    EXPECT_EQ(start.header, entry->header) << line;
    EXPECT_EQ(start.value + 1, entry->size) << line;
    EXPECT_EQ(line[start.value], ' ') << line;
    EXPECT_EQ(slot_of(start.header), entry->slot) << line;
}

std::string in_case(std::string_view name, std::mt19937& random) {
    std::string text(name);
    for (char& c : text) {
        if (is_letter(c) && random() % 2 == 0) c = static_cast<char>(c ^ 0x20);
    }
    return text;
}

TEST(HeaderTable, KnowsEveryUsualName) {
    for (const std::string_view name : kNames) {
        const std::string line = std::string(name) + ": value\r\n";
        const HeaderTable::Entry* entry = nullptr;
        const Header header = classify(line).header;
        if (header == Header::kOther) continue;
        const bool fits = name.size() > 1;
        EXPECT_EQ(kHeaderTable.find((line + line).data(), entry) == HeaderTable::Match::kUsual,
                  fits)
            << name;
        expect_agreement(line);
    }
}

// Names of ours and others, cut, lengthened and with odd bytes anywhere, above all behind them.
TEST(HeaderTable, AgreesWithClassify) {
    std::mt19937 random(7331);
    constexpr std::string_view kOdd = ": \t\r\n;-=\x1a\x0d\x00\xff\x9a\x54tTvV";
    for (int round = 0; round < 400000; ++round) {
        std::string line = in_case(kNames[random() % std::size(kNames)], random);
        const auto odd = [&] { return kOdd[random() % kOdd.size()]; };
        if (random() % 4 == 0) line.resize(1 + random() % line.size());
        if (random() % 2 == 0) line.insert(random() % (line.size() + 1), 1, odd());
        if (random() % 4 == 0) line[random() % line.size()] = odd();
        if (random() % 2 == 0) line += odd();
        if (random() % 2 == 0) line += ':';
        line += random() % 2 == 0 ? " sip:a@b\r\n" : "\n";
        expect_agreement(line);
    }
}

std::string message_with(std::string_view cseq, std::string_view max_forwards,
                         std::string_view length) {
    std::string text = "INVITE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n";
    text.append("From: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: ").append(cseq);
    text.append("\r\nMax-Forwards: ").append(max_forwards);
    text.append("\r\nContent-Length: ").append(length).append("\r\n\r\n");
    return text.append("0123456789");
}

struct NumberRow {
    std::string_view cseq, max_forwards, length;
    Error error;
    std::uint32_t number;
    std::int32_t hops;
    std::size_t body;
};

constexpr NumberRow kNumberRows[] = {
    {"1 INVITE", "70", "0", Error::kNone, 1, 70, 0},
    {"0 INVITE", "0", "10", Error::kNone, 0, 0, 10},
    {"12345678 INVITE", "255", "00000009", Error::kNone, 12345678, 255, 9},
    {"123456789 INVITE", "1000000", "000000009", Error::kNone, 123456789, 1000000, 9},
    {"4294967295 INVITE", "1000001", "010", Error::kNone, 4294967295, 1000000, 10},
    {"4294967296 INVITE", "70", "0", Error::kBadCseq, 0, 70, 0},
    {"0000000001 INVITE", "99999999999999999999", "1", Error::kNone, 1, 1000000, 1},
    {"1  INVITE", "00000000000070", "1", Error::kNone, 1, 70, 1},
    {"1\tINVITE", "7", "1", Error::kNone, 1, 7, 1},
    {"1 INVITES", "70", "1", Error::kBadCseq, 1, 70, 1},
    {"1 invite", "70", "1", Error::kBadCseq, 1, 70, 1},
    {"1INVITE", "70", "1", Error::kBadCseq, 1, 70, 1},
    {"a INVITE", "70", "1", Error::kBadCseq, 0, 70, 1},
    {" INVITE", "70", "1", Error::kBadCseq, 0, 70, 1},
    {"1: INVITE", "70", "1", Error::kBadCseq, 0, 70, 1},
    {"1 INVITE", "7/", "1", Error::kBadMaxForwards, 1, -1, 1},
    {"1 INVITE", "7:", "1", Error::kBadMaxForwards, 1, -1, 1},
    {"1 INVITE", "-1", "1", Error::kBadMaxForwards, 1, -1, 1},
    {"1 INVITE", "/0", "1", Error::kBadMaxForwards, 1, -1, 1},
    {"1 INVITE", ":0", "1", Error::kBadMaxForwards, 1, -1, 1},
    {"1 INVITE", "0\xb0", "1", Error::kBadMaxForwards, 1, -1, 1},
    {"1 INVITE", "\xff\xff", "1", Error::kBadMaxForwards, 1, -1, 1},
    {"1 INVITE", "00", "1", Error::kNone, 1, 0, 1},
    {"1 INVITE", "09", "1", Error::kNone, 1, 9, 1},
    {"1 INVITE", "99", "1", Error::kNone, 1, 99, 1},
    {"1 INVITE", "100", "1", Error::kNone, 1, 100, 1},
    {"1 INVITE", "9999", "1", Error::kNone, 1, 9999, 1},
    {"1 INVITE", "", "1", Error::kBadMaxForwards, 1, 1000000, 1},
    {"1 INVITE", "70", "", Error::kBadContentLength, 1, 70, 10},
    {"1 INVITE", "\xb0", "1", Error::kBadMaxForwards, 1, -1, 1},
    {"1 INVITE", "70", "11", Error::kBadContentLength, 1, 70, 10},
    {"1 INVITE", "70", "1x", Error::kBadContentLength, 1, 70, 10},
    {"1 INVITE", "70", "+1", Error::kBadContentLength, 1, 70, 10},
    {"1 INVITE", "70", "4294967297", Error::kBadContentLength, 1, 70, 10},
};

TEST(Numbers, AreReadWhole) {
    Message message;
    for (const NumberRow& row : kNumberRows) {
        const std::string text = message_with(row.cseq, row.max_forwards, row.length);
        EXPECT_EQ(parse(text, message), row.error) << text;
        if (row.error != Error::kBadCseq) {
            EXPECT_EQ(message.cseq_number, row.number) << text;
        }
        EXPECT_EQ(message.max_forwards_value, row.hops) << text;
        EXPECT_EQ(message.body.size(), row.body) << text;
    }
}

struct CseqRow {
    std::string_view cseq;
    Error error;
    std::uint32_t number;
    std::string_view method;
};

constexpr CseqRow kReplyCseqRows[] = {
    {"1 INVITE", Error::kNone, 1, "INVITE"},
    {"4294967295 X", Error::kNone, 4294967295, "X"},
    {"4294967296 X", Error::kBadCseq, 0, ""},
    {"7 AN-UNUSUALLY-LONG-METHOD.WITH-MORE-THAN-ONE-WORD-OF-THE-INDEX-HAS-ROOM-FOR", Error::kNone,
     7, "AN-UNUSUALLY-LONG-METHOD.WITH-MORE-THAN-ONE-WORD-OF-THE-INDEX-HAS-ROOM-FOR"},
    {"1  INVITE", Error::kNone, 1, "INVITE"},
    {"1\tINVITE", Error::kNone, 1, "INVITE"},
    {"1\r\n INVITE", Error::kNone, 1, "INVITE"},
    {"1 IN VITE", Error::kBadCseq, 1, "IN"},
    {"1 INVITE,", Error::kBadCseq, 1, "INVITE"},
    {"1INVITE", Error::kBadCseq, 1, ""},
    {"1x INVITE", Error::kBadCseq, 1, ""},
    {"x1 INVITE", Error::kBadCseq, 0, ""},
    {"1", Error::kBadCseq, 1, ""},
    {"12", Error::kBadCseq, 12, ""},
    {"", Error::kBadCseq, 0, ""},
};

TEST(Numbers, OfReplies) {
    Message message;
    for (const CseqRow& row : kReplyCseqRows) {
        std::string text = message_with(row.cseq, "70", "0");
        text.replace(0, text.find("\r\n"), "SIP/2.0 200 OK");
        EXPECT_EQ(parse(text, message), row.error) << text;
        EXPECT_EQ(message.cseq_number, row.number) << text;
        EXPECT_EQ(message.cseq_method, row.method) << text;
    }
}

// A method that is as long as what two loads compare, and longer ones.
TEST(Numbers, OfEveryMethod) {
    Message message;
    for (const std::string_view method :
         {"A", "ACK", "INVITE", "REGISTER", "SUBSCRIBE", "AN-UNUSUALLY-LONG-METHOD"}) {
        for (const std::string_view other : {"", "X", "-"}) {
            std::string text =
                message_with("9 " + std::string(method) + std::string(other), "1", "0");
            text.replace(0, 6, method);
            EXPECT_EQ(parse(text, message), other.empty() ? Error::kNone : Error::kBadCseq) << text;
            EXPECT_EQ(message.cseq_number, 9U) << text;
        }
    }
}

// What was read before a folded line was found leaves no trace.
TEST(HeaderLines, AreReadAnewWhenOneIsFolded) {
    const std::string plain =
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nVia: SIP/2.0/UDP b\r\n"
        "Via: SIP/2.0/UDP c\r\nRoute: <sip:r>\r\nFrom: f\r\nTo: t\r\n"
        "Call-ID: c\r\nCSeq: 1 X\r\n";
    Message message;
    for (const std::string_view end : {"", "Subject: s\r\n folded\r\n", "X: y\r\n\tz\r\n"}) {
        const std::string text = plain + std::string(end) + "\r\n";  // outlives its views
        EXPECT_EQ(parse(text, message), Error::kNone) << end;
        EXPECT_EQ(message.via_lines, 3) << end;
        EXPECT_EQ(message.routes_count, 1) << end;
        EXPECT_EQ(message.via.value, "SIP/2.0/UDP a") << end;
        EXPECT_EQ(message.second_via.value, "SIP/2.0/UDP b") << end;
        EXPECT_EQ(message.call_id.value, "c") << end;
    }
    EXPECT_EQ(parse(plain + "To: t2\r\n\r\n", message), Error::kDuplicateHeader);
    const std::string folded = plain + "Contact: a\r\n b\r\n\r\n";
    EXPECT_EQ(parse(folded, message), Error::kNone);
    EXPECT_EQ(message.contact.value, "a\r\n b");
}

}  // namespace
}  // namespace lb::sip
