#include "dp/core/peer.h"

#include <gtest/gtest.h>

namespace lb::core {
namespace {

TEST(Peer, OneOtherHost) {
    for (const char* text : {"192.0.2.1:5060", "10.0.0.1:1", "[2001:db8::1]:5060", "[fe80::1]:5060",
                             "[::1:0:0:0]:5060", "[::fffe:10.0.0.1]:5060", "[64:ff9b::1]:5060"}) {
        EXPECT_TRUE(is_peer(*Endpoint::parse(text), false)) << text;
    }
    for (const char* text :
         {"192.0.2.1:0", "0.0.0.0:5060", "[::]:5060", "239.1.1.1:5060", "255.255.255.255:5060",
          "[ff02::1]:5060", "[::ffff:192.0.2.1]:5060", "[::192.0.2.1]:5060", "[::2]:5060"}) {
        EXPECT_FALSE(is_peer(*Endpoint::parse(text), true)) << text;
    }
    for (const char* text : {"127.0.0.1:5060", "127.255.1.1:5060", "[::1]:5060"}) {
        EXPECT_FALSE(is_peer(*Endpoint::parse(text), false)) << text;
        EXPECT_TRUE(is_peer(*Endpoint::parse(text), true)) << text;
    }
    EXPECT_FALSE(is_peer({}, true));
}

}  // namespace
}  // namespace lb::core
