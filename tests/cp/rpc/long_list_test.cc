#include "cp/rpc/long_list.h"

#include <gtest/gtest.h>

#include "cp/rpc/binrpc.h"
#include "cp/rpc/methods.h"

namespace lb::rpc {
namespace {

Result<std::vector<Endpoint>> no_names(const cp::DestinationUri&) {
    return failed(Errc::kNotFound, "no names here");
}

// `count` destinations in sets of `per_set`.
std::vector<cp::DestinationRow> rows(std::size_t count, std::size_t per_set) {
    std::vector<cp::DestinationRow> out(count);
    for (std::size_t i = 0; i < count; ++i) {
        out[i].setid = static_cast<std::int64_t>(1 + i / per_set);
        out[i].destination = "sip:10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250);
        if (i % 3 == 0) out[i].attrs = "duid=d" + std::to_string(i) + ";weight=7";
    }
    return out;
}

class NoControl : public cp::Control {
public:
    explicit NoControl(cp::Dispatcher& dispatcher) : dispatcher_(dispatcher) {}
    cp::Dispatcher& dispatcher() override { return dispatcher_; }
    Status reload() override { return {}; }
    Status add_destination(const cp::DestinationRow&) override { return {}; }
    Status remove_destination(std::int32_t, std::string_view) override { return {}; }
    void dispatcher_changed() override {}
    std::int32_t ping_active() const override { return 1; }
    void set_ping_active(std::int32_t) override {}
    bool try_start_reload() override { return true; }
    cp::Stats stats() const override { return {}; }
    std::int64_t start_time() const override { return 0; }

private:
    cp::Dispatcher& dispatcher_;
};

class NoSockets : public SocketDirectory {
public:
    std::vector<SocketInfo> listeners() const override { return {}; }
    std::vector<SocketInfo> connections() const override { return {}; }
};

std::string in_one_go(cp::Dispatcher& dispatcher, const Params& params) {
    NoControl control(dispatcher);
    NoSockets sockets;
    Context context{control, sockets};
    return write_reply(77, call(context, "dispatcher.list", params));
}

Params words(const char* word) {
    Params params;
    std::string method;
    const std::string request = write_request(1, "dispatcher.list", {Value(word)});
    Header header;
    EXPECT_EQ(parse_header(as_bytes(request), header), Defect::kNone);
    EXPECT_EQ(parse_request(as_bytes(request).subspan(header.size), method, params), Defect::kNone);
    return params;
}

TEST(LongList, IsTheSameBytesInPieces) {
    for (const std::size_t per_set :
         {std::size_t{5000}, std::size_t{2000}, std::size_t{999}, std::size_t{1}}) {
        for (const char* mode : {"short", "full", "normal"}) {
            cp::DispatcherOptions options;
            options.latency_stats = true;
            cp::Dispatcher dispatcher(options);
            ASSERT_TRUE(dispatcher.load(rows(5000, per_set), no_names, true));
            const auto list = LongList::begin(dispatcher, "dispatcher.list", words(mode), 77);
            ASSERT_NE(list, nullptr);
            std::string packet = "before";
            std::size_t steps = 1;
            while (!list->step(dispatcher, packet)) {
                EXPECT_EQ(packet, "before");
                ASSERT_LT(++steps, 10U);
            }
            EXPECT_GE(steps, 5000 / kLongListStep);
            EXPECT_TRUE(packet == "before" + in_one_go(dispatcher, words(mode))) << mode;
        }
    }
}

TEST(LongList, StartsAgainWhenTheTableChanges) {
    cp::Dispatcher dispatcher({});
    ASSERT_TRUE(dispatcher.load(rows(5000, 5000), no_names, true));
    const auto list = LongList::begin(dispatcher, "dispatcher.list", Params{}, 77);
    std::string packet;
    ASSERT_FALSE(list->step(dispatcher, packet));
    ASSERT_TRUE(dispatcher.load(rows(3000, 100), no_names, true));
    ASSERT_FALSE(list->step(dispatcher, packet));
    // A state may change in the midst of it, as in Kamailio.
    ASSERT_TRUE(dispatcher.set_state(30, "all", table::kInactive));
    while (!list->step(dispatcher, packet)) {
    }
    EXPECT_TRUE(packet == in_one_go(dispatcher, Params{}));
}

TEST(LongList, EndsAlsoWhenTheTableNeverRests) {
    cp::Dispatcher dispatcher({});
    const auto list = [&] {
        EXPECT_TRUE(dispatcher.load(rows(5000, 5000), no_names, true));
        return LongList::begin(dispatcher, "dispatcher.list", Params{}, 77);
    }();
    std::string packet;
    unsigned steps = 1;
    while (!list->step(dispatcher, packet)) {
        ASSERT_TRUE(dispatcher.load(rows(5000, 5000), no_names, true));
        ASSERT_LT(++steps, 10U);
    }
    EXPECT_EQ(steps, kLongListRestarts + 1);
    EXPECT_TRUE(packet == in_one_go(dispatcher, Params{}));
}

TEST(LongList, AnEmptiedTableIsAFault) {
    cp::Dispatcher dispatcher({});
    ASSERT_TRUE(dispatcher.load(rows(5000, 5000), no_names, true));
    const auto list = LongList::begin(dispatcher, "dispatcher.list", Params{}, 77);
    std::string packet;
    ASSERT_FALSE(list->step(dispatcher, packet));
    ASSERT_TRUE(dispatcher.load({}, no_names, true));
    ASSERT_TRUE(list->step(dispatcher, packet));
    EXPECT_TRUE(packet == in_one_go(dispatcher, Params{}));
}

TEST(LongList, OnlyForLongOnes) {
    cp::Dispatcher dispatcher({});
    ASSERT_TRUE(dispatcher.load(rows(kLongListFrom - 1, 100), no_names, true));
    EXPECT_EQ(LongList::begin(dispatcher, "dispatcher.list", Params{}, 1), nullptr);
    ASSERT_TRUE(dispatcher.load(rows(kLongListFrom, 100), no_names, true));
    EXPECT_NE(LongList::begin(dispatcher, "dispatcher.list", Params{}, 1), nullptr);
    EXPECT_EQ(LongList::begin(dispatcher, "dispatcher.reload", Params{}, 1), nullptr);
}

// Recorded from Kamailio 5.6.3: the host as the row has it, the address as it is written anew.
TEST(LongList, Ipv6StandsInBrackets) {
    std::vector<cp::DestinationRow> row(1);
    row[0].destination = "sip:[FD77::A]:5070";
    cp::Dispatcher dispatcher{cp::DispatcherOptions{}};
    ASSERT_TRUE(dispatcher.load(row, no_names, true));
    const cp::Destination& loaded = dispatcher.sets().at(0).members.at(0);
    const std::string bytes =
        write_reply(1, Reply::of(listed_destination(loaded, 0, ListMode::kFull, {})));
    EXPECT_NE(bytes.find("[FD77::A]", bytes.find("HOST")), std::string::npos);
    EXPECT_NE(bytes.find("[fd77::a]", bytes.find("IPADDR")), std::string::npos);
}

}  // namespace
}  // namespace lb::rpc
