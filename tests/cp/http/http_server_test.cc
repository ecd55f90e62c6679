// The server over real sockets on loopback, with clients that behave and clients that do not.

#include "cp/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <atomic>
#include <chrono>
#include <future>
#include <random>
#include <thread>

#include "cp/handover.h"
#include "cp/http_connection.h"
#include "cp/rpc/servers.h"
#include "tests/cp/http/fake_control.h"

namespace lb::cp {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class Client {
public:
    explicit Client(const Endpoint& server) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(server.port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0;
    }
    ~Client() { ::close(fd_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    bool connected() const { return connected_; }
    bool send(std::string_view text) const {
        while (!text.empty()) {
            const ssize_t some = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (some <= 0) return false;
            text.remove_prefix(static_cast<std::size_t>(some));
        }
        return true;
    }
    void end() const { ::shutdown(fd_, SHUT_WR); }
    // Until the server ends, or `limit`.
    std::string read(std::chrono::milliseconds limit = 20s) const {
        std::string out;
        const auto until = Clock::now() + limit;
        while (Clock::now() < until) {
            pollfd wait{fd_, POLLIN, 0};
            if (::poll(&wait, 1, 50) <= 0) continue;
            char buffer[4096];
            const ssize_t got = ::recv(fd_, buffer, sizeof(buffer), 0);
            if (got <= 0) return out;
            out.append(buffer, static_cast<std::size_t>(got));
        }
        return out + "(not ended)";
    }

private:
    int fd_;
    bool connected_ = false;
};

class HttpServerTest : public testing::Test {
protected:
    HttpServerTest() {
        RpcConfig sockets;
        sockets.binrpc.clear();
        sockets.jsonrpc.clear();
        control.load({{1, "sip:10.0.0.1"}});
        rpc = std::move(*rpc::RpcServers::create(io, sockets, control));
        HttpSources sources;
        sources.report = [this] {
            ++reports;
            return make_report(Config{}, control);
        };
        sources.jsonrpc = [this](std::string_view body) {
            ++calls;
            return rpc->answer_http(body);
        };
        auto made = HttpServer::create(io, *Endpoint::parse("127.0.0.1:0"), std::move(sources));
        if (made) server = std::move(*made);
        thread = std::thread([this] { io.run(); });
    }
    ~HttpServerTest() override {
        io.stop();
        thread.join();
        server.reset();
    }

    std::string talk(std::string_view request) const {
        const Client client(server->local());
        client.send(request);
        return client.read();
    }
    std::string get(const std::string& path, const std::string& headers = "") const {
        return talk("GET " + path + " HTTP/1.1\r\nHost: lb\r\n" + headers + "\r\n");
    }
    std::string post(const std::string& path, const std::string& body,
                     const std::string& headers = "") const {
        return talk("POST " + path + " HTTP/1.1\r\nHost: lb\r\nContent-Length: " +
                    std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body);
    }
    void on_control(const std::function<void()>& task) {
        std::promise<void> done;
        asio::post(io, [&] {
            task();
            done.set_value();
        });
        done.get_future().wait();
    }
    // For as long as it lives, the control thread is busy.
    struct Busy {
        explicit Busy(asio::io_context& io) {
            asio::post(io, [done = end.get_future().share()] { done.wait_for(20s); });
        }
        ~Busy() { end.set_value(); }
        std::promise<void> end;
    };

    asio::io_context io{1};
    asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
    test::FakeControl control;
    std::unique_ptr<rpc::RpcServers> rpc;
    std::unique_ptr<HttpServer> server;
    std::thread thread;
    std::atomic<int> reports{0}, calls{0};
};

bool holds(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}
int status_of(const std::string& answer) {
    return answer.starts_with("HTTP/1.1 ") ? std::atoi(answer.c_str() + 9) : 0;
}

TEST_F(HttpServerTest, pages) {
    const std::string metrics = get("/metrics");
    EXPECT_EQ(status_of(metrics), 200);
    EXPECT_TRUE(holds(metrics, "Content-Type: text/plain; version=0.0.4"));
    EXPECT_TRUE(holds(metrics, "\nsiplane_destination_up{set=\"1\",uri=\"sip:10.0.0.1\"} 1\n"));
    const std::string page = get("/");
    EXPECT_EQ(status_of(page), 200);
    EXPECT_TRUE(holds(page, "Content-Security-Policy: default-src 'none'"));
    EXPECT_TRUE(holds(page, "</html>"));
    const std::string health = get("/healthz");
    EXPECT_EQ(status_of(health), 200);
    EXPECT_TRUE(holds(health, "ok: generation 7, 1 workers, 1 destinations\n"));
    EXPECT_EQ(reports, 1) << "one Report serves for a second";
    EXPECT_EQ(status_of(get("/etc/passwd")), 404);
    EXPECT_EQ(status_of(get("/jsonrpc")), 404);
    EXPECT_EQ(status_of(talk("HEAD /metrics HTTP/1.1\r\nHost: lb\r\n\r\n")), 200);
}

TEST_F(HttpServerTest, a_problem_is_503_and_a_sentence) {
    asio::post(io, [this] { control.shown.generation = 0; });
    const std::string answer = get("/healthz");
    EXPECT_EQ(status_of(answer), 503);
    EXPECT_TRUE(holds(answer, "no table has been loaded\n"));
}

TEST_F(HttpServerTest, gzip_on_request_only) {
    EXPECT_TRUE(holds(get("/metrics", "Accept-Encoding: br, gzip\r\n"), "Content-Encoding: gzip"));
    EXPECT_FALSE(holds(get("/metrics", "Accept-Encoding: br\r\n"), "Content-Encoding"));
}

TEST_F(HttpServerTest, jsonrpc) {
    const std::string body =
        R"({"jsonrpc":"2.0","method":"dispatcher.set_state","params":["ip",1,"sip:10.0.0.1"],"id":3})";
    const std::string answer = post("/jsonrpc", body);
    EXPECT_EQ(status_of(answer), 200);
    EXPECT_TRUE(holds(answer, "Content-Type: application/json"));
    EXPECT_TRUE(holds(answer, "\"id\"")) << answer;
    on_control([this] {
        EXPECT_EQ(control.dispatcher().sets()[0].members[0].flags,
                  table::kInactive | table::kProbing);
    });
    // As curl -d sends it, and longer than what the library takes for a form.
    const std::string list = R"({"jsonrpc":"2.0","method":"dispatcher.list","id":1})";
    const std::string form = "Content-Type: application/x-www-form-urlencoded\r\n";
    EXPECT_TRUE(holds(post("/jsonrpc", list + std::string(20'000, ' '), form), "sip:10.0.0.1"));
    EXPECT_TRUE(holds(post("/jsonrpc", "{"), "error"));
}

// The statuses of Kamailio 5.6.3's jsonrpc_dispatch().
TEST_F(HttpServerTest, jsonrpc_faults_have_the_status_of_their_code) {
    const auto status = [this](const std::string& method, const std::string& params) {
        return status_of(post("/jsonrpc", R"({"jsonrpc":"2.0","method":")" + method +
                                              R"(","params":)" + params + R"(,"id":7})"));
    };
    EXPECT_EQ(status("nosuch", "[]"), 500);
    EXPECT_EQ(status("", "[]"), 500);
    EXPECT_EQ(status("dispatcher.set_state", R"(["ip",99,"sip:x"])"), 500);
    EXPECT_EQ(status("system.methodHelp", R"(["nosuch"])"), 400);
    EXPECT_EQ(status("core.version", "[]"), 200);
    EXPECT_EQ(status("core.version", "5"), 200) << "an empty result";
    EXPECT_EQ(status_of(post("/jsonrpc", "{")), 200) << "-32700 is no status";
    const std::string nameless = post("/jsonrpc", R"({"jsonrpc":"2.0","method":"","id":7})");
    EXPECT_TRUE(holds(nameless, "Method Not Found")) << nameless;
    EXPECT_TRUE(holds(nameless, "Content-Type: application/json")) << nameless;
}

TEST_F(HttpServerTest, jsonrpc_refuses_web_pages) {
    const std::string body = R"({"jsonrpc":"2.0","method":"dispatcher.list","id":1})";
    EXPECT_EQ(status_of(post("/jsonrpc", body, "Origin: http://evil.example\r\n")), 403);
    EXPECT_EQ(status_of(post("/jsonrpc", body, "Origin: null\r\n")), 403);
    EXPECT_EQ(calls, 0);
}

TEST_F(HttpServerTest, a_busy_control_thread_is_503_and_runs_nothing_later) {
    {
        const Busy busy(io);
        EXPECT_EQ(status_of(get("/healthz")), 503);
        EXPECT_EQ(status_of(get("/metrics")), 503);
        EXPECT_EQ(status_of(post("/jsonrpc", "{}")), 503);
    }
    std::this_thread::sleep_for(HttpServer::kReportAge + 100ms);
    EXPECT_EQ(status_of(get("/healthz")), 200);
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(reports, 1);
}

TEST_F(HttpServerTest, bounds_of_a_request) {
    const std::string large(HttpConnection::kBodyBytesMax + 1, 'x');
    EXPECT_EQ(status_of(post("/jsonrpc", large)), 413);
    // Lengths that lie.
    for (const char* length : {"99999999999999999999999", "-1", "18446744073709551615", "1e9"}) {
        const Client client(server->local());
        client.send("POST /jsonrpc HTTP/1.1\r\nHost: lb\r\nContent-Length: " + std::string(length) +
                    "\r\n\r\n{}");
        client.end();
        EXPECT_FALSE(holds(client.read(), "(not ended)")) << length;
    }
    // Chunks without end.
    const Client chunks(server->local());
    chunks.send("POST /jsonrpc HTTP/1.1\r\nHost: lb\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "8000\r\n" + std::string(0x8000, 'x') + "\r\n";
    int sent = 0;
    while (sent < 1000 && chunks.send(chunk)) ++sent;
    EXPECT_LT(sent, 1000) << "the server would take 32 MB";
    // A head without end, and one line of it.
    const Client lines(server->local());
    lines.send("GET /metrics HTTP/1.1\r\n");
    for (sent = 0; sent < 1'000'000 && lines.send("X-Header: some value or other\r\n");) ++sent;
    EXPECT_LT(sent, 1'000'000);
    const Client line(server->local());
    for (sent = 0; sent < 100'000 && line.send(std::string(1000, 'x'));) ++sent;
    EXPECT_LT(sent, 100'000);
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(status_of(get("/healthz")), 200);
}

// The library matches this header with std::regex, which recurses.
TEST_F(HttpServerTest, long_ranges) {
    std::string ranges = "0-1";
    while (ranges.size() < 7'900) ranges += ",0-1";
    EXPECT_NE(status_of(get("/metrics", "Range: bytes=" + ranges + "\r\n")), 0);
    EXPECT_NE(status_of(get("/metrics", "Range: bytes=" + std::string(8'000, '9') + "-\r\n")), 0);
    const std::string page = get("/metrics", "Range: bytes=0-0\r\n");
    EXPECT_EQ(status_of(page), 200);
    EXPECT_TRUE(holds(page, "siplane_sets 1"));
}

TEST_F(HttpServerTest, a_small_body_that_unpacks_to_a_large_one_stays_small) {
    const std::string answer =
        post("/jsonrpc", std::string(100, '\x1f'), "Content-Encoding: gzip\r\n");
    EXPECT_EQ(status_of(answer), 200);  // an error object: it is no JSON
    EXPECT_EQ(calls, 1);
}

TEST_F(HttpServerTest, garbage) {
    std::mt19937 random(20);
    const std::string good = "POST /jsonrpc HTTP/1.1\r\nHost: lb\r\nContent-Length: 2\r\n\r\n{}";
    for (int i = 0; i < 300; ++i) {
        std::string text = good.substr(0, random() % (good.size() + 1));
        for (unsigned flips = random() % 4; flips > 0 && !text.empty(); --flips) {
            text[random() % text.size()] = static_cast<char>(random());
        }
        const Client client(server->local());
        client.send(text);
        client.end();
        EXPECT_FALSE(holds(client.read(), "(not ended)")) << text;
    }
    EXPECT_EQ(status_of(get("/healthz")), 200);
}

// Twice as many as there are threads: each lets a byte out now and then. The control thread never
// notices, and who comes later is served when the deadline has freed the threads.
TEST_F(HttpServerTest, slow_clients) {
    std::vector<std::unique_ptr<Client>> slow;
    for (unsigned i = 0; i < 2 * HttpServer::kThreads; ++i) {
        slow.push_back(std::make_unique<Client>(server->local()));
        ASSERT_TRUE(slow.back()->connected());
        slow.back()->send("GET /healthz HTTP/1.1\r\nX: ");
    }
    std::atomic<bool> end{false};
    std::thread trickle([&] {
        while (!end) {
            for (const auto& client : slow) client->send("x");
            std::this_thread::sleep_for(200ms);
        }
    });
    const auto before = Clock::now();
    std::promise<void> reached;
    asio::post(io, [&] { reached.set_value(); });
    EXPECT_EQ(reached.get_future().wait_for(1s), std::future_status::ready);
    EXPECT_EQ(status_of(get("/healthz")), 200);
    const auto took = Clock::now() - before;
    end = true;
    trickle.join();
    EXPECT_LT(took, 2 * HttpConnection::kReadLimit + 5s);
}

TEST_F(HttpServerTest, ends_at_once_with_clients_in_every_stage) {
    const Client silent(server->local()), half(server->local());
    half.send("GET /metrics HTTP/1.1\r\n");
    auto busy = std::make_unique<Busy>(io);
    const Client waiting(server->local());
    waiting.send("GET /healthz HTTP/1.1\r\n\r\n");
    std::this_thread::sleep_for(200ms);
    const auto before = Clock::now();
    server.reset();  // here in the part of the control thread, which does nothing else meanwhile
    EXPECT_LT(Clock::now() - before, 1500ms);
    busy.reset();
}

TEST(HttpServer, says_what_is_wrong) {
    asio::io_context io;
    const auto make = [&](const char* text) {
        return HttpServer::create(
            io, *Endpoint::parse(text),
            {[] { return Report{}; }, [](std::string_view) { return HttpAnswer{}; }});
    };
    const auto first = make("127.0.0.1:0");
    ASSERT_TRUE(first);
    EXPECT_EQ((*first)->warning(), "");
    const auto second = make((*first)->local().text().c_str());
    ASSERT_FALSE(second);
    EXPECT_TRUE(holds(second.error().message, "http: cannot bind " + (*first)->local().text()));
    const auto wide = make("0.0.0.0:0");
    ASSERT_TRUE(wide);
    EXPECT_TRUE(holds((*wide)->warning(), "is open to other hosts"));
    if (const auto six = make("[::1]:0")) {
        EXPECT_EQ((*six)->warning(), "");
    }
}

TEST(Handover, what_nobody_waits_for_never_runs) {
    asio::io_context io;
    Handover handover(io);
    bool ran = false;
    EXPECT_FALSE(handover.run([&] { ran = true; }, 10ms));
    io.run();
    EXPECT_FALSE(ran);
}

TEST(Handover, close_lets_everybody_go) {
    asio::io_context io;
    Handover handover(io);
    bool ran = false;
    std::thread other([&] { EXPECT_FALSE(handover.run([&] { ran = true; }, 20s)); });
    std::this_thread::sleep_for(50ms);
    handover.close();
    other.join();
    io.run();
    EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace lb::cp
