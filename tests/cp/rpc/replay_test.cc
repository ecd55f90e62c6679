// Sends the recorded requests of every kamcmd session to our server, over the recorded transport,
// and compares the replies byte for byte.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "tests/cp/rpc/compare.h"
#include "tests/cp/rpc/lab.h"

namespace lb::test {
namespace {

constexpr int kPatienceMs = 5000;
constexpr int kSilenceMs = 100;  // how long a recorded silence is listened to

class Client {
public:
    Client(const RpcLab& lab, const std::string& transport) {
        rpc::SocketName name;
        name.kind = kind_of(transport);
        name.path =
            name.kind == rpc::SocketName::Kind::kUnixDatagram ? lab.unixd_path() : lab.unix_path();
        name.host = "127.0.0.1";
        name.port = name.kind == rpc::SocketName::Kind::kTcp ? lab.tcp_port() : lab.udp_port();
        auto socket = rpc::connect_to(name, 5, own_path_);
        EXPECT_TRUE(socket) << socket.error().message;
        if (socket) fd_ = std::move(*socket);
    }
    ~Client() {
        if (!own_path_.empty()) ::unlink(own_path_.c_str());
    }

    void send(const std::string& bytes) {
        std::size_t sent = 0;
        while (sent < bytes.size()) {
            const ssize_t done =
                ::send(fd_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
            if (done <= 0) return;  // the server has closed: the test looks at that afterwards
            sent += static_cast<std::size_t>(done);
        }
    }

    // The next whole packet, or what came of it within the time.
    std::string packet(int milliseconds) {
        for (;;) {
            rpc::Header header;
            const auto defect = rpc::parse_header(as_bytes(rest_), header);
            const std::size_t size = header.size + header.body;
            if (defect == rpc::Defect::kNone && rest_.size() >= size) {
                const std::string out = rest_.substr(0, size);
                rest_.erase(0, size);
                return out;
            }
            const std::string more = read_for(fd_.get(), milliseconds);
            if (more.empty()) return std::exchange(rest_, {});
            rest_ += more;
        }
    }

    bool closed_by_server(int milliseconds) const {
        pollfd wait{.fd = fd_.get(), .events = POLLIN | POLLRDHUP, .revents = 0};
        if (::poll(&wait, 1, milliseconds) <= 0) return false;
        char byte = 0;
        return ::recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
    }

private:
    static rpc::SocketName::Kind kind_of(const std::string& transport) {
        if (transport == "unixd") return rpc::SocketName::Kind::kUnixDatagram;
        if (transport.starts_with("tcp")) return rpc::SocketName::Kind::kTcp;
        if (transport.starts_with("udp")) return rpc::SocketName::Kind::kUdp;
        return rpc::SocketName::Kind::kUnixStream;
    }

    std::string own_path_;
    rpc::Fd fd_;
    std::string rest_;
};

// Whole packets at the front of some bytes.
std::vector<std::string> packets_of(std::string bytes) {
    std::vector<std::string> out;
    rpc::Header header;
    while (rpc::parse_header(as_bytes(bytes), header) == rpc::Defect::kNone &&
           bytes.size() >= header.size + header.body) {
        out.push_back(bytes.substr(0, header.size + header.body));
        bytes.erase(0, header.size + header.body);
    }
    return out;
}

std::string method_of(const std::string& packet) {
    rpc::Header header;
    std::string method;
    rpc::Params params;
    if (rpc::parse_header(as_bytes(packet), header) != rpc::Defect::kNone) return {};
    (void)rpc::parse_request(as_bytes(packet).subspan(header.size), method, params);
    return method;
}

class Replay {
public:
    Replay(RpcLab& lab, ReplyJudge& judge) : lab_(lab), judge_(judge) {}

