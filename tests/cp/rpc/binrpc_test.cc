#include "cp/rpc/binrpc.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "tests/support/guarded_bytes.h"

namespace lb::rpc {
namespace {

using namespace std::string_literals;

std::string hex(std::string_view bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string out;
    for (const char c : bytes) {
        if (!out.empty()) out += ' ';
        out += kDigits[static_cast<unsigned char>(c) >> 4];
        out += kDigits[static_cast<unsigned char>(c) & 15];
    }
    return out;
}

std::string unhex(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 3) {
        out.push_back(static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
    }
    return out;
}

struct ValueRow {
    const char* name;
    Value value;
    const char* bytes;
};

TEST(Binrpc, ValuesHaveTheBytesOfTheSpecification) {
    const ValueRow rows[] = {
        {"zero", 0, "00"},
        {"one byte", 1, "10 01"},
        {"not sign extended", 128, "10 80"},
        {"two bytes", 256, "20 01 00"},
        {"largest", 2147483647, "40 7f ff ff ff"},
        {"minus one", -1, "40 ff ff ff ff"},
        {"smallest", std::numeric_limits<std::int32_t>::min(), "40 80 00 00 00"},
        {"unsigned", 4157334692u, "40 f7 cb e4 a4"},
        {"six characters", "abcdef", "71 61 62 63 64 65 66 00"},
        {"seven characters", "abcdefg", "91 08 61 62 63 64 65 66 67 00"},
        {"empty string", "", "11 00"},
        {"null string", Null{}, "91 0e 3c 6e 75 6c 6c 20 73 74 72 69 6e 67 3e 00"},
        {"double zero", 0.0, "02"},
        {"double 12", 12.0, "22 2e e0"},
        {"double -1.5", -1.5, "82 ff ff ff ff ff ff fa 24"},
        {"count", std::int64_t{12}, "22 2e e0"},
        {"struct", Struct{{"A", 1}, {"A", Struct{}}}, "03 25 41 00 10 01 25 41 00 03 83 83"},
    };
    for (const ValueRow& row : rows) {
        std::string out;
        append_value(out, row.value);
        EXPECT_EQ(hex(out), row.bytes) << row.name;
    }
}

TEST(Binrpc, LongStringsHaveLongerLengthFields) {
    for (const std::size_t size : {254u, 255u, 65534u, 65535u, 70000u}) {
        std::string out;
        append_value(out, std::string(size, 'x'));
        const std::size_t width = size + 1 < 256 ? 1 : size + 1 < 65536 ? 2 : 3;
        ASSERT_EQ(out.size(), 1 + width + size + 1);
        EXPECT_EQ(static_cast<std::uint8_t>(out[0]), 0x80 | width << 4 | 1);
        const auto values = parse_values(as_bytes(out));
        ASSERT_TRUE(values);
        EXPECT_EQ((*values)[0], Value(std::string(size, 'x')));
    }
}

struct HeaderRow {
    const char* name;
    const char* bytes;
    Defect defect;
    std::uint32_t cookie;
    std::uint32_t body;
    std::size_t size;
};

TEST(Binrpc, Headers) {
    const HeaderRow rows[] = {
        {"plain", "a1 03 0f 01 02 03 04", Defect::kNone, 0x01020304, 15, 7},
        {"shortest", "a1 00 0f 00", Defect::kNone, 0, 15, 4},
        {"long forms", "a1 0f 00 00 00 0f 00 00 00 05", Defect::kNone, 5, 15, 10},
        {"reply", "a1 13 0f 01 02 03 04", Defect::kNone, 0x01020304, 15, 7},
        {"one byte", "a1", Defect::kMoreData, 0, 0, 0},
        {"wrong byte, too early to say", "b1", Defect::kMoreData, 0, 0, 0},
        {"cut in cookie", "a1 03 0f 01 02 03", Defect::kMoreData, 0, 0, 0},
        {"bad magic", "b1 03 0f 01 02 03 04", Defect::kCorrupted, 0, 0, 0},
        {"bad version", "a2 03 0f 01 02 03 04", Defect::kCorrupted, 0, 0, 0},
        {"type 2", "a1 23 0f 01 02 03 04", Defect::kCorrupted, 0, 0, 0},
        {"type 15", "a1 f3 0f 01 02 03 04", Defect::kCorrupted, 0, 0, 0},
    };
    for (const HeaderRow& row : rows) {
        Header header;
        const std::string bytes = unhex(row.bytes);
        ASSERT_EQ(parse_header(as_bytes(bytes), header), row.defect) << row.name;
        if (row.defect != Defect::kNone) continue;
        EXPECT_EQ(header.cookie, row.cookie) << row.name;
        EXPECT_EQ(header.body, row.body) << row.name;
        EXPECT_EQ(header.size, row.size) << row.name;
    }
}

TEST(Binrpc, CookieAndLengthGoOutInTheirShortestForm) {
    EXPECT_EQ(hex(write_reply(0, Reply{})), "a1 10 00 00");
    EXPECT_EQ(hex(write_reply(5, Reply::of(1))), "a1 10 02 05 10 01");
    EXPECT_EQ(hex(write_reply(0xfffefdfc, Reply{})), "a1 13 00 ff fe fd fc");
    EXPECT_EQ(
        hex(write_reply(7, Reply::failed(500, "Invalid Parameters"))),
        "a1 30 18 07 20 01 f4 91 13 49 6e 76 61 6c 69 64 20 50 61 72 61 6d 65 74 65 72 73 00");
}

// Kamailio sends nothing at all from 255 characters on (spec/binrpc.md 6): we cut the text there.
TEST(Binrpc, LongFaultTextsAreCut) {
    for (const std::size_t size : {254u, 255u, 256u, 5000u}) {
        const std::string packet = write_reply(1, Reply::failed(500, std::string(size, 'x')));
        Header header;
        ASSERT_EQ(parse_header(as_bytes(packet), header), Defect::kNone);
        const auto fault = parse_fault(as_bytes(packet).subspan(header.size));
        ASSERT_TRUE(fault);
        EXPECT_EQ(fault->text.size(), std::min<std::size_t>(size, 255));
    }
}

TEST(Binrpc, RequestsRoundTrip) {
    const std::string packet =
        write_request(9, "dispatcher.set_state", {"ip", 1, -7, 1.5, "sip:127.0.61.1:5060"});
    Header header;
    ASSERT_EQ(parse_header(as_bytes(packet), header), Defect::kNone);
    std::string method;
    Params params;
    ASSERT_EQ(parse_request(as_bytes(packet).subspan(header.size), method, params), Defect::kNone);
    EXPECT_EQ(method, "dispatcher.set_state");
    ASSERT_EQ(params.size(), 5u);
    EXPECT_EQ(params.text(0), "ip");
    EXPECT_EQ(params.integer(1), 1);
    EXPECT_EQ(params.text_or_integer(2), "18446744073709551609");
    EXPECT_EQ(params.integer(3), std::nullopt);
    EXPECT_EQ(params.type_name(3), "float");
    EXPECT_EQ(params.integer(5), std::nullopt);
}

TEST(Binrpc, TextsWithANulAreBytes) {
    for (const std::size_t size : {1u, 7u, 8u, 300u, 70000u}) {
        std::string text(size, 'x');
        text.back() = '\0';
        std::string record;
        append_value(record, text);
        EXPECT_EQ(record[0] & 0x0f, 6) << size;
        const auto values = parse_values(as_bytes(record));
        ASSERT_TRUE(values);
        EXPECT_EQ((*values)[0], Value(text)) << size;

        const std::string packet = write_request(9, "m", {text, "end"});
        Header header;
        ASSERT_EQ(parse_header(as_bytes(packet), header), Defect::kNone);
        std::string method;
        Params params;
        ASSERT_EQ(parse_request(as_bytes(packet).subspan(header.size), method, params),
                  Defect::kNone);
        EXPECT_EQ(params.text_or_bytes(0), text) << size;
        EXPECT_EQ(params.text(0), std::nullopt) << "Kamailio's methods take strings only";
        EXPECT_EQ(params.text_or_bytes(1), "end");
    }
}

struct ParamRow {
    const char* name;
    const char* bytes;
    Param::Kind kind;
    std::int64_t number;
    const char* text;
};

TEST(Binrpc, OddParameters) {
    const ParamRow rows[] = {
        {"long form", "90 01 01", Param::Kind::kInt, 1, ""},
        {"leading zeros", "40 00 00 00 01", Param::Kind::kInt, 1, ""},
        {"zero in a byte", "10 00", Param::Kind::kInt, 0, ""},
        {"five bytes", "50 01 00 00 00 02", Param::Kind::kInt, 2, ""},
        {"struct", "03 25 61 00 10 01 83", Param::Kind::kStruct, 0, ""},
        {"array", "04 10 01 84", Param::Kind::kStruct, 0, ""},
        {"bytes", "36 61 62 63", Param::Kind::kBytes, 0, ""},
        {"name", "25 61 00", Param::Kind::kBroken, 0, ""},
        {"type 7", "17 01", Param::Kind::kBroken, 0, ""},
        {"cut off", "40 01", Param::Kind::kBroken, 0, ""},
        {"length field cut off", "b1 00", Param::Kind::kBroken, 0, ""},
        {"NUL inside", "61 61 62 00 63 64 00", Param::Kind::kString, 0, "ab"},
        {"no NUL at the end", "31 61 62 63", Param::Kind::kString, 0, "abc"},
        {"null string", "01", Param::Kind::kString, 0, ""},
    };
    for (const ParamRow& row : rows) {
        std::string body;
        append_value(body, "m");
        body += unhex(row.bytes);
        std::string method;
        Params params;
        ASSERT_EQ(parse_request(as_bytes(body), method, params), Defect::kNone) << row.name;
        ASSERT_GE(params.size(), 1u) << row.name;
        const bool is_int = row.kind == Param::Kind::kInt;
        const bool is_text = row.kind == Param::Kind::kString;
        EXPECT_EQ(params.integer(0).has_value(), is_int) << row.name;
        EXPECT_EQ(params.text(0).has_value(), is_text) << row.name;
        EXPECT_EQ(params.integer(0).value_or(0), row.number) << row.name;
        EXPECT_EQ(params.text(0).value_or(""), row.text) << row.name;
    }
}

TEST(Binrpc, FaultsCarryOurDetailAsAThirdRecord) {
    const std::string packet =
        write_reply(1, Reply::failed(500, "Reload Failed", "row 3: bad URI"));
    const auto fault = parse_fault(as_bytes(packet).subspan(4));
    ASSERT_TRUE(fault);
    EXPECT_EQ(*fault, (Fault{500, "Reload Failed", "row 3: bad URI"}));
}

// Random trees come back as they were; a List comes back as the struct it is on this wire.
Value random_value(std::mt19937& random, unsigned depth) {
    switch (random() % (depth > 4 ? 3 : 4)) {
        case 0:
            return static_cast<std::int32_t>(random());
        case 1:
            return std::string(random() % 300, static_cast<char>('a' + random() % 26));
        case 2:
            return static_cast<double>(static_cast<std::int32_t>(random())) / 1000.0;
        default: {
            Struct record;
            for (auto i = random() % 5; i > 0; --i) {
                record.add(std::string(random() % 12, 'N'), random_value(random, depth + 1));
            }
            return record;
        }
    }
}

bool nearly_equal(const Value& a, const Value& b) {
    std::string left;
    std::string right;
    append_value(left, a);
    append_value(right, b);
    const auto* x = a.get_if<double>();
    const auto* y = b.get_if<double>();
    if (x != nullptr && y != nullptr) return std::abs(*x - *y) < 0.0011;  // cut, not rounded
    if (a.members() == nullptr || b.members() == nullptr) return a == b;
    if (a.members()->size() != b.members()->size()) return false;
    for (std::size_t i = 0; i < a.members()->size(); ++i) {
        const Member& m = (*a.members())[i];
        const Member& n = (*b.members())[i];
        if (m.name != n.name || !nearly_equal(m.value, n.value)) return false;
    }
    return true;
}

TEST(Binrpc, RandomTreesRoundTrip) {
    std::mt19937 random(1);
    for (int i = 0; i < 2000; ++i) {
        const Value value = random_value(random, 0);
        std::string out;
        append_value(out, value);
        const auto values = parse_values(as_bytes(out));
        ASSERT_TRUE(values) << values.error().message;
        ASSERT_EQ(values->size(), 1u);
        ASSERT_TRUE(nearly_equal((*values)[0], value)) << hex(out);
    }
}

// Every prefix and every one-byte change of a good packet is safe at an unmapped page.
TEST(Binrpc, DamagedPacketsAreSafe) {
    std::mt19937 random(2);
    std::string body;
    append_value(body, "dispatcher.list");
    append_value(body, Struct{{"A", 1}, {"LONGNAME", "a longer string"}, {"B", -1.5}});
    for (std::size_t cut = 0; cut <= body.size(); ++cut) {
        test::GuardedBytes bytes(std::string_view(body).substr(0, cut));
        std::string method;
        Params params;
        (void)parse_request(as_bytes(bytes.text()), method, params);
        (void)parse_values(as_bytes(bytes.text()));
    }
    for (int i = 0; i < 20000; ++i) {
        std::string damaged = body;
        damaged[random() % damaged.size()] = static_cast<char>(random());
        test::GuardedBytes bytes(damaged);
        std::string method;
        Params params;
        (void)parse_request(as_bytes(bytes.text()), method, params);
        const auto values = parse_values(as_bytes(bytes.text()));
        EXPECT_TRUE(values || !values.error().message.empty());
    }
}

TEST(Binrpc, NestingEnds) {
    const std::string body(kDepthMax * 4, '\x03');
    EXPECT_FALSE(parse_values(as_bytes(body)));
    const std::string good = std::string(kDepthMax, '\x03') + std::string(kDepthMax, '\x83');
    EXPECT_TRUE(parse_values(as_bytes(good)));
}

}  // namespace
}  // namespace lb::rpc
