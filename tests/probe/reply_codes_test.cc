#include "probe/reply_codes.h"

#include <gtest/gtest.h>

#include <vector>

namespace lb::probe {
namespace {

struct Row {
    const char* text;
    const char* ignored;  // the first of it
    std::vector<unsigned> accepted, refused;
};

const Row kRows[] = {
    {" code=404 ; code : 5 ", "code : 5", {404}, {5}},
    {"", "", {200, 204, 299}, {0, 100, 199, 300, 404, 408, 503, 699, 700, 100000}},
    {"code=404", "", {200, 404}, {403, 405, 503}},
    {"class=4", "", {200, 400, 404, 408, 499}, {399, 500}},
    {"class=4;code=500;class=3", "", {302, 404, 500, 200}, {501, 503, 603}},
    {" code = 501 ; code=403 ;", "", {501, 403}, {502}},
    {"code=501,code=403", ",code=403", {501}, {403}},
    {"501,403", "501", {200}, {501, 403}},
    {"501;code=403", "501", {403}, {501}},
    {"code=99;code=700;code=100;code=699", "code=99", {100, 699}, {99, 700}},
    {"class=0;class=7;class=6", "class=0", {600, 699}, {0, 99, 700}},
    {"codes=404;code=4o4;code=;code;=404", "codes=404", {200}, {404, 4}},
    // As Kamailio 5.6.3 took them when set one by one.
    {"Code=404;CLASS=5", "", {404, 500, 503}, {403, 600}},
    {"code=\"404\";class='3'", "", {302, 404}, {403}},
    {"code=404x;code=+403;code=0405;class=5x", "", {403, 404, 405, 500}, {402}},
    {"code=1e2;code=403 404;class=3", "code=1e2", {302}, {100, 403, 404}},
    {"code=-404;code=99999999999999999999;code=503", "code=-404", {503}, {404}},
    {";;;code=500;;", "", {500}, {501}},
};

TEST(ReplyCodes, ParsesAsDocumented) {
    for (const Row& row : kRows) {
        const ReplyCodes codes = ReplyCodes::parse(row.text);
        for (const unsigned code : row.accepted)
            EXPECT_TRUE(codes.accepts(code)) << row.text << code;
        for (const unsigned code : row.refused)
            EXPECT_FALSE(codes.accepts(code)) << row.text << code;
        EXPECT_EQ(ReplyCodes::first_ignored(row.text), row.ignored) << row.text;
    }
}

}  // namespace
}  // namespace lb::probe
