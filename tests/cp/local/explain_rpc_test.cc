// siplane.explain and siplane.reload_preview over a real control socket, and siplanectl asking it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "cp/control.h"
#include "cp/explain_tables.h"
#include "cp/rpc/explain_value.h"
#include "cp/rpc/methods.h"
#include "cp/rpc/servers.h"
#include "cp/tables_builder.h"
#include "dp/core/call_choice.h"
#include "dp/table/call_load.h"
#include "tests/support/run_program.h"

namespace lb {
namespace {

using nlohmann::json;
using rpc::Value;
using test::Ran;
using testing::HasSubstr;

std::string request(const std::string& call_id, const std::string& method = "INVITE") {
    return method + " sip:bob@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bK" +
           call_id +
           "\r\nFrom: <sip:a@a.example>;tag=1\r\nTo: <sip:b@b.example>\r\nCall-ID: " + call_id +
           "\r\nCSeq: 1 " + method + "\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
}

Result<std::vector<Endpoint>> literal(const cp::DestinationUri& uri) {
    if (!uri.literal) return failed(Errc::kNotFound, "no names here");
    return std::vector<Endpoint>{{*uri.literal, uri.port != 0 ? uri.port : std::uint16_t{5060}}};
}

// A daemon without a data plane: a model, its tables, and a list file to reload from.
class LittleControl : public cp::Control {
public:
    explicit LittleControl(const std::string& algorithm) {
        cp::OfflineSource source;
        source.list_file = folder_.write("list",
                                         "1 sip:198.51.100.1 0 0 duid=a\n"
                                         "1 sip:198.51.100.2 0 0 duid=b\n"
                                         "1 sip:198.51.100.3 0 0 duid=c\n"
                                         "1 sip:198.51.100.4 0 0 duid=d\n");
        source.algorithm = algorithm;
        config_ = cp::offline_config(source).value();
        model_ = std::make_unique<cp::Dispatcher>(cp::dispatcher_options(config_));
        EXPECT_TRUE(model_->load(cp::load_rows(config_.dispatcher).value(), literal, true));
        tables_ = cp::offline_tables(config_).value().tables;
        publish(*model_);
    }

    void set_list(std::string_view text) const { folder_.write("list", text); }
    // `count` rules instead of those there are, each to the set that `set_of` says.
    void add_rules(int count, const std::function<std::int32_t(int)>& set_of) {
        std::vector<table::Rule>& rules = config_.services.at(0).rules;
        rules.clear();
        for (int i = 0; i < count; ++i) {
            table::Rule& rule = rules.emplace_back();
            rule.name = std::to_string(i);
            rule.set = set_of(i);
        }
        publish(*model_);
    }
    std::string list_file() const { return folder_.file("list"); }
    void load_list() {
        EXPECT_TRUE(model_->load(cp::load_rows(config_.dispatcher).value(), literal, true));
        publish(*model_);
    }
    const table::Tables& now() const { return tables_; }
    void publish(const cp::Dispatcher& model) {
        cp::DispatchCarry carry;
        carry.calls = calls_;
        tables_.dispatch = cp::build_dispatch(config_, model, carry).value();
    }
    table::CallLoad& calls() { return *calls_; }

