#include "cp/table_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "cp/log.h"
#include "cp/tables_builder.h"
#include "tests/support/stub_dns.h"

namespace lb::cp {
namespace {

using std::chrono::milliseconds;

class TableSourceTest : public testing::Test {
protected:
    TableSourceTest()
        : file_(std::filesystem::temp_directory_path() /
                ("siplane-source-" + std::to_string(::getpid()))) {
        DnsOptions options;
        options.servers = {{*IpAddress::parse("127.0.0.1"), server_.port()}};
        options.timeout_ms = 100;
        options.tries = 1;
        dns_ = std::make_unique<Dns>(io_, options);
        source_ = std::make_unique<TableSource>(*dns_);
        config_.list_file = file_.string();
        dispatcher_ = std::make_unique<Dispatcher>(DispatcherOptions{});
    }
    ~TableSourceTest() override { std::filesystem::remove(file_); }

    Result<Dispatcher::LoadReport> load(const std::string& list, bool all_or_nothing) {
        std::ofstream(file_) << list;
        return source_->load(config_, *dispatcher_, all_or_nothing);
    }
    std::vector<std::string> addresses() {
        std::vector<std::string> texts;
        for (const DestinationSet& set : dispatcher_->sets()) {
            for (const Destination& member : set.members) {
                texts.push_back(member.endpoints.empty() ? "none"
                                                         : member.endpoints.front().text());
            }
        }
        return texts;
    }

    std::filesystem::path file_;
    test::StubDns server_;
    asio::io_context io_;
    std::unique_ptr<Dns> dns_;
    std::unique_ptr<TableSource> source_;
    DispatcherConfig config_;
    std::unique_ptr<Dispatcher> dispatcher_;
};

TEST_F(TableSourceTest, LiteralsNeedNoServerAndNamesAreAskedTogether) {
    server_.a("gw1.example", "192.0.2.1");
    server_.a("gw2.example", "192.0.2.2");
    const auto report = load("1 sip:gw1.example\n1 sip:gw2.example:5080\n1 sip:192.0.2.3\n", true);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->loaded, 3U);
    EXPECT_THAT(addresses(), testing::UnorderedElementsAre("192.0.2.1:5060", "192.0.2.2:5080",
                                                           "192.0.2.3:5060"));
    EXPECT_EQ(server_.asked(), 4U) << "A and AAAA of two names, no NAPTR without ds_dns_mode 8";
}

TEST_F(TableSourceTest, AReloadThatFailsKeepsTheOldTable) {
    ASSERT_TRUE(load("1 sip:192.0.2.3\n", true));
    EXPECT_FALSE(load("1 sip:192.0.2.4\n1 sip:nowhere.example\n", true));
    EXPECT_THAT(addresses(), testing::ElementsAre("192.0.2.3:5060"));
    std::filesystem::remove(file_);
    EXPECT_FALSE(source_->load(config_, *dispatcher_, true)) << "no file";
    EXPECT_THAT(addresses(), testing::ElementsAre("192.0.2.3:5060"));
}

std::string list_of_names(unsigned count) {
    std::string list;
    for (unsigned i = 0; i < count; ++i) list += "1 sip:gw" + std::to_string(i) + ".example\n";
    return list;
}

DnsOptions of_patience(std::uint16_t port) {
    DnsOptions options;
    options.servers = {{*IpAddress::parse("127.0.0.1"), port}};
    options.timeout_ms = 4000;
    return options;
}

TEST_F(TableSourceTest, ADeadNameServerDelaysAReloadOnceAndRefusesNothingKnown) {
    for (unsigned i = 0; i < 200; ++i) {
        server_.a("gw" + std::to_string(i) + ".example", "192.0.2.1");
    }
    ASSERT_TRUE(load(list_of_names(200), true));
    server_.be_silent(true);
    Dns forgetful(io_, of_patience(server_.port()));
    TableSource again(forgetful);
    const auto start = std::chrono::steady_clock::now();
    const auto report = again.load(config_, *dispatcher_, true);
    EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(2500)) << "all names together";
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->loaded, 200U);
    EXPECT_THAT(addresses(), testing::Each("192.0.2.1:5060"));
    ASSERT_EQ(report->warnings.size(), 200U);
    EXPECT_THAT(report->warnings[0], testing::HasSubstr("no name server answers for gw0.example"));
}

TEST_F(TableSourceTest, ADeadNameServerDelaysAStartOnce) {
    server_.be_silent(true);
    Dns forgetful(io_, of_patience(server_.port()));
    TableSource first(forgetful, milliseconds(300));
    std::ofstream(file_) << list_of_names(200) << "1 sip:192.0.2.3\n";
    const auto start = std::chrono::steady_clock::now();
    const auto report = first.load(config_, *dispatcher_, false);
    EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(2500));
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->bad_rows.size(), 200U);
    EXPECT_THAT(addresses(), testing::ElementsAre("192.0.2.3:5060"));
}

// A daemon may start before the system knows its name servers.
TEST_F(TableSourceTest, ALoadAsksTheServersOfNow) {
    server_.a("gw.example", "192.0.2.1");
    std::filesystem::path resolv_conf = file_;
    resolv_conf += ".resolv";
    const auto use = [&resolv_conf](const char* server) {
        std::ofstream(resolv_conf) << "nameserver " << server << "\n";
    };
    DnsOptions options;
    options.timeout_ms = 100;
    options.tries = 1;
    options.resolv_conf = resolv_conf.string();
    options.port = server_.port();
    use("127.0.0.77");  // nobody
    Dns dns(io_, options);
    TableSource source(dns);
    std::ofstream(file_) << "1 sip:gw.example\n";
    const auto refused = source.load(config_, *dispatcher_, true);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("no name server answers"));
    use("127.0.0.1");
    const auto loaded = source.load(config_, *dispatcher_, true);
    EXPECT_TRUE(loaded) << loaded.error().message;
    EXPECT_THAT(addresses(), testing::ElementsAre("192.0.2.1:5060"));
    std::filesystem::remove(resolv_conf);
}