    void step(const Transcript& transcript) {
        lab_.prepare(transcript.value("before"));
        if (transcript.wire.empty()) return;
        SCOPED_TRACE(transcript.session + "/" + transcript.name);
        Client client(lab_, transcript.value("transport"));
        std::string requests;
        std::size_t at = 0;
        while (at < transcript.wire.size()) {
            for (; at < transcript.wire.size() && transcript.wire[at].from_client; ++at) {
                client.send(transcript.wire[at].bytes);
                requests += transcript.wire[at].bytes;
            }
            std::string recorded;
            for (; at < transcript.wire.size() && !transcript.wire[at].from_client; ++at) {
                recorded += transcript.wire[at].bytes;
            }
            compare(transcript, client, requests, recorded);
        }
        look_at_end(transcript, client);
    }

private:
    void compare(const Transcript& transcript, Client& client, std::string& requests,
                 const std::string& recorded) {
        std::vector<std::string> methods;
        for (const std::string& packet : packets_of(requests)) {
            methods.push_back(method_of(packet));
        }
        requests.clear();
        const std::vector<std::string> expected = packets_of(recorded);
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const std::string method = i < methods.size() ? methods[i] : std::string();
            const std::string actual = client.packet(kPatienceMs);
            EXPECT_EQ(judge_.judge(transcript, method, expected[i], actual), "");
        }
        if (!expected.empty()) return;
        const std::string method = methods.empty() ? std::string() : methods[0];
        const AcceptedDifference* row = find_accepted(transcript, method);
        const std::string actual = client.packet(row != nullptr ? kPatienceMs : kSilenceMs);
        if (row != nullptr || !actual.empty()) {
            EXPECT_EQ(judge_.judge(transcript, method, "", actual), "");
        }
    }

    static void look_at_end(const Transcript& transcript, const Client& client) {
        const bool closed =
            std::any_of(transcript.notes.begin(), transcript.notes.end(), [](const auto& note) {
                return note.starts_with("(server closed") || note.starts_with("(recv failed");
            });
        const std::string transport = transcript.value("transport");
        if (transport == "udp" || transport == "unixd" || transport == "udp-bare") return;
        if (transcript.name.ends_with("echo-66000")) return;  // kamcmd's view of the same close
        EXPECT_EQ(client.closed_by_server(closed ? kPatienceMs : 0), closed);
    }

    RpcLab& lab_;
    ReplyJudge& judge_;
};

// The rows of the longer sessions follow a pattern, so they are made, not kept.
std::string numbered_rows(int count) {
    std::string sql = "begin;";
    for (int i = 0; i < count; ++i) {
        const std::string host =
            "127.0." + std::to_string(61 + i / 250) + "." + std::to_string((i % 250) + 1);
        sql += "insert into dispatcher (setid,destination,attrs) values (1,'sip:" + host +
               ":5060','duid=gw" + std::to_string(i) + "');";
    }
    return sql + "commit;";
}

TEST(KamcmdTranscripts, EverySessionReplays) {
    ReplyJudge judge;
    std::size_t steps = 0;
    std::vector<std::filesystem::path> folders;
    for (const auto& entry : std::filesystem::directory_iterator(golden_folder() / "kamcmd")) {
        folders.push_back(entry.path());
    }
    std::sort(folders.begin(), folders.end());
    for (const auto& folder : folders) {
        const bool made = folder.filename() == "s16-sizes-150";
        RpcLab lab(LabOptions::from_modparams(folder / "modparams"), folder / "db.sql",
                   made ? numbered_rows(150) : "");
        judge.next_session();
        Replay replay(lab, judge);
        for (const Transcript& transcript : read_session(folder)) {
            replay.step(transcript);
            ++steps;
        }
    }
    EXPECT_GT(steps, 380u) << "sessions are missing below tests/golden/kamcmd";
    for (const AcceptedDifference& row : kAccepted) {
        EXPECT_TRUE(judge.used().contains(&row))
            << "nothing needs the accepted difference " << row.session << " " << row.step << " "
            << row.method;
    }
}

}  // namespace
}  // namespace lb::test