    cp::Dispatcher& dispatcher() override { return *model_; }
    Status reload() override { return {}; }
    Status add_destination(const cp::DestinationRow&) override { return {}; }
    Status remove_destination(std::int32_t, std::string_view) override { return {}; }
    void dispatcher_changed() override { publish(*model_); }
    std::int32_t ping_active() const override { return 1; }
    void set_ping_active(std::int32_t) override {}
    bool try_start_reload() override { return true; }
    const table::Tables* tables() const override { return &tables_; }
    Result<std::unique_ptr<const table::Dispatch>> preview_reload() override {
        const auto copy = model_->clone();
        const auto rows = cp::load_rows(config_.dispatcher);
        if (!rows) return failed(rows.error());
        if (const auto report = copy->load(*rows, literal, true); !report) {
            return failed(report.error());
        }
        return cp::build_dispatch(config_, *copy);
    }
    cp::Stats stats() const override { return {}; }
    std::int64_t start_time() const override { return 0; }

private:
    test::RunFolder folder_;
    cp::Config config_;
    std::unique_ptr<cp::Dispatcher> model_;
    std::shared_ptr<table::CallLoad> calls_ = table::CallLoad::create({});
    table::Tables tables_;
};

struct NoSockets : rpc::SocketDirectory {
    std::vector<rpc::SocketInfo> listeners() const override { return {}; }
    std::vector<rpc::SocketInfo> connections() const override { return {}; }
};

rpc::Params params(const std::vector<rpc::Param>& list) {
    rpc::Params out;
    for (const rpc::Param& one : list) out.add(one);
    return out;
}
rpc::Param text(std::string value) {
    rpc::Param param;
    param.kind = rpc::Param::Kind::kString;
    param.text = std::move(value);
    return param;
}
rpc::Param number(std::int64_t value) {
    rpc::Param param;
    param.kind = rpc::Param::Kind::kInt;
    param.number = value;
    return param;
}

class ExplainRpc : public testing::Test {
protected:
    rpc::Reply call(std::string_view method, const std::vector<rpc::Param>& list) {
        rpc::Context context{control, sockets};
        return rpc::call(context, method, params(list));
    }
    std::string text_of(const rpc::Reply& reply, std::string_view name) {
        const Value* const found = reply.values.at(0).find(name);
        const auto* const value = found == nullptr ? nullptr : found->get_if<std::string>();
        return value == nullptr ? "" : *value;
    }

