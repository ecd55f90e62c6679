#include "cli/trace.h"

#include <gtest/gtest.h>

namespace lb::cli {
namespace {

using rpc::Struct;
using rpc::Value;

TEST(Trace, AsksForWhatIsGiven) {
    TraceOptions options;
    options.call_id = "5@x";
    options.source = "10.0.0.0/8";
    options.seconds = 9;
    options.count = 2;
    const std::vector<Value> expected{"start",     "callid=5@x", "src=10.0.0.0/8",
                                      "seconds=9", "count=2",    "file=a.pcapng"};
    EXPECT_EQ(trace_words(options, "a.pcapng"), expected);
    TraceOptions all;
    all.all = true;
    EXPECT_EQ(trace_words(all, ""),
              (std::vector<Value>{"start", "all", "seconds=300", "count=10000"}));
}

Struct line(const char* message) {
    return Struct{{"NUMBER", 1},
                  {"TIME", "2026-11-22T16:38:53.123456+01:00"},
                  {"PORT", "edge"},
                  {"SOURCE", "10.77.0.9:5062"},
                  {"TARGET", "10.77.0.1:5060"},
                  {"MESSAGE", message},
                  {"CSEQ", "1 INVITE"},
                  {"CALLID", "abc"},
                  {"DECISION", "decided"}};
}

TEST(Trace, ALineForWhatCameAndOneForWhatWent) {
    Struct both = line("INVITE sip:b@c");
    both.add("SENT", Struct{{"PORT", "core"},
                            {"SOURCE", "10.88.0.1:5060"},
                            {"TARGET", "10.88.0.11:5060"},
                            {"MESSAGE", "INVITE sip:b@c"}});
    EXPECT_EQ(trace_text(both),
              "16:38:53.123456 in  edge  INVITE sip:b@c  10.77.0.9:5062 -> 10.77.0.1:5060  abc  "
              "decided\n"
              "16:38:53.123456 out core  INVITE sip:b@c  10.88.0.1:5060 -> 10.88.0.11:5060  abc\n");
    EXPECT_EQ(trace_text(line("200 OK")),
              "16:38:53.123456 in  edge  200 OK (1 INVITE)  10.77.0.9:5062 -> 10.77.0.1:5060  abc  "
              "decided\n");
    EXPECT_NE(trace_text(line("")).find("(no SIP)"), std::string::npos);
}

}  // namespace
}  // namespace lb::cli
