// siplanectl doctor: finds what is wrong, and is content with what is not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/run_program.h"

namespace lb {
namespace {

using test::Ran;
using testing::HasSubstr;
using testing::Not;

class Doctor : public testing::Test {
protected:
    // A configuration that is fine on any host, but that no daemon runs.
    std::string config(const std::string& list, const std::string& device = "net_null0",
                       const std::string& extra = "") {
        const std::string file = folder.write("list", list);
        return folder.write(
            "c.toml", "secret_file = \"" + folder.file("secret") + "\"\n" + extra +
                          "[eal]\nargs = [\"--no-huge\"]\n[[port]]\nname = \"edge\"\ndevice = \"" +
                          device +
                          "\"\naddresses = [\"10.77.0.1/24\"]\n[[service]]\nname = \"s\"\n"
                          "[dispatcher]\nlist_file = \"" +
                          file + "\"\n[rpc]\nbinrpc = [\"unix:" + folder.file("ctl") + "\"]\n");
    }
    Ran run(const std::string& file) {
        return test::run_program(SIPLANECTL, {"doctor", "--config", file, "--tsv"});
    }

    test::RunFolder folder;
};

TEST_F(Doctor, says_that_nobody_runs) {
    const Ran ran = run(config("1 sip:10.77.0.5\n"));
    EXPECT_EQ(ran.status, 1);
    EXPECT_THAT(ran.out, HasSubstr("ok\tconfig\t"));
    EXPECT_THAT(ran.out, HasSubstr("ok\ttable\t"));
    EXPECT_THAT(ran.out, HasSubstr("warn\tsecret\t"));
    EXPECT_THAT(ran.out, HasSubstr("warn\thuge pages\t"));
    EXPECT_THAT(ran.out, HasSubstr("bad\tdaemon\t"));
    EXPECT_THAT(ran.out, HasSubstr("systemctl status siplaned"));
}

TEST_F(Doctor, names_bad_rows_and_empty_sets) {
    const Ran ran = run(config("2 sip:10.77.0.5\n2 sip:10.77.0.6:99999\n"));
    EXPECT_THAT(ran.out, HasSubstr("bad\ttable\t"));
    EXPECT_THAT(ran.out, HasSubstr("list:2"));
    EXPECT_THAT(ran.out, HasSubstr("warn\tservice\ts uses set 1, which is empty"));
}

// What a reload refuses, or says of a row that serves nobody, is found before it.
TEST_F(Doctor, says_of_rows_what_a_reload_would) {
    std::string list =
        "1 sip:10.77.0.5\n1 sip:10.77.0.6;transport=tcp\n1 sip:gone.invalid\n"
        "1 sip:unasked.invalid 16\n";
    for (int i = 0; i < 22; ++i) list += "1 sip:10.77.0.7:99999\n";
    const Ran ran = run(config(list));
    EXPECT_THAT(ran.out, HasSubstr("list:3: host gone.invalid does not resolve"));
    EXPECT_THAT(ran.out, Not(HasSubstr("list:4: host unasked.invalid")));  // refused for it
    EXPECT_THAT(ran.out, HasSubstr("list:4: sip:unasked.invalid: gets no traffic yet: host "));
    EXPECT_THAT(ran.out, HasSubstr("warn\ttable\t"));
    EXPECT_THAT(ran.out, HasSubstr("transport=tcp: gets no traffic: only UDP is spoken"));
    EXPECT_THAT(ran.out, HasSubstr("list:23: "));
    EXPECT_THAT(ran.out, HasSubstr("bad\ttable\t3 more rows are refused"));
    EXPECT_THAT(ran.out, HasSubstr("3 destinations, 23 refused"));
}

TEST_F(Doctor, looks_at_devices) {
    const Ran missing = run(config("1 sip:10.77.0.5\n", "net_af_packet0,iface=nosuch0"));
    EXPECT_THAT(missing.out, HasSubstr("bad\tport edge\tno interface nosuch0"));
    const Ran loopback = run(config("1 sip:10.77.0.5\n", "net_af_packet0,iface=lo"));
    EXPECT_THAT(loopback.out, Not(HasSubstr("no interface")));
    const Ran card = run(config("1 sip:10.77.0.5\n", "ffff:ff:1f.7"));
    EXPECT_THAT(card.out, HasSubstr("bad\tport edge\tno PCI device ffff:ff:1f.7"));
}

TEST_F(Doctor, names_the_line_of_a_bad_configuration) {
    const Ran ran = run(config("", "net_null0", "nonsense = 1\n"));
    EXPECT_EQ(ran.status, 1);
    EXPECT_THAT(ran.out, HasSubstr("bad\tconfig\t"));
    EXPECT_THAT(ran.out, HasSubstr("c.toml:2"));
    EXPECT_THAT(ran.out, HasSubstr("nonsense"));
}

}  // namespace
}  // namespace lb
