#include "cp/dns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/support/run_program.h"
#include "tests/support/stub_dns.h"

namespace lb::cp {
namespace {

using std::chrono::milliseconds;

class DnsTest : public testing::Test {
protected:
    void SetUp() override {
        options_.servers = {{*IpAddress::parse("127.0.0.1"), server_.port()}};
        options_.timeout_ms = 100;
        options_.tries = 1;
        make();
    }
    void make() {
        dns_.reset();
        dns_ = std::make_unique<Dns>(io_, options_);
    }
    // On the loop, as the slow path asks.
    std::vector<std::string> ask(const DnsName& name) {
        std::vector<std::string> texts;
        bool answered = false;
        dns_->resolve(name, [&](const Dns::Endpoints& endpoints) {
            answered = true;
            for (const Endpoint& endpoint : endpoints) texts.push_back(endpoint.text());
        });
        EXPECT_FALSE(answered) << "never from within resolve()";
        io_.restart();
        const auto deadline = std::chrono::steady_clock::now() + milliseconds(3000);
        while (!answered && std::chrono::steady_clock::now() < deadline) {
            io_.run_one_for(milliseconds(50));
        }
        EXPECT_TRUE(answered);
        return texts;
    }

    test::StubDns server_;
    DnsOptions options_;
    asio::io_context io_;
    std::unique_ptr<Dns> dns_;
};

std::string numbered(const char* prefix, int number) {
    std::string host(prefix);
    host += std::to_string(number);
    host += ".example";
    return host;
}

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(DnsTest, LiteralsAreNeverAsked) {
    EXPECT_THAT(ask({"192.0.2.7", 0, true}), ElementsAre("192.0.2.7:5060"));
    EXPECT_THAT(ask({"2001:db8::7", 5080, true}), ElementsAre("[2001:db8::7]:5080"));
    EXPECT_EQ(server_.asked(), 0U);
    EXPECT_EQ(dns_->questions(), 0U);
}

TEST_F(DnsTest, WithPortOnlyAddressesAreAsked) {
    server_.srv("_sip._udp.example.com", 1, 1, 7777, "other.example.com");
    server_.a("example.com", "192.0.2.1");
    server_.a("example.com", "192.0.2.2");
    server_.aaaa("example.com", "2001:db8::1");
    EXPECT_THAT(ask({"Example.COM", 5070, true}),
                ElementsAre("192.0.2.1:5070", "192.0.2.2:5070", "[2001:db8::1]:5070"));
}

TEST_F(DnsTest, NaptrLeadsToItsSrvAndThatToTargets) {
    server_.naptr("example.com", 20, 10, "s", "SIP+D2T", "_sip._tcp.example.com");
    server_.naptr("example.com", 30, 10, "s", "SIP+D2U", "backup.example.com");
    server_.naptr("example.com", 10, 10, "S", "sip+d2u", "main.example.com");
    server_.srv("main.example.com", 20, 0, 5062, "c.example.com");
    server_.srv("main.example.com", 10, 5, 5061, "b.example.com");
    server_.srv("main.example.com", 10, 50, 5060, "a.example.com");
    server_.a("a.example.com", "192.0.2.1");
    server_.a("b.example.com", "192.0.2.2");
    server_.aaaa("c.example.com", "2001:db8::3");
    EXPECT_THAT(ask({"example.com", 0, true}),
                ElementsAre("192.0.2.1:5060", "192.0.2.2:5061", "[2001:db8::3]:5062"));
}

TEST_F(DnsTest, WithoutNaptrTheWellKnownSrvName) {
    server_.srv("_sip._udp.example.com", 1, 1, 5090, "gw.example.com");
    server_.a("gw.example.com", "192.0.2.9");
    EXPECT_THAT(ask({"example.com", 0, true}), ElementsAre("192.0.2.9:5090"));
}

TEST_F(DnsTest, WithoutSrvTheNameItself) {
    server_.a("example.com", "192.0.2.5");
    EXPECT_THAT(ask({"example.com", 0, true}), ElementsAre("192.0.2.5:5060"));
}

TEST_F(DnsTest, WithoutServicesNothingButAddressesIsAsked) {
    server_.srv("_sip._udp.example.com", 1, 1, 5090, "gw.example.com");
    server_.a("example.com", "192.0.2.5");
    EXPECT_THAT(ask({"example.com", 0, false}), ElementsAre("192.0.2.5:5060"));
    EXPECT_THAT(dns_->resolved_names(), IsEmpty()) << "another question than the workers' one";
    server_.a("gw.example.com", "192.0.2.9");
    EXPECT_THAT(ask({"example.com", 0, true}), ElementsAre("192.0.2.9:5090"));
}

TEST_F(DnsTest, RecordsThatLeadNowhereAreLeftOut) {
    server_.naptr("example.com", 10, 10, "u", "SIP+D2U", "other.example.com");
    server_.srv("other.example.com", 1, 1, 5091, "other.example.com");
    server_.a("other.example.com", "192.0.2.8");
    server_.srv("_sip._udp.example.com", 1, 1, 0, "other.example.com");
    server_.srv("_sip._udp.example.com", 2, 1, 5092, "gw.example.com");
    server_.a("gw.example.com", "192.0.2.9");
    EXPECT_THAT(ask({"example.com", 0, true}), ElementsAre("192.0.2.9:5092"));
}

TEST_F(DnsTest, AnAnswerIsBounded) {
    for (int i = 0; i < 20; ++i) {
        const std::string host = numbered("t", i);
        server_.a("many.example", "192.0.2." + std::to_string(i));
        server_.srv("_sip._udp.wide.example", 1, 1, static_cast<std::uint16_t>(5060 + i), host);
        server_.a(host, "192.0.2." + std::to_string(i));
    }
    EXPECT_EQ(ask({"many.example", 5060, true}).size(), kDnsEndpointsMax);
    EXPECT_EQ(ask({"wide.example", 0, true}).size(), kDnsTargetsMax);
}

// The name servers are those of a file, which changes like the system's.
class SystemServersTest : public DnsTest {
protected:
    void SetUp() override {
        options_.resolv_conf = folder_.file("resolv.conf");
        options_.port = server_.port();
        options_.timeout_ms = 4000;
        options_.tries = 1;
    }
    void use(const char* address) {
        folder_.write("next", std::string("nameserver ") + address + "\n");
        std::filesystem::rename(folder_.file("next"), folder_.file("resolv.conf"));
    }

