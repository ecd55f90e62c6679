// Sends the recorded JSON-RPC requests over datagram socket and FIFO, and compares the replies byte
// for byte.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "cp/rpc/jsonrpc.h"
#include "tests/cp/rpc/lab.h"
#include "tests/cp/rpc/transcript.h"

namespace lb::test {
namespace {

constexpr int kPatienceMs = 5000;
constexpr int kSilenceMs = 600;  // longer than the server tries to open a reply FIFO

class JsonReplay {
public:
    JsonReplay(const RpcLab& lab, bool pretty) : lab_(lab), pretty_(pretty) {
        rpc::SocketName name;
        name.kind = rpc::SocketName::Kind::kUnixDatagram;
        name.path = pretty ? lab.json_path() : lab.compact_json_path();
        auto socket = rpc::connect_to(name, 5, own_path_);
        EXPECT_TRUE(socket) << socket.error().message;
        if (socket) socket_ = std::move(*socket);
    }
    ~JsonReplay() { ::unlink(own_path_.c_str()); }

    std::string ask(const Transcript& transcript) {
        const int patience = transcript.has_reply ? kPatienceMs : kSilenceMs;
        return transcript.name.starts_with("fifo") ? ask_fifo(transcript.request, patience)
                                                   : ask_datagram(transcript.request, patience);
    }

private:
    std::string ask_datagram(const std::string& request, int patience) {
        EXPECT_EQ(::send(socket_.get(), request.data(), request.size(), 0),
                  static_cast<ssize_t>(request.size()));
        return read_for(socket_.get(), patience);
    }

    std::string ask_fifo(std::string request, int patience) {
        const std::string name = "siplane_reply_" + std::to_string(::getpid());
        const std::string path = lab_.reply_dir() + "/" + name;
        EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
        const std::size_t at = request.find("REPLYNAME");
        if (at != std::string::npos) request.replace(at, 9, name);
        const rpc::Fd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        const std::string fifo = pretty_ ? lab_.fifo_path() : lab_.compact_fifo_path();
        const rpc::Fd writer(::open(fifo.c_str(), O_WRONLY | O_CLOEXEC));
        EXPECT_EQ(::write(writer.get(), request.data(), request.size()),
                  static_cast<ssize_t>(request.size()));
        std::string out;
        for (;;) {  // the server closes when it has written all
            const std::string more = read_for(reader.get(), patience);
            if (more.empty()) break;
            out += more;
        }
        ::unlink(path.c_str());
        return out;
    }