    LittleControl control{"callid"};
    NoSockets sockets;
};

TEST_F(ExplainRpc, answers_for_a_message) {
    const rpc::Reply reply = call("siplane.explain", {text(request("seq"))});
    ASSERT_FALSE(reply.fault);
    EXPECT_EQ(text_of(reply, "VERDICT"), "forward");
    EXPECT_EQ(text_of(reply, "HASH"), "8199528");  // as dispatcher.hash says of "seq"
    const Value* const choice = reply.values.at(0).find("CHOICE");
    ASSERT_NE(choice, nullptr);
    EXPECT_EQ(*choice->find("INDEX"), Value(std::int32_t{8199528 % 4}));
    EXPECT_EQ(*choice->find("URI"), Value("sip:198.51.100.4"));
}

TEST_F(ExplainRpc, refuses_what_is_no_question) {
    EXPECT_EQ(call("siplane.explain", {}).fault->text, "Invalid Parameters");
    EXPECT_EQ(call("siplane.explain", {number(5)}).fault->text, "Invalid Parameters");
    EXPECT_EQ(call("siplane.explain", {text("x"), text("nonsense")}).fault->text, "Cannot Explain");
    const rpc::Reply unknown = call("siplane.explain", {text("x"), text(""), text("other")});
    EXPECT_THAT(unknown.fault->detail, HasSubstr("there are: explain at 192.0.2.2:5060"));
    const rpc::Reply large = call("siplane.explain", {text(std::string(70000, 'x'))});
    EXPECT_THAT(large.fault->detail, HasSubstr("no UDP datagram"));
}

// A destination that is not spoken to is not usable, and whoever wonders gets the reason.
TEST_F(ExplainRpc, tells_destinations_without_an_address_apart) {
    control.set_list(
        "1 sip:198.51.100.1\n1 sip:198.51.100.2;transport=tcp\n1 sips:198.51.100.3\n"
        "1 sip:gone.example 16\n");
    control.load_list();
    const rpc::Reply tables = call("siplane.tables", {});
    const Value& set = tables.values.at(0).find("SETS")->members()->at(0).value;
    for (const auto& [name, count] :
         {std::pair{"DESTINATIONS", 4}, {"USABLE", 1}, {"NOT_UDP", 2}, {"UNRESOLVED", 1}}) {
        ASSERT_NE(set.find(name), nullptr) << name;
        EXPECT_EQ(*set.find(name), Value(std::int32_t{count})) << name;
    }
    const rpc::Reply reply = call("siplane.explain", {text(request("seq"))});
    const Value& answer = reply.values.at(0);
    ASSERT_NE(answer.find("NOT_UDP"), nullptr);
    EXPECT_EQ(answer.find("NOT_UDP")->members()->size(), 2U);
    EXPECT_THAT(rpc::explanation_text(answer),
                HasSubstr("2 not selectable, as only UDP is spoken: [1] sips:198.51.100.3, "
                          "[2] sip:198.51.100.2;transport=tcp"));
    EXPECT_THAT(rpc::explanation_text(answer),
                HasSubstr("1 not selectable, as the name does not resolve: [0] sip:gone.example"));
}

// Nothing that the workers use may move: neither pointers nor the loads of calls.
TEST(explain_rpc, touches_nothing) {
    LittleControl control("4");
    NoSockets sockets;
    rpc::Context context{control, sockets};
    for (int i = 0; i < 5; ++i) {
        const rpc::Reply reply =
            rpc::call(context, "siplane.explain", params({text(request(std::to_string(i)))}));
        EXPECT_EQ(*reply.values.at(0).find("CHOICE")->find("INDEX"), Value(std::int32_t{0}));
    }
    EXPECT_EQ(control.now().dispatch->cursors()->at(0, 0).last, 0U);
}

// A series goes on, another one starts anew; the tables' own pointers stay in both.
TEST(explain_rpc, a_session_is_a_series) {
    LittleControl control("4");
    NoSockets sockets;
    rpc::Context context{control, sockets};
    const auto index = [&](const std::string& call, std::int64_t session) {
        const rpc::Reply reply =
            rpc::call(context, "siplane.explain",
                      params({text(request(call)), text(""), text(""), number(session)}));
        return *reply.values.at(0).find("CHOICE")->find("INDEX")->get_if<std::int32_t>();
    };
    EXPECT_EQ(index("a", 7), 0);
    EXPECT_EQ(index("b", 7), 1);
    EXPECT_EQ(index("a", 7), 0) << "a retransmission";
    EXPECT_EQ(index("c", 7), 2);
    EXPECT_EQ(index("d", 8), 0);
    EXPECT_EQ(control.now().dispatch->cursors()->at(0, 0).last, 0U);
}

TEST(explain_rpc, ends_no_call_and_begins_none) {
    LittleControl control("10");
    NoSockets sockets;
    rpc::Context context{control, sockets};
    const auto explain = [&](const std::string& message) {
        const rpc::Reply reply = rpc::call(context, "siplane.explain", params({text(message)}));
        EXPECT_FALSE(reply.fault);
        const Value* const choice = reply.values.at(0).find("CHOICE");
        return choice == nullptr ? Value(std::int32_t{-1}) : *choice->find("INDEX");
    };
    explain(request("one"));
    EXPECT_EQ(control.calls().calls(), 0U);

    // A call that a worker began, at index 0; the next one goes to index 1, and a BYE ends nothing.
    const table::Dispatch& dispatch = *control.now().dispatch;
    const table::Set& set = *dispatch.find_set(1);
    const std::uint64_t key = control.calls().call_key("one");
    ASSERT_TRUE(core::start_call(set, dispatch.plan(set), control.calls(), key, 0, dispatch));
    EXPECT_EQ(explain(request("one")), Value(std::int32_t{0}));
    EXPECT_EQ(explain(request("two")), Value(std::int32_t{1}));
    EXPECT_EQ(explain(request("one", "BYE")), Value(std::int32_t{0}));
    EXPECT_EQ(control.calls().calls(), 1U);
    EXPECT_EQ(control.calls().load_of(set.members[0].id), 1U);

    // Nor does one whose destination is down: its INVITE would begin anew.
    ASSERT_TRUE(control.dispatcher().set_state(1, "all", table::kInactive));
    control.dispatcher_changed();
    EXPECT_EQ(explain(request("one")), Value(std::int32_t{-1}));
    EXPECT_EQ(control.calls().calls(), 1U);
}

// ---- preview ----------------------------------------------------------------------------------

double moved_percent(const rpc::Reply& reply) {
    const Value& service = reply.values.at(0).find("SERVICES")->members()->at(0).value;
    return *service.find("MOVED_PERCENT")->get_if<double>();
}

TEST_F(ExplainRpc, previews_that_nothing_moves) {
    const rpc::Reply reply = call("siplane.reload_preview", {number(1000)});
    ASSERT_FALSE(reply.fault);
    EXPECT_EQ(*reply.values.at(0).find("SAMPLE"), Value(std::int32_t{1000}));
    EXPECT_EQ(moved_percent(reply), 0.0);
}

// Modulo over 4 and then 5 destinations keeps one call in five; the table in use stays.
TEST_F(ExplainRpc, previews_one_destination_more) {
    control.set_list(
        "1 sip:198.51.100.1 0 0 duid=a\n1 sip:198.51.100.2 0 0 duid=b\n"
        "1 sip:198.51.100.3 0 0 duid=c\n1 sip:198.51.100.4 0 0 duid=d\n"
        "1 sip:198.51.100.5 0 0 duid=e\n");
    const std::uint64_t version = control.dispatcher().version();
    const rpc::Reply reply = call("siplane.reload_preview", {});
    ASSERT_FALSE(reply.fault);
    EXPECT_GT(moved_percent(reply), 60.0);
    const Value& service = reply.values.at(0).find("SERVICES")->members()->at(0).value;
    std::int64_t before = 0, after = 0;
    for (const rpc::Member& row : *service.find("TARGETS")->members()) {
        before += *row.value.find("BEFORE")->get_if<std::int64_t>();
        after += *row.value.find("AFTER")->get_if<std::int64_t>();
    }
    EXPECT_EQ(before, 10000);
    EXPECT_EQ(after, 10000);
    EXPECT_EQ(control.dispatcher().version(), version);
    EXPECT_EQ(control.dispatcher().size(), 4U);
}

// Many rules that lead to one set cost what one of them costs; many sets bound the sample.
TEST_F(ExplainRpc, previews_of_many_rules_are_bounded) {
    control.add_rules(3000, [](int) { return 1; });
    const auto start = std::chrono::steady_clock::now();
    const rpc::Reply one_set = call("siplane.reload_preview", {number(200'000)});
    ASSERT_FALSE(one_set.fault) << one_set.fault->detail;
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
    EXPECT_EQ(one_set.values.at(0).find("SERVICES")->members()->size(), 3001U);

    control.add_rules(999, [](int i) { return 100 + i; });
    const rpc::Reply refused = call("siplane.reload_preview", {number(1001)});
    ASSERT_TRUE(refused.fault);
    EXPECT_EQ(refused.fault->detail,
              "the sample size is 1 to 1000, with 1000 different sets and algorithms in services "
              "and rules");
    const rpc::Reply reply = call("siplane.reload_preview", {});
    ASSERT_FALSE(reply.fault);
    EXPECT_EQ(*reply.values.at(0).find("SAMPLE"), Value(std::int32_t{1000}));
}

TEST(explain_rpc, preview_with_maglev_moves_only_the_share) {
    LittleControl control("maglev");
    NoSockets sockets;
    rpc::Context context{control, sockets};
    control.set_list(
        "1 sip:198.51.100.1 0 0 duid=a\n1 sip:198.51.100.2 0 0 duid=b\n"
        "1 sip:198.51.100.3 0 0 duid=c\n");
    const rpc::Reply reply = rpc::call(context, "siplane.reload_preview", params({}));
    ASSERT_FALSE(reply.fault);
    EXPECT_NEAR(moved_percent(reply), 25.0, 4.0);
}

TEST_F(ExplainRpc, previews_keep_the_states_that_a_reload_keeps) {
    for (const cp::DestinationSet& set : control.dispatcher().sets()) {
        control.dispatcher().probe_result(set.members[0].id, false, {}, true);
    }
    control.dispatcher_changed();
    EXPECT_EQ(moved_percent(call("siplane.reload_preview", {})), 0.0);
}

TEST_F(ExplainRpc, previews_a_reload_that_would_fail) {
    control.set_list("1 sip:198.51.100.1\n1 sip:198.51.100.2:99999\n");
    const rpc::Reply reply = call("siplane.reload_preview", {});
    ASSERT_TRUE(reply.fault);
    EXPECT_EQ(reply.fault->text, "Reload Would Fail");
    EXPECT_THAT(reply.fault->detail, HasSubstr("list:2"));
    EXPECT_EQ(call("siplane.reload_preview", {number(0)}).fault->text, "Invalid Parameters");
    EXPECT_EQ(call("siplane.reload_preview", {number(1000000)}).fault->text, "Invalid Parameters");
}

// ---- siplanectl -------------------------------------------------------------------------------

class LiveExplain : public testing::Test {
protected:
    LiveExplain() {
        cp::RpcConfig config;
        config.binrpc = {"unix:" + folder.file("ctl")};
        config.jsonrpc.clear();
        servers = rpc::RpcServers::create(io, config, control).value();
        thread = std::thread([this] { io.run(); });
    }
    ~LiveExplain() override {
        io.stop();
        thread.join();
    }
    Ran siplanectl(std::vector<std::string> words, std::string_view input = {}) {
        words.insert(words.begin(), {"-s", "unix:" + folder.file("ctl")});
        return test::run_program(SIPLANECTL, std::move(words), input);
    }

    test::RunFolder folder;
    LittleControl control{"callid"};
    asio::io_context io;
    std::unique_ptr<rpc::RpcServers> servers;
    std::thread thread;
};

TEST_F(LiveExplain, asks_the_tables_in_use) {
    const std::string file = folder.write("message", request("seq"));
    const Ran ran = siplanectl({"explain", file});
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_THAT(ran.out, HasSubstr("choice       [0] sip:198.51.100.4 (198.51.100.4:5060)"));
    EXPECT_THAT(ran.out, HasSubstr("Call-ID: seq"));

    const json line{{"msg", request("seq")}};
    const Ran lines = siplanectl({"explain", "--jsonl"}, line.dump() + "\n");
    EXPECT_EQ(json::parse(lines.out).at("selected"), "sip:198.51.100.4");
}

// Over BINRPC a list is a struct with one name again and again, which no JSON reader keeps.
TEST_F(LiveExplain, json_is_the_same_with_and_without_a_daemon) {
    const std::string file = folder.write("message", request("seq"));
    const Ran live = siplanectl({"explain", "--json", file});
    EXPECT_EQ(live.status, 0) << live.err;
    const Ran offline = test::run_program(
        SIPLANECTL, {"explain", "--json", "--list-file", control.list_file(), file});
    EXPECT_EQ(offline.status, 0) << offline.err;
    json with = json::parse(live.out), without = json::parse(offline.out);
    EXPECT_EQ(with.at("CANDIDATES").size(), 4U);
    with.erase("MESSAGE");  // has a branch of another secret
    without.erase("MESSAGE");
    EXPECT_EQ(with, without);
    const Ran method = siplanectl({"siplane.explain", request("seq"), "--json"});
    EXPECT_EQ(json::parse(method.out).at("CANDIDATES").size(), 4U);
}

// ISUP beside SDP, for one: the body has NULs, and goes to the daemon and back whole.
TEST_F(LiveExplain, takes_a_binary_body) {
    const std::string body("\0\x01ISUP\0\0\xff end of it", 19);
    std::string message = request("seq");
    const std::string none = "Content-Length: 0\r\n\r\n";
    message.replace(message.find(none), none.size(), "Content-Length: 19\r\n\r\n" + body);
    const std::string file = folder.write("message", message);
    const Ran ran = siplanectl({"explain", file});
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_THAT(ran.out, HasSubstr("choice       [0] sip:198.51.100.4 (198.51.100.4:5060)"));
    EXPECT_THAT(ran.out, HasSubstr("end of it"));
}

TEST_F(LiveExplain, other_words_still_go_to_the_daemon) {
    const Ran dump = siplanectl({"dispatcher", "dump"});
    EXPECT_EQ(dump.status, 0) << dump.err;
    EXPECT_THAT(dump.out, HasSubstr("URI: sip:198.51.100.1"));
    EXPECT_THAT(siplanectl({"dispatcher", "reload"}).out, HasSubstr("successfully reloaded"));
    const Ran preview = siplanectl({"siplane.reload_preview", "100", "--json"});
    EXPECT_EQ(json::parse(preview.out).at("SAMPLE"), 100);
}

// As for every other command: what is wrong in the words themselves is status 2.
TEST_F(LiveExplain, wrong_words_of_a_trace_are_told) {
    const std::vector<std::vector<std::string>> usage = {
        {"trace"},
        {"trace", "--all", "--call-id", "x"},
        {"trace", "--source", "nowhere"},
        {"trace", "--destination", "10.0.0.0/99"},
        {"trace", "--all", "--seconds", "0"},
    };
    for (const auto& words : usage) EXPECT_EQ(siplanectl(words).status, 2) << words.back();
    EXPECT_EQ(siplanectl({"trace", "--source", "10.0.0.0/8"}).status, 1) << "no workers here";
}

TEST_F(LiveExplain, says_who_does_not_answer) {
    const Ran ran = test::run_program(
        SIPLANECTL, {"-s", "unix:" + folder.file("nobody"), "explain"}, request("seq"));
    EXPECT_EQ(ran.status, 3);
    EXPECT_THAT(ran.err, HasSubstr("nobody"));
}

}  // namespace
}  // namespace lb
