#include "cp/rpc/json_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace lb::rpc {
namespace {

std::string json(const Value& value, bool pretty) {
    std::string out;
    append_json(out, value, JsonStyle{pretty});
    return out;
}

TEST(JsonText, CompactAndPretty) {
    const Value value = Struct{
        {"N", 2}, {"L", List{}.add("SET", Struct{{"ID", 1}}).add("SET", Null{})}, {"E", Struct{}}};
    EXPECT_EQ(json(value, false), R"({"N":2,"L":[{"SET":{"ID":1}},{"SET":null}],"E":{}})");
    EXPECT_EQ(json(value, true),
              "{\n\t\"N\":\t2,\n\t\"L\":\t[{\n\t\t\t\"SET\":\t{\n\t\t\t\t\"ID\":\t1\n\t\t\t}\n"
              "\t\t}, {\n\t\t\t\"SET\":\tnull\n\t\t}],\n\t\"E\":\t{\n\t}\n}");
}

TEST(JsonText, Scalars) {
    EXPECT_EQ(json(4157334692u, false), "4157334692");
    EXPECT_EQ(json(-5, false), "-5");
    EXPECT_EQ(json(std::numeric_limits<std::int64_t>::max(), false), "9223372036854775807");
    EXPECT_EQ(json(0.0, false), "0");
    EXPECT_EQ(json(1.5, false), "1.500000");
    EXPECT_EQ(json(std::numeric_limits<double>::infinity(), false), "null");
    EXPECT_EQ(json(std::numeric_limits<double>::max(), false).size(), 316u);
    EXPECT_EQ(json("q\"b\\t\tn\n\x01 \xc3\xbc/", false), "\"q\\\"b\\\\t\\tn\\n\\u0001 \xc3\xbc/\"");
}

struct BytesRow {
    const char* name;
    const char* text;
    const char* clean;
};

TEST(JsonText, BytesThatAreNoUtf8) {
    const BytesRow rows[] = {
        {"Latin-1", "J\xf6rg \xe4", "J\xef\xbf\xbdrg \xef\xbf\xbd"},
        {"UTF-8", "\xc3\xb6 \xe2\x82\xac \xf0\x9f\x93\x9e",
         "\xc3\xb6 \xe2\x82\xac \xf0\x9f\x93\x9e"},
        {"cut short", "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"overlong", "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"surrogate", "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (const BytesRow& row : rows) {
        const Value value = Struct{{row.text, row.text}};
        const auto object = [](const std::string& text) {
            return "{\"" + text + "\":\"" + text + "\"}";
        };
        EXPECT_EQ(json(value, false), object(row.clean)) << row.name;
        std::string raw;
        append_json(raw, value, {.pretty = false, .raw_bytes = true});
        EXPECT_EQ(raw, object(row.text)) << row.name;
    }
}

TEST(JsonText, ArraysOfPlainValuesStandOnOneLine) {
    std::string out;
    append_json_array(out, {Value("a"), Value(5)}, JsonStyle{true});
    EXPECT_EQ(out, "[\"a\", 5]");
}

}  // namespace
}  // namespace lb::rpc