TEST_F(TableSourceTest, ANameThatIsGoneIsNotKept) {
    server_.a("gw.example", "192.0.2.1");
    ASSERT_TRUE(load("1 sip:gw.example\n", true));
    server_.clear();
    Dns forgetful(io_, of_patience(server_.port()));
    TableSource again(forgetful);
    EXPECT_FALSE(again.load(config_, *dispatcher_, true)) << "the server says that there is none";
}

TEST_F(TableSourceTest, ASilentNameServerTakesNoAddressAway) {
    config_.ds_dns_mode = 4;
    server_.a("gw.example", "192.0.2.1");
    server_.a("gw2.example", "192.0.2.1");
    ASSERT_TRUE(load("1 sip:gw.example\n1 sip:gw2.example\n", true));
    server_.be_silent(true);
    set_up_log(LogConfig{});
    DnsOptions options;
    options.servers = {{*IpAddress::parse("127.0.0.1"), server_.port()}};
    options.timeout_ms = 50;
    options.tries = 1;
    Dns forgetful(io_, options);
    TableSource again(forgetful);
    unsigned changes = 0;
    for (int round = 0; round < 2; ++round) {
        testing::internal::CaptureStderr();
        again.refresh(
            TableSource::Stale::kAll, config_, [this]() -> Dispatcher& { return *dispatcher_; },
            [&] { ++changes; });
        for (int turns = 0; turns < 10; ++turns) {
            io_.restart();
            io_.run_one_for(milliseconds(50));
        }
        const std::string lines = testing::internal::GetCapturedStderr();
        EXPECT_THAT(lines, testing::HasSubstr("warning dns.no_answer host=gw"));
        EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1) << "once a round";
    }
    EXPECT_EQ(changes, 0U);
    EXPECT_THAT(addresses(), testing::Each("192.0.2.1:5060"));
}

TEST_F(TableSourceTest, AReloadMakesNoDatabase) {
    std::filesystem::remove(file_);
    config_.list_file.clear();
    config_.db_url = "sqlite://" + file_.string();
    const auto missing = source_->load(config_, *dispatcher_, true);
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().message, testing::HasSubstr("unable to open database file"));
    EXPECT_FALSE(std::filesystem::exists(file_));
    EXPECT_TRUE(source_->load(config_, *dispatcher_, false)) << "a start makes it";
    EXPECT_TRUE(source_->load(config_, *dispatcher_, true)) << "now it is there";
}

// With an empty cache, instead of a wait for the TTL.
class RefreshTest : public TableSourceTest {
protected:
    // Until `changes` answers have changed something, or long enough for one to have come.
    void refresh(TableSource::Stale which, unsigned changes) {
        DnsOptions options;
        options.servers = {{*IpAddress::parse("127.0.0.1"), server_.port()}};
        Dns fresh(io_, options);
        TableSource again(fresh);
        unsigned changed = 0;
        const auto find = [this]() -> Dispatcher& { return *dispatcher_; };
        EXPECT_TRUE(again.refresh(which, config_, find, [&] { ++changed; }));
        const auto deadline =
            std::chrono::steady_clock::now() + milliseconds(changes == 0 ? 300 : 3000);
        while ((changes == 0 || changed < changes) && std::chrono::steady_clock::now() < deadline) {
            io_.restart();
            io_.run_one_for(milliseconds(50));
        }
        EXPECT_EQ(changed, changes);
    }
};

TEST_F(RefreshTest, NamesAreLookedUpAgain) {
    server_.a("gw.example", "192.0.2.1");
    server_.a("other.example", "192.0.2.2");
    ASSERT_TRUE(load("1 sip:gw.example\n1 sip:192.0.2.3\n2 sip:other.example 16\n", true));
    server_.clear();
    server_.a("gw.example", "192.0.2.9");
    server_.a("other.example", "192.0.2.8");
    refresh(TableSource::Stale::kNoAddress, 0);
    refresh(TableSource::Stale::kAll, 1);
    EXPECT_THAT(addresses(),
                testing::UnorderedElementsAre("192.0.2.1:5060", "192.0.2.3:5060", "192.0.2.8:5060"))
        << "without mode 4 those that a load need not look up";
    config_.ds_dns_mode = 4;
    refresh(TableSource::Stale::kAll, 1);
    EXPECT_THAT(addresses(), testing::UnorderedElementsAre("192.0.2.9:5060", "192.0.2.3:5060",
                                                           "192.0.2.8:5060"));
    refresh(TableSource::Stale::kAll, 0);
}

TEST_F(RefreshTest, ANameWithoutAddressIsNamedAndTriedAgain) {
    const auto report = load("1 sip:later.example 16\n", true);
    ASSERT_TRUE(report) << report.error().message;
    ASSERT_EQ(report->warnings.size(), 1U);
    EXPECT_THAT(report->warnings[0],
                testing::HasSubstr("sip:later.example: gets no traffic yet: host later.example "
                                   "does not resolve"));
    EXPECT_THAT(addresses(), testing::ElementsAre("none"));
    server_.a("later.example", "192.0.2.8");
    refresh(TableSource::Stale::kNoAddress, 1);
    EXPECT_THAT(addresses(), testing::ElementsAre("192.0.2.8:5060"));
}

}  // namespace
}  // namespace lb::cp