    const RpcLab& lab_;
    bool pretty_;
    std::string own_path_;
    rpc::Fd socket_;
};

// Same members, in order, and the same kinds of values; lists of any length.
bool same_shape(const nlohmann::ordered_json& a, const nlohmann::ordered_json& b) {
    if (a.type() != b.type() && !(a.is_number() && b.is_number())) return false;
    if (a.is_array()) return !a.empty() && !b.empty() && same_shape(a[0], b[0]);
    if (!a.is_object()) return true;
    if (a.size() != b.size()) return false;
    auto other = b.begin();
    for (auto at = a.begin(); at != a.end(); ++at, ++other) {
        if (at.key() != other.key() || !same_shape(at.value(), other.value())) return false;
    }
    return true;
}

std::string with_our_name(std::string text) {
    const std::string kamailio = "kamailio 5.6.3";
    const std::size_t at = text.find(kamailio);
    if (at != std::string::npos) text.replace(at, kamailio.size(), "siplane " SIPLANE_VERSION);
    return text;
}

// The rows of accepted.h that concern JSON: our name, our threads, our methods, our time.
void compare(const Transcript& transcript, const std::string& actual) {
    const auto request = rpc::parse_json_request(transcript.request);
    const std::string method = request ? request->method.value_or("") : std::string();
    if (method == "core.psx" || method == "core.uptime" || method == "system.listMethods") {
        const auto was = nlohmann::ordered_json::parse(transcript.reply, nullptr, false);
        const auto is = nlohmann::ordered_json::parse(actual, nullptr, false);
        EXPECT_TRUE(same_shape(was, is)) << actual;
        EXPECT_EQ(was["id"], is["id"]);
        return;
    }
    EXPECT_EQ(actual, with_our_name(transcript.reply));
}

void replay(const char* folder, bool pretty) {
    LabOptions options;
    options.reload_delta = 5;
    options.dispatcher.latency_stats = true;
    const auto path = golden_folder() / "jsonrpc" / folder;
    RpcLab lab(options, path / "db.sql");
    JsonReplay client(lab, pretty);
    std::size_t steps = 0;
    for (const Transcript& transcript : read_session(path)) {
        if (transcript.request.empty()) continue;  // kamctl's own
        SCOPED_TRACE(transcript.name);
        compare(transcript, client.ask(transcript));
        ++steps;
    }
    EXPECT_GE(steps, pretty ? 55u : 14u);
}

TEST(JsonrpcTranscripts, PrettyReplays) { replay("pretty", true); }
TEST(JsonrpcTranscripts, CompactReplays) { replay("compact", false); }

// An object looks up each of its names among those before.
TEST(Jsonrpc, ADocumentHasSoManyNames) {
    const auto with_names = [](int count) {
        std::string text = R"({"jsonrpc":"2.0","method":"core.version","id":1,"params":{"a":1)";
        for (int i = 0; i < count; ++i) text += ",\"n" + std::to_string(i) + "\":1";
        return text + "}}";
    };
    EXPECT_TRUE(rpc::parse_json_request(with_names(900)));
    const auto start = std::chrono::steady_clock::now();
    EXPECT_FALSE(rpc::parse_json_request(with_names(30000)));
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

TEST(Jsonrpc, FirstDocument) {
    EXPECT_EQ(rpc::first_document("{}"), 2u);
    EXPECT_EQ(rpc::first_document("{\"a\":\"}\"} x"), 9u);
    EXPECT_EQ(rpc::first_document("{\"a\":\"\\\"}\"}"), 11u);
    EXPECT_EQ(rpc::first_document("[{}] {}"), 4u);
    EXPECT_EQ(rpc::first_document("junk {}"), 7u);
    EXPECT_EQ(rpc::first_document("{\"a\":{}"), 0u);
    EXPECT_EQ(rpc::first_document(""), 0u);
    EXPECT_EQ(rpc::first_document("}}}"), 0u);
}

// Recorded from Kamailio 5.6.3.
TEST(Jsonrpc, WhatMayBeAStateAndAnId) {
    const auto request = rpc::parse_json_request(
        R"({"jsonrpc":"2.0","method":"m","params":["ip",2,1.0,2.7,-1,true,null],"id":true})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->id, "1");
    EXPECT_EQ(request->params.text_or_integer(0), "ip");
    EXPECT_EQ(request->params.text_or_integer(1), "2");
    EXPECT_EQ(request->params.text_or_integer(2), "1");
    EXPECT_EQ(request->params.text_or_integer(3), "2");
    EXPECT_EQ(request->params.text_or_integer(4), "18446744073709551615");
    EXPECT_EQ(request->params.text_or_integer(5), std::nullopt);
    EXPECT_EQ(request->params.integer(5), 1) << "but a number it is";
    EXPECT_EQ(request->params.text_or_integer(6), std::nullopt);
}

struct NumberRow {
    const char* json;
    std::int32_t integer;
    const char* text;
};

// What Kamailio 5.6.3 gives for core.printi and core.echo of each.
constexpr NumberRow kNumbers[] = {
    {"2147483647", 2147483647, "2147483647"},
    {"2147483647.5", 2147483647, "2147483647"},
    {"2147483648", INT32_MIN, "2147483648"},
    {"2147483648.5", INT32_MIN, "2147483648"},
    {"4294967296", INT32_MIN, "4294967296"},
    {"4294967297", INT32_MIN, "4294967297"},
    {"-2147483648", INT32_MIN, "18446744071562067968"},
    {"-2147483649", INT32_MIN, "18446744071562067967"},
    {"9223372036854775808", INT32_MIN, "9223372036854775808"},
    {"18446744073709551615", INT32_MIN, "0"},
    {"1e19", INT32_MIN, "10000000000000000000"},
    {"1e20", INT32_MIN, "0"},
    {"-1e20", INT32_MIN, "9223372036854775808"},
    {"-1.5", -1, "18446744073709551615"},
    {"01", 1, "1"},
    {"-01", -1, "18446744073709551615"},
    {"01.5", 1, "1"},
    {"100", 100, "100"},
    {"1.005e2", 100, "100"},
};

TEST(Jsonrpc, NumbersConvertAsInKamailio) {
    for (const NumberRow& row : kNumbers) {
        const auto request = rpc::parse_json_request(
            std::string(R"({"jsonrpc":"2.0","method":"m","params":[)") + row.json + "]}");
        ASSERT_TRUE(request) << row.json;
        EXPECT_EQ(request->params.integer(0), row.integer) << row.json;
        EXPECT_EQ(request->params.text_or_integer(0), row.text) << row.json;
    }
}

TEST(Jsonrpc, TakesWhatKamailioTakes) {
    const auto request = rpc::parse_json_request(
        "{\x01\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":[\"a\tb\x01\","
        "\"007 \\\"00\\u0041\",0012,0],\"id\":09}");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->params.text(0), "a\tb\x01");
    EXPECT_EQ(request->params.text(1), "007 \"00A");
    EXPECT_EQ(request->params.integer(2), 12);
    EXPECT_EQ(request->params.integer(3), 0);
    EXPECT_EQ(request->id, "9");
    EXPECT_FALSE(rpc::parse_json_request("{\"a\":1 01}"));
    EXPECT_FALSE(rpc::parse_json_request("{\"a\":0x1}"));
}

// Kamailio's dispatcher.list passes on the bytes of the table as they are.
TEST(Jsonrpc, OwnMethodsAnswerInUtf8AndKamailiosByteForByte) {
    rpc::JsonRequest request;
    const auto text = [&] {
        return rpc::write_json_reply(request, rpc::Reply::of(rpc::Struct{{"URI", "sip:\xfc"}}), {});
    };
    request.method = "siplane.explain";
    EXPECT_NE(text().find("sip:\xef\xbf\xbd\""), std::string::npos);
    request.method = "dispatcher.list";
    EXPECT_NE(text().find("sip:\xfc\""), std::string::npos);
}

// What a client leaves unfinished on the FIFO must not spoil the next client's request for ever.
TEST(JsonrpcFifo, UnfinishedRequestIsForgotten) {
    RpcLab lab(LabOptions{}, "",
               "insert into dispatcher (setid,destination) values (1,'sip:127.0.0.1');");
    {
        const rpc::Fd writer(::open(lab.fifo_path().c_str(), O_WRONLY | O_CLOEXEC));
        ASSERT_EQ(::write(writer.get(), "{\"jsonrpc\"", 10), 10);
    }
    ::usleep(2'500'000);  // kPartSeconds and a little
    JsonReplay client(lab, true);
    Transcript transcript;
    transcript.name = "fifo";
    transcript.has_reply = true;
    transcript.request =
        R"({"jsonrpc":"2.0","method":"dispatcher.ping_active","reply_name":"REPLYNAME","id":1})";
    EXPECT_NE(client.ask(transcript).find("OldPingState"), std::string::npos);
}

// A reply goes into FIFOs in the reply folder only: not through links, not into files.
TEST(JsonrpcFifo, RepliesGoIntoPlainFifosOnly) {
    RpcLab lab(LabOptions{}, "");
    const std::string file = lab.reply_dir() + "/plain";
    const std::string target = lab.reply_dir() + "/target.fifo";
    { const rpc::Fd made(::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)); }
    ASSERT_EQ(::mkfifo(target.c_str(), 0600), 0);
    ASSERT_EQ(::symlink(target.c_str(), (lab.reply_dir() + "/soft").c_str()), 0);
    ASSERT_EQ(::link(target.c_str(), (lab.reply_dir() + "/hard").c_str()), 0);
    const rpc::Fd reader(::open(target.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    for (const char* name : {"plain", "soft", "hard", "target.fifo", "../etc", ""}) {
        const rpc::Fd writer(::open(lab.fifo_path().c_str(), O_WRONLY | O_CLOEXEC));
        const std::string request =
            std::string(R"({"jsonrpc":"2.0","method":"core.version","id":1,"reply_name":")") +
            name + "\"}";
        ASSERT_GT(::write(writer.get(), request.data(), request.size()), 0);
    }
    EXPECT_EQ(read_for(reader.get(), kSilenceMs), "");
    struct stat status {};
    ASSERT_EQ(::stat(file.c_str(), &status), 0);
    EXPECT_EQ(status.st_size, 0);
}

}  // namespace
}  // namespace lb::test
