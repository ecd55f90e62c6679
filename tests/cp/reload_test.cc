// Reload on an appliance of one port that leads nowhere: no twin, no traffic, but all parts.

#include "cp/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <thread>

#include "cp/log.h"
#include "tests/support/run_program.h"

namespace lb::cp {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// DPDK starts once per process, and each appliance holds an Eal: this one owns nothing.
io::Eal hollow_eal() {
    static io::Eal* const owner = [] {
        auto made = io::Eal::create({"--no-huge", "-m", "256", "--no-pci", "--lcores", "0@0,1@0",
                                     "--no-telemetry", "--log-level=error"});
        if (!made) {
            std::fprintf(stderr, "%s\n", made.error().message.c_str());
            std::abort();
        }
        return new io::Eal(std::move(*made));  // for the life of the process
    }();
    // Kept where LeakSanitizer finds it.
    [[gnu::used]] static io::Eal* life = new io::Eal(std::move(*owner));
    return std::move(*owner);
}

class ReloadTest : public testing::Test {
protected:
    // What the table and [dispatcher] hold; load() reads them the first time, hang_up() again.
    void table(const std::string& list) { folder_.write("list", list); }
    void configure(const std::string& dispatcher, const std::string& service = "",
                   const std::string& root = "") {
        folder_.write("siplane.toml", root + R"(
[[port]]
name = "bare"
device = "net_null0"
addresses = ["192.0.2.1/24"]
[[service]]
name = "public"
)" + service + R"(
[http]
listen = ""
[dispatcher]
list_file = ")" + folder_.file("list") + "\"\n" +
                                          dispatcher);
    }
    void SetUp() override {
        table("1 sip:192.0.2.9:5060\n");
        configure("");
    }
    void load() {
        auto config = load_config(folder_.file("siplane.toml"));
        ASSERT_TRUE(config) << config.error().message;
        set_up_log(config->log);
        parts_ = std::make_unique<ApplianceParts>(std::move(*config), hollow_eal(),
                                                  Secret::derive(as_bytes("reload")));
        parts_->on_published = [](unsigned) {};
        const Status made = parts_->set_up();
        ASSERT_TRUE(made) << made.error().message;
        reload_ = std::make_unique<Reload>(*parts_);
        const Status loaded = reload_->load_first();
        ASSERT_TRUE(loaded) << loaded.error().message;
    }
    // What `act` logs.
    template <class Act>
    std::string logged(Act act) {
        testing::internal::CaptureStderr();
        act();
        return testing::internal::GetCapturedStderr();
    }
    std::string hang_up() {
        return logged([this] { reload_->all(); });
    }
    // What the workers have.
    std::size_t sets() const { return parts_->publisher->tables().dispatch->sets().size(); }
    std::size_t destinations() const {
        std::size_t count = 0;
        for (const auto& set : parts_->publisher->tables().dispatch->sets()) {
            count += set.members.size();
        }
        return count;
    }
    void run_ms(int time) {
        parts_->io.restart();
        parts_->io.run_for(std::chrono::milliseconds(time));
    }