    static constexpr const char *kNow = "127.0.0.1", *kLater = "127.0.0.2";
    test::StubDns later_{kLater, server_.port()};
    test::RunFolder folder_;
};

TEST_F(SystemServersTest, ANewServerIsAskedForWhatTheOldOneDidNotKnow) {
    const DnsName name{"gw.example", 5060, true};
    later_.a("gw.example", "192.0.2.1");
    use(kNow);
    make();
    EXPECT_THAT(ask(name), IsEmpty());
    use(kLater);
    ASSERT_NE(dns_->find(name), nullptr) << "remembered until then";
    dns_->follow_servers();
    EXPECT_TRUE(dns_->expire()) << "the workers are to forget it";
    EXPECT_THAT(ask(name), ElementsAre("192.0.2.1:5060"));
    const unsigned asked = later_.asked();
    dns_->follow_servers();
    EXPECT_THAT(ask(name), ElementsAre("192.0.2.1:5060"));
    EXPECT_EQ(later_.asked(), asked) << "nothing has changed";
}

TEST_F(SystemServersTest, AQuestionUnderWayIsAskedAgain) {
    later_.srv("_sip._udp.gw.example", 1, 1, 5090, "a.example");
    later_.a("a.example", "192.0.2.1");
    server_.be_silent(true);
    use(kNow);
    make();
    std::vector<Endpoint> answer;
    unsigned answers = 0;
    dns_->resolve({"gw.example", 0, true}, [&](const Dns::Endpoints& endpoints) {
        ++answers;
        answer = endpoints;
    });
    dns_->resolve_now({{"a.example", 5060, true}}, milliseconds(50));
    use(kLater);
    dns_->follow_servers();
    const auto deadline = std::chrono::steady_clock::now() + milliseconds(3000);
    while (answers == 0 && std::chrono::steady_clock::now() < deadline) {
        io_.restart();
        io_.run_one_for(milliseconds(50));
    }
    EXPECT_EQ(answers, 1U);
    EXPECT_THAT(answer, ElementsAre(*Endpoint::parse("192.0.2.1:5090")));
}

TEST_F(SystemServersTest, TheFileMayComeLater) {
    make();
    server_.a("gw.example", "192.0.2.1");
    use(kNow);
    dns_->follow_servers();
    EXPECT_THAT(ask({"gw.example", 5060, true}), ElementsAre("192.0.2.1:5060"));
}

// Not known, not answered, and a TTL that RFC 2181 takes for 0.
TEST_F(DnsTest, EachKindOfAnswerHasItsLife) {
    options_.ttl_min_s = 5;
    options_.negative_ttl_s = 1;
    make();
    const auto start = std::chrono::steady_clock::now();
    const DnsName bad{"bad.example", 5060, true}, silent{"silent.example", 5060, true};
    const DnsName odd{"odd.example", 0, true};
    server_.srv("_sip._udp.odd.example", 1, 1, 5090, "gw.example", 3'000'000'000U);
    server_.a("gw.example", "192.0.2.9");
    ask(odd);
    ask(bad);
    server_.be_silent(true);
    ask(silent);
    EXPECT_FALSE(dns_->unanswered(bad)) << "there is none";
    EXPECT_TRUE(dns_->unanswered(silent)) << "nobody has said so";
    std::this_thread::sleep_for(milliseconds(1150));
    EXPECT_EQ(dns_->find(bad), nullptr);
    EXPECT_NE(dns_->find(silent), nullptr);
    EXPECT_NE(dns_->find(odd), nullptr);
    for (const auto& name : dns_->resolved_names()) EXPECT_NE(name.key, "bad.example:5060");
    const auto age = [start] { return std::chrono::steady_clock::now() - start; };
    while (dns_->find(odd) != nullptr && age() < std::chrono::seconds(20))
        std::this_thread::sleep_for(milliseconds(20));
    EXPECT_LT(age(), std::chrono::seconds(20)) << "for ever";
}

TEST_F(DnsTest, WhatExpiresFirstMakesRoom) {
    options_.answers_max = 2;
    make();
    server_.a("short.example", "192.0.2.1", 100);
    server_.a("long.example", "192.0.2.2", 1000);
    server_.a("new.example", "192.0.2.3", 1000);
    ask({"long.example", 5060, true});
    ask({"short.example", 5060, true});
    ask({"new.example", 5060, true});
    EXPECT_NE(dns_->find({"long.example", 5060, true}), nullptr);
    EXPECT_EQ(dns_->find({"short.example", 5060, true}), nullptr);
}

TEST_F(DnsTest, SrvTargetDotMeansNotAvailable) {
    server_.srv("_sip._udp.example.com", 0, 0, 0, "");
    EXPECT_THAT(ask({"example.com", 0, true}), IsEmpty());
}

TEST_F(DnsTest, GoodAndBadAnswersAreCached) {
    server_.a("good.example", "192.0.2.1");
    EXPECT_THAT(ask({"good.example", 5060, true}), ElementsAre("192.0.2.1:5060"));
    EXPECT_THAT(ask({"bad.example", 5060, true}), IsEmpty());
    const unsigned asked = server_.asked();
    EXPECT_THAT(ask({"GOOD.example", 5060, true}), ElementsAre("192.0.2.1:5060"));
    EXPECT_THAT(ask({"bad.example", 5060, true}), IsEmpty());
    EXPECT_EQ(server_.asked(), asked);
    const auto names = dns_->resolved_names();
    ASSERT_EQ(names.size(), 2U);
    EXPECT_EQ(names[0].key, "bad.example:5060");
    EXPECT_EQ(names[1].key, "good.example:5060");
}

TEST_F(DnsTest, AnswersExpireByTheirTtlWithinBounds) {
    options_.ttl_min_s = 1;
    make();
    server_.a("short.example", "192.0.2.1", 1);
    server_.a("long.example", "192.0.2.2", 2000000000U);
    ask({"short.example", 5060, true});
    ask({"long.example", 5060, true});
    EXPECT_FALSE(dns_->expire());
    std::this_thread::sleep_for(milliseconds(1100));
    EXPECT_TRUE(dns_->expire());
    EXPECT_EQ(dns_->find({"short.example", 5060, true}), nullptr);
    EXPECT_NE(dns_->find({"long.example", 5060, true}), nullptr);
    EXPECT_FALSE(dns_->expire()) << "said once";
}

TEST_F(DnsTest, AnOldAnswerOutlivesSilentServers) {
    options_.ttl_min_s = 1;
    make();
    server_.a("gw.example", "192.0.2.1", 1);
    EXPECT_THAT(ask({"gw.example", 5060, true}), ElementsAre("192.0.2.1:5060"));
    server_.be_silent(true);
    std::this_thread::sleep_for(milliseconds(1100));
    dns_->expire();
    EXPECT_THAT(ask({"gw.example", 5060, true}), ElementsAre("192.0.2.1:5060"));
}

TEST_F(DnsTest, ResolveNowAsksForAllAtOnceAndKeepsToItsLimit) {
    std::vector<DnsName> names;
    for (int i = 0; i < 600; ++i) {  // more than questions_max
        const std::string host = numbered("h", i);
        server_.a(host, "192.0.2.1");
        names.push_back({host, 0, false});
    }
    dns_->resolve_now(names, milliseconds(5000));
    std::size_t known = 0;
    for (const DnsName& name : names) {
        const auto* endpoints = dns_->find(name);
        known += endpoints != nullptr && endpoints->size() == 1;
    }
    EXPECT_EQ(known, names.size());

    server_.be_silent(true);
    options_.timeout_ms = 60'000;
    make();
    const auto start = std::chrono::steady_clock::now();
    dns_->resolve_now({{"slow.example", 0, false}}, milliseconds(200));
    EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(1000));
    EXPECT_EQ(dns_->find({"slow.example", 0, false}), nullptr);
}

TEST_F(DnsTest, CacheAndQuestionsAreBounded) {
    options_.answers_max = 5;
    options_.questions_max = 4;
    make();
    unsigned answered = 0;
    for (int i = 0; i < 20; ++i) {
        dns_->resolve({numbered("n", i), 5060, true}, [&](const Dns::Endpoints&) { ++answered; });
    }
    io_.restart();
    io_.run_for(milliseconds(300));
    EXPECT_EQ(answered, 20U);
    EXPECT_LE(server_.asked(), 8U) << "four names, A and AAAA each";
    for (int i = 0; i < 20; ++i) ask({numbered("m", i), 5060, true});
    EXPECT_EQ(dns_->size(), 5U);
}

// A load can use what it asked for, however small the cache is; later names have its bound again.
TEST_F(DnsTest, ALoadFindsAllItAskedFor) {
    options_.answers_max = 4;
    make();
    std::vector<DnsName> names;
    for (int i = 0; i < 30; ++i) {
        const std::string host = numbered("load", i);
        if (i % 2 == 0) server_.a(host, "192.0.2.1");
        names.push_back({host, 5060, true});
    }
    dns_->resolve_now(names, milliseconds(3000));
    for (const DnsName& name : names) EXPECT_NE(dns_->find(name), nullptr) << name.host;
    const unsigned asked = server_.asked();
    dns_->resolve_now(names, milliseconds(3000));
    EXPECT_EQ(server_.asked(), asked) << "known";
    dns_->resolve_now({{"added.example", 5060, true}}, milliseconds(3000));
    for (const DnsName& name : names) EXPECT_NE(dns_->find(name), nullptr) << name.host;
    for (int i = 0; i < 20; ++i) ask({numbered("later", i), 5060, true});
    EXPECT_LE(dns_->size(), 34U);
}

TEST_F(DnsTest, TheTtlCanBeChanged) {
    server_.a("a.example", "192.0.2.1");
    server_.a("b.example", "192.0.2.2");
    dns_->set_ttl_override(1);
    dns_->resolve_now({{"a.example", 5060, true}}, milliseconds(2000));
    dns_->set_ttl_override(0);
    dns_->resolve_now({{"b.example", 5060, true}}, milliseconds(2000));
    ASSERT_NE(dns_->find({"a.example", 5060, true}), nullptr);
    std::this_thread::sleep_for(milliseconds(1100));
    EXPECT_EQ(dns_->find({"a.example", 5060, true}), nullptr);
    EXPECT_NE(dns_->find({"b.example", 5060, true}), nullptr);
}

TEST_F(DnsTest, NamesThatAreNoNamesDoNotResolve) {
    EXPECT_THAT(ask({std::string(300, 'a'), 5060, true}), IsEmpty());
    EXPECT_THAT(ask({"a..b", 0, true}), IsEmpty());
    EXPECT_THAT(ask({"", 0, true}), IsEmpty());
}

TEST_F(DnsTest, EndsWithQuestionsUnderWay) {
    server_.be_silent(true);
    bool called = false;
    dns_->resolve({"gw.example", 0, true}, [&](const Dns::Endpoints&) { called = true; });
    dns_.reset();
    io_.restart();
    io_.run_for(milliseconds(50));
    EXPECT_FALSE(called);
}

}  // namespace
}  // namespace lb::cp