    test::RunFolder folder_;
    std::unique_ptr<ApplianceParts> parts_;
    std::unique_ptr<Reload> reload_;
};

TEST_F(ReloadTest, TheFirstLoadLeavesBadRowsOutAndNamesThem) {
    table("1 sip:192.0.2.9:5060\n1 sip:bad host\n2 sip:192.0.2.8;transport=tcp\n");
    const std::string lines = logged([this] { load(); });
    EXPECT_EQ(destinations(), 2U);
    EXPECT_EQ(reload_->counts().refused_rows, 1U);
    EXPECT_EQ(reload_->counts().good + reload_->counts().refused, 0U) << "the start is none";
    EXPECT_THAT(lines, HasSubstr("error table.bad_row reason="));
    EXPECT_THAT(lines, HasSubstr("warning table.row warning="));
    EXPECT_THAT(lines, HasSubstr("only UDP is spoken"));
    EXPECT_THAT(lines, HasSubstr("info table.loaded destinations=2 sets=2 bad=1 "));
}

TEST_F(ReloadTest, ABadRowRefusesTheTableAndTheOldOneServes) {
    load();
    table("2 sip:192.0.2.9:5060\n2 sip:bad host\n");
    const std::string refused = logged([this] { EXPECT_FALSE(reload_->table()); });
    EXPECT_THAT(refused, HasSubstr("error table.refused reason="));
    EXPECT_EQ(parts_->publisher->tables().dispatch->sets().begin()->id, 1);
    EXPECT_EQ(reload_->counts().refused, 1U);
    EXPECT_FALSE(reload_->counts().last_good);
    table("2 sip:192.0.2.9:5060\n3 sip:192.0.2.9:5060\n");
    ASSERT_TRUE(reload_->table());
    EXPECT_EQ(sets(), 2U) << "published";
    EXPECT_EQ(reload_->counts().good, 1U);
    EXPECT_TRUE(reload_->counts().last_good);
    EXPECT_NEAR(static_cast<double>(reload_->counts().last_time),
                static_cast<double>(std::time(nullptr)), 5);
}

TEST_F(ReloadTest, HangUpReadsConfigurationAndTable) {
    load();
    table("1 sip:192.0.2.9:5060\n1 sip:192.0.2.8:5060\n");
    configure("hash_pvar = \"$ci\"\nnot_a_key = 1\n");
    EXPECT_THAT(hang_up(), AllOf(HasSubstr("error reload.refused reason="), HasSubstr("not_a_key"),
                                 Not(HasSubstr("reload.done"))));
    EXPECT_EQ(destinations(), 1U);
    EXPECT_EQ(reload_->counts().refused, 1U);
    configure("event_command = \"/nothing/here\"\n", "algorithm = 4\n",
              "transactions = 4096\nverify_checksums = false\n");
    const std::string lines = hang_up();
    EXPECT_THAT(lines, HasSubstr("warning config.needs_restart section=transactions"));
    EXPECT_THAT(lines, HasSubstr("warning config.warning text="));
    EXPECT_THAT(lines, HasSubstr("info reload.done generation=" +
                                 std::to_string(parts_->publisher->tables().generation)));
    EXPECT_EQ(destinations(), 2U);
    EXPECT_EQ(parts_->publisher->tables().dispatch->services()[0].algorithm,
              table::Algorithm::kRoundRobin);
    EXPECT_FALSE(parts_->publisher->tables().verify_checksums);
    EXPECT_NE(parts_->config.transactions, 4096U) << "a restart's";
    EXPECT_EQ(reload_->counts().good, 1U);
}

// Nothing is derived from the new value of what needs a restart, or checked against it alone.
TEST_F(ReloadTest, AServiceWithoutListenStaysOnThePortsOfNow) {
    load();
    std::string file = folder_.read("siplane.toml");
    file.replace(file.find("192.0.2.1/24"), 12, "192.0.2.7/24");
    folder_.write("siplane.toml", file);
    EXPECT_THAT(hang_up(), AllOf(HasSubstr("config.needs_restart section=[[port]]"),
                                 HasSubstr("reload.done"), Not(HasSubstr("config.warning"))));
    ASSERT_EQ(parts_->publisher->tables().dispatch->listeners().size(), 1U);
    EXPECT_EQ(parts_->publisher->tables().dispatch->listeners()[0].endpoint.text(),
              "192.0.2.1:5060");
}

TEST_F(ReloadTest, AnAlgorithmThatNeedsARestartFirstIsRefused) {
    load();
    configure("ds_hash_size = 8\n", "algorithm = 10\n");
    EXPECT_THAT(hang_up(),
                AllOf(HasSubstr("config.needs_restart section=\"[dispatcher] ds_hash_*\""),
                      HasSubstr("error reload.refused reason="),
                      HasSubstr("algorithm 10 needs dispatcher.ds_hash_size above 0; what needs a "
                                "restart counts as it is now")));
    EXPECT_EQ(parts_->publisher->tables().dispatch->services()[0].algorithm,
              table::Algorithm::kCallId);
}

// The other way round: it would serve now, and not start again.
TEST_F(ReloadTest, AFileThatWouldNotStartIsRefused) {
    configure("ds_hash_size = 8\n", "algorithm = 10\n");
    load();
    configure("", "algorithm = 10\n");
    EXPECT_THAT(hang_up(), AllOf(HasSubstr("error reload.refused reason="),
                                 HasSubstr("algorithm 10 needs dispatcher.ds_hash_size above 0")));
    EXPECT_EQ(parts_->config.dispatcher.ds_hash_size, 8U);
}

// With the model that is there, and with a new one.
TEST_F(ReloadTest, ARefusedHangUpLeavesEverything) {
    load();
    table("1 sip:bad host\n");
    for (const char* more : {"", "ds_probing_threshold = 4\n"}) {
        configure(std::string("hash_pvar = \"$ci\"\n") + more, "algorithm = 4\n",
                  "verify_checksums = false\n");
        const Dispatcher* const model = parts_->dispatcher.get();
        EXPECT_THAT(hang_up(), HasSubstr("reload.refused"));
        EXPECT_EQ(parts_->dispatcher.get(), model);
        EXPECT_EQ(destinations(), 1U);
        EXPECT_EQ(parts_->config.dispatcher.hash_pvar, "");
        ASSERT_TRUE(parts_->publisher->publish(Publisher::kTable));
        EXPECT_EQ(parts_->publisher->tables().dispatch->services()[0].algorithm,
                  table::Algorithm::kCallId);
        EXPECT_TRUE(parts_->publisher->tables().verify_checksums);
    }
}

TEST_F(ReloadTest, ANewModelKeepsWhatItsDestinationsWere) {
    load();
    const table::DestinationId id = parts_->dispatcher->sets()[0].members[0].id;
    ASSERT_TRUE(parts_->dispatcher->drain(1, "all", true));
    configure("ds_probing_threshold = 4\n", "", "verify_checksums = false\n");
    EXPECT_THAT(hang_up(), HasSubstr("reload.done"));
    EXPECT_EQ(parts_->dispatcher->options().probing_threshold, 4U);
    EXPECT_EQ(parts_->dispatcher->sets()[0].members[0].id, id);
    EXPECT_TRUE(parts_->dispatcher->sets()[0].members[0].draining());
    EXPECT_FALSE(parts_->publisher->tables().verify_checksums);
    EXPECT_EQ(destinations(), 1U);
}

TEST_F(ReloadTest, HangUpChangesTheLogToo) {
    load();
    folder_.write("siplane.toml", folder_.read("siplane.toml") + "[log]\nlevel = \"error\"\n");
    hang_up();
    EXPECT_EQ(hang_up(), "") << "what is told of a good reload is below that";
}

// localhost is known without a server, its answer good for as long as DnsOptions::ttl_min_s says.
TEST_F(ReloadTest, HangUpGivesDnsItsNewTtl) {
    const auto ask = [this](std::uint16_t port) {
        parts_->dns.resolve_now({{"localhost", port, false}}, std::chrono::milliseconds(1000));
        ASSERT_NE(parts_->dns.find({"localhost", port, false}), nullptr);
    };
    const auto known = [this](std::uint16_t port) {
        return parts_->dns.find({"localhost", port, false}) != nullptr;
    };
    load();
    configure("ds_dns_ttl = 2\n");
    hang_up();
    ask(1001);
    table("1 sip:bad host\n");
    configure("");
    hang_up();
    ask(1002);
    configure("ds_probing_threshold = 4\n");
    hang_up();
    ask(1003);
    table("1 sip:192.0.2.9:5060\n");
    hang_up();
    ask(1004);
    configure("ds_probing_threshold = 5\nds_dns_ttl = 2\n");
    hang_up();
    ask(1005);
    std::this_thread::sleep_for(std::chrono::milliseconds(2100));
    EXPECT_FALSE(known(1001));
    EXPECT_FALSE(known(1002)) << "refused";
    EXPECT_FALSE(known(1003)) << "refused with a new model";
    EXPECT_TRUE(known(1004));
    EXPECT_FALSE(known(1005)) << "a new model";
}

TEST_F(ReloadTest, AddPublishesAndLogsWhatIsOddAboutTheRow) {
    load();
    DestinationRow row;
    row.origin = "dispatcher.add";
    row.setid = 2;
    row.destination = "sip:192.0.2.7:5060;transport=tcp";
    row.attrs = "weight=200";
    const std::string lines = logged([&] { EXPECT_TRUE(reload_->add(row)); });
    EXPECT_THAT(lines, HasSubstr("warning table.row warning=\"dispatcher.add: " + row.destination +
                                 ": gets no traffic: only UDP is spoken\""));
    EXPECT_THAT(lines, HasSubstr("weight"));
    EXPECT_EQ(sets(), 2U);
    row.destination = "sip:192.0.2.7:5060";
    row.attrs = "";
    EXPECT_EQ(logged([&] { EXPECT_TRUE(reload_->add(row)); }), "");
    EXPECT_EQ(destinations(), 3U);
    row.destination = "sip:bad host";
    EXPECT_THAT(logged([&] { EXPECT_FALSE(reload_->add(row)); }),
                HasSubstr("warning table.bad_row reason=\"dispatcher.add: "));
    EXPECT_EQ(destinations(), 3U);
    ASSERT_TRUE(reload_->remove(2, "sip:192.0.2.7:5060"));
    EXPECT_EQ(destinations(), 2U);
    EXPECT_EQ(reload_->counts().good, 0U) << "rows are no reloads";
}

TEST_F(ReloadTest, ChangesAreSoManySecondsApart) {
    configure("reload_delta = 1\n");
    load();
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    ASSERT_TRUE(reload_->try_start());
    const auto since = [start] { return Clock::now() - start; };
    int refused = 0;
    while (!reload_->try_start() && since() < std::chrono::seconds(10)) {
        ++refused;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    EXPECT_GT(refused, 0);
    EXPECT_GE(since(), std::chrono::seconds(1));
    EXPECT_LT(since(), std::chrono::seconds(10)) << "counted from one that was refused";
}

TEST_F(ReloadTest, AHangUpIsAChangeAsWell) {
    configure("reload_delta = 60\n");
    load();
    hang_up();
    EXPECT_FALSE(reload_->try_start());
    configure("reload_delta = 0\n");
    hang_up();
    EXPECT_TRUE(reload_->try_start());
}

// systemctl reload waits for this.
TEST_F(ReloadTest, SystemdIsTold) {
    load();
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder_.file("notify");
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const auto told = [fd] {
        std::array<char, 200> room;
        const ssize_t n = ::recv(fd, room.data(), room.size(), MSG_DONTWAIT);
        return std::string(room.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
    };
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    for (const char* list : {"1 sip:192.0.2.9:5060\n", "1 sip:bad host\n"}) {
        table(list);
        hang_up();
        EXPECT_THAT(told(), testing::StartsWith("RELOADING=1\n"));
        EXPECT_EQ(told(), "READY=1") << list;
        EXPECT_EQ(told(), "");
    }
    ::unsetenv("NOTIFY_SOCKET");
    ::close(fd);
}

// Started and not sent: the port leads nowhere.
TEST_F(ReloadTest, PingsFollowEveryChange) {
    const auto pinged = [this] {
        const std::uint64_t before = parts_->prober->stats().started;
        for (int turn = 0; turn < 250; ++turn) {
            run_ms(10);
            if (parts_->prober->stats().started > before) return true;
        }
        return false;
    };
    table("");
    configure("ds_ping_interval = 1\nds_probing_mode = 1\n");
    load();
    parts_->prober->start();
    DestinationRow row;
    row.setid = 1;
    row.destination = "sip:192.0.2.9:5060";
    ASSERT_TRUE(reload_->add(row));
    EXPECT_TRUE(pinged()) << "added";
    ASSERT_TRUE(reload_->remove(1, row.destination));
    table("1 sip:192.0.2.9:5060\n");
    ASSERT_TRUE(reload_->table());
    EXPECT_TRUE(pinged()) << "reloaded";
    configure("ds_ping_interval = 1\nds_probing_mode = 1\nds_probing_threshold = 3\n");
    hang_up();
    EXPECT_TRUE(pinged()) << "a new model";
    configure("ds_probing_mode = 1\nds_probing_threshold = 3\n");
    hang_up();
    const std::uint64_t before = parts_->prober->stats().started;
    run_ms(1300);
    EXPECT_EQ(parts_->prober->stats().started, before) << "the interval is 0 now";
}

TEST_F(ReloadTest, APreviewTouchesNothing) {
    load();
    table("1 sip:192.0.2.8:5060\n2 sip:192.0.2.8:5060\n");
    const auto next = reload_->preview();
    ASSERT_TRUE(next) << next.error().message;
    EXPECT_EQ((*next)->sets().size(), 2U);
    EXPECT_EQ(parts_->dispatcher->sets()[0].members[0].uri, "sip:192.0.2.9:5060");
    EXPECT_EQ(sets(), 1U);
    EXPECT_EQ(reload_->counts().good + reload_->counts().refused, 0U);
    table("1 sip:bad host\n");
    EXPECT_FALSE(reload_->preview());
    EXPECT_EQ(reload_->counts().refused, 0U);
}

// Nothing leaves a port without a twin, so that the first ping takes the destination out.
TEST_F(ReloadTest, AFailedEventCommandIsInTheLog) {
    table("7 sip:192.0.2.9:5060 8\n");
    const std::string command = folder_.file("nothing here");
    configure("ds_ping_interval = 1\nevent_command = \"" + command + "\"\n");
    load();
    parts_->prober->start();
    const std::string lines = logged([this] {
        for (int turn = 0; turn < 1000 && parts_->prober->event_stats().failed == 0; ++turn)
            run_ms(10);
    });
    EXPECT_THAT(lines, HasSubstr("info destination.inactive set=7 uri=sip:192.0.2.9:5060 from=AP "
                                 "to=IX reason=not_sent "));
    EXPECT_THAT(lines, HasSubstr("warning event_command.failed command=\"" + command +
                                 "\" event=down set=7 uri=sip:192.0.2.9:5060 "
                                 "reason=\"No such file or directory\"\n"));
    EXPECT_EQ(parts_->prober->event_stats().failed, 1U);
}

}  // namespace
}  // namespace lb::cp
