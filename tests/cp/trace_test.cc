// siplane.trace at the control thread: words of the command, capture files, lines, bounds.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cp/pcapng.h"
#include "cp/trace_file.h"
#include "cp/trace_request.h"
#include "cp/tracer.h"
#include "tests/support/appliance.h"

namespace lb::test {
namespace {

using cp::parse_trace_request;
using Words = std::vector<std::string>;

// A folder that is gone when the test is.
class Folder {
public:
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "trace_XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) std::abort();
        path = pattern;
    }
    ~Folder() {
        std::error_code error;
        std::filesystem::remove_all(path, error);
    }
    std::string path;
};

std::string contents(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

// --- Words

TEST(TraceRequest, TakesFiltersAndBounds) {
    const auto request =
        parse_trace_request({"callid=a=b@x", "src=10.0.0.0/8", "dst=[2001:db8::1]:5060",
                             "seconds=5", "count=7", "bytes=65536", "file=one.pcapng"});
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->filter.call_id, "a=b@x");
    EXPECT_EQ(request->filter.source->text(), "10.0.0.0/8");
    EXPECT_EQ(request->filter.destination->text(), "[2001:db8::1]:5060");
    EXPECT_EQ(request->seconds, 5U);
    EXPECT_EQ(request->count, 7U);
    EXPECT_EQ(request->bytes, 65536U);
    EXPECT_EQ(request->file, "one.pcapng");
    EXPECT_TRUE(parse_trace_request({"all"}));
}

struct RefusedRow {
    Words words;
    const char* says;
};
const RefusedRow kRefused[] = {
    {{}, "no filter given; use callid=..., src=..., dst=... or all"},
    {{"seconds=5"}, "no filter given; use callid=..., src=..., dst=... or all"},
    {{"all", "callid=x"}, "all, or a filter: not both"},
    {{"callid="}, "callid has 1 to 256 characters"},
    {{"callid=" + std::string(257, 'x')}, "callid has 1 to 256 characters"},
    {{"src=host"}, "src=host is not an address, address/length or address:port"},
    {{"dst=10.0.0.0/33"}, "dst=10.0.0.0/33 is not an address, address/length or address:port"},
    {{"all", "seconds=0"}, "seconds=0 is not a number from 1 to 3600"},
    {{"all", "seconds=3601"}, "seconds=3601 is not a number from 1 to 3600"},
    {{"all", "count=-1"}, "count=-1 is not a number from 1 to 1000000"},
    {{"all", "count=5x"}, "count=5x is not a number from 1 to 1000000"},
    {{"all", "bytes=1"}, "bytes=1 is not a number from 4096 to 1073741824"},
    {{"all", "file="}, "file= needs a name"},
    {{"call-id=x"}, "\"call-id\" is none of callid= src= dst= all seconds= count= bytes= file="},
};

TEST(TraceRequest, SaysWhatIsWrong) {
    for (const RefusedRow& row : kRefused) {
        const auto request = parse_trace_request(row.words);
        ASSERT_FALSE(request) << row.says;
        EXPECT_EQ(request.error().message, row.says);
    }
}

// --- Files

TEST(TraceFile, IsNewAndForItsOwnerAlone) {
    const Folder folder;
    const std::string directory = folder.path + "/traces";
    {
        auto file = cp::TraceFile::create(directory, "a.pcapng");
        ASSERT_TRUE(file) << file.error().message;
        EXPECT_EQ(file->path(), directory + "/a.pcapng");
        ASSERT_TRUE(file->write("hello"));
    }
    EXPECT_EQ(contents(directory + "/a.pcapng"), "hello");
    struct stat status {};
    ASSERT_EQ(::stat((directory + "/a.pcapng").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
    ASSERT_EQ(::stat(directory.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700U);

    const auto again = cp::TraceFile::create(directory, "a.pcapng");
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().message, directory + "/a.pcapng: File exists");
    EXPECT_EQ(contents(directory + "/a.pcapng"), "hello");
}

TEST(TraceFile, LeavesItsDirectoryByNoName) {
    const Folder folder;
    const std::string long_name(101, 'x');
    for (const std::string& name :
         {std::string("../a"), std::string("/etc/a"), std::string(".."), std::string(".hidden"),
          std::string("a/b"), std::string("-o"), std::string(""), std::string("a\nb"), long_name}) {
        const auto file = cp::TraceFile::create(folder.path, name);
        ASSERT_FALSE(file) << name;
        EXPECT_EQ(file.error().code, Errc::kInvalid) << name;
    }
    std::filesystem::create_symlink(folder.path + "/elsewhere", folder.path + "/link");
    EXPECT_FALSE(cp::TraceFile::create(folder.path, "link"));
    EXPECT_FALSE(std::filesystem::exists(folder.path + "/elsewhere"));
    EXPECT_FALSE(cp::TraceFile::create(folder.path + "/no/such", "a"));
}

// --- pcapng, byte by byte

std::string hex(std::string_view bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i != 0 && i % 4 == 0) out += ' ';
        out += kDigits[static_cast<unsigned char>(bytes[i]) >> 4];
        out += kDigits[static_cast<unsigned char>(bytes[i]) & 15];
    }
    return out;
}

TEST(Pcapng, BeginsWithASectionAndItsInterfaces) {
    const std::string names[] = {"edge"};
    EXPECT_EQ(hex(cp::pcapng_begin(names, "abc")),
              "0a0d0d0a 28000000 4d3c2b1a 01000000 ffffffff ffffffff "   // section, 1.0
              "04000300 61626300 00000000 28000000 "                     // application
              "01000000 28000000 01000000 00000000 "                     // Ethernet, not cut
              "02000400 65646765 09000100 09000000 00000000 28000000");  // name, nanoseconds
}

TEST(Pcapng, APacketHasTimeDirectionAndComment) {
    std::string out;
    const std::uint8_t frame[] = {1, 2, 3, 4, 5};
    cp::append_pcapng_packet(out, 2, 0x1122334455667788, cp::PcapngDirection::kOutbound, frame,
                             "why");
    EXPECT_EQ(hex(out),
              "06000000 3c000000 02000000 44332211 88776655 05000000 05000000 01020304 05000000 "
              "01000300 77687900 02000400 02000000 00000000 3c000000");
    EXPECT_EQ(out.size(), 0x3cU);
    out.clear();
    cp::append_pcapng_packet(out, 0, 0, cp::PcapngDirection::kInbound, {}, std::string(5000, 'x'));
    EXPECT_EQ(out.size(), 28U + 4 + cp::kPcapngCommentMax + 8 + 4 + 4);
}

// --- The tracer, fed by hand

constexpr const char* kPhone = "10.77.0.9:5062";
constexpr const char* kService = "10.77.0.1:5060";
constexpr const char* kPbx = "10.77.0.11:5060";

std::string request(const std::string& call_id) {
    return "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.77.0.9;branch=z9hG4bK1\r\n"
           "From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: " +
           call_id + "\r\nCSeq: 1 INVITE\r\n\r\n";
}

class TracerTest : public ::testing::Test {
protected:
    TracerTest() {
        appliance.listen(kService, 0);
        appliance.add_set(4, {kPbx});
        appliance.dispatch.sets[0].members[0].slot = 3;
        appliance.build();
        cp::TraceSource source;
        source.start = [this](const core::TraceFilter& filter) {
            ++started;
            call_id = filter.call_id;
        };
        source.stop = [this] { ++stopped; };
        source.drain = [this](const cp::TraceSource::Take& take) {
            for (const auto& message : std::exchange(waiting, {})) take(message);
        };
        source.lost = [] { return std::uint64_t{5}; };
        source.tables = [this]() -> const table::Tables& { return appliance.tables; };
        tracer = std::make_unique<cp::Tracer>(io, std::move(source));
    }

    void relayed(const std::string& call) {
        core::TracedMessage& message = add(request(call));
        frames.emplace_back(std::make_unique<FrameBuffer>(at(kService), at(kPbx), request(call)));
        message.sent = frames.back()->packet.bytes();
        message.verdict = {core::Action::kForward, core::DropReason::kInternal, 0};
        message.slot = 3;
        message.dispatched = true;
    }
    core::TracedMessage& add(const std::string& text, std::uint16_t vlan = net::kNoVlan) {
        frames.emplace_back(std::make_unique<FrameBuffer>(at(kPhone), at(kService), text));
        core::TracedMessage message;
        message.time_ns = 1'700'000'000'123'456'789;
        message.vlan = vlan;
        message.verdict = core::drop(core::DropReason::kBadSip);
        message.received = frames.back()->packet.bytes();
        waiting.push_back(message);
        return waiting.back();
    }
    // As time goes by: one look at the rings.
    void look() { io.run_one(); }
    cp::TraceRequest all(const std::string& file = {}) {
        cp::TraceRequest out;
        out.file = file;
        return out;
    }

    Appliance appliance;
    asio::io_context io;
    Folder folder;
    std::vector<std::unique_ptr<FrameBuffer>> frames;
    std::vector<core::TracedMessage> waiting;
    int started = 0, stopped = 0;
    std::string call_id;
    std::unique_ptr<cp::Tracer> tracer;
};

TEST_F(TracerTest, SaysWhatCameWhatWasDecidedAndWhatWent) {
    EXPECT_EQ(tracer->status().id, 0);
    ASSERT_TRUE(tracer->start(all(), folder.path));
    relayed("abc");
    add("junk");
    look();
    const auto lines = tracer->lines(0, 10);
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0].number, 1U);
    EXPECT_EQ(lines[0].port, "edge");
    EXPECT_EQ(lines[0].source, kPhone);
    EXPECT_EQ(lines[0].target, kService);
    EXPECT_EQ(lines[0].message, "INVITE sip:bob@example.com");
    EXPECT_EQ(lines[0].cseq, "1 INVITE");
    EXPECT_EQ(lines[0].call_id, "abc");
    EXPECT_EQ(lines[0].decision, "relayed to sip:10.77.0.11:5060, set 4");
    EXPECT_EQ(lines[0].sent_source, kService);
    EXPECT_EQ(lines[0].sent_target, kPbx);
    EXPECT_EQ(lines[1].message, "");
    EXPECT_EQ(lines[1].decision,
              "dropped: bad_sip (not SIP, or so malformed that no reply can be built)");
    EXPECT_EQ(lines[1].sent_target, "");
    EXPECT_EQ(tracer->lines(1, 10).size(), 1U);
    EXPECT_EQ(tracer->lines(0, 1).size(), 1U);
    EXPECT_EQ(tracer->lines(2, 10).size(), 0U);
}

TEST_F(TracerTest, WithoutDispatchTheRouteLed) {
    ASSERT_TRUE(tracer->start(all(), folder.path));
    relayed("abc");
    waiting.back().dispatched = false;
    relayed("abc");
    waiting.back().slot = kNoTrafficSlot;
    waiting.back().dispatched = false;
    waiting.back().verdict.action = core::Action::kSlowPath;
    add(request("x")).verdict = {core::Action::kPunt, core::DropReason::kInternal, 0};
    add(request("x")).verdict = {core::Action::kResolve, core::DropReason::kInternal, 0};
    look();
    const auto lines = tracer->lines(0, 10);
    ASSERT_EQ(lines.size(), 4U);
    EXPECT_EQ(lines[0].decision,
              "relayed to sip:10.77.0.11:5060, set 4, by its Route or Request-URI");
    EXPECT_EQ(lines[1].decision,
              "relayed to 10.77.0.11:5060, by its Route or Request-URI, by the kernel: MAC address "
              "not known yet");
    EXPECT_EQ(lines[2].decision, "given to the kernel: not ours to relay");
    EXPECT_EQ(lines[3].decision, "waits for DNS: its next hop is a name");
}

TEST_F(TracerTest, TextsCannotCommandATerminal) {
    ASSERT_TRUE(tracer->start(all(), folder.path));
    add(request("a\x1b[31m" + std::string(400, 'z')));
    look();
    const auto lines = tracer->lines(0, 1);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].call_id.substr(0, 6), "a?[31m");
    EXPECT_EQ(lines[0].call_id.size(), cp::kTraceTextMax);
}

TEST_F(TracerTest, OneAtATime) {
    ASSERT_TRUE(tracer->start(all(), folder.path));
    const Status second = tracer->start(all(), folder.path);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message, "trace 1 runs for 60 s more; stop it first");
    tracer->stop();
    EXPECT_EQ(stopped, 1);
    EXPECT_EQ(tracer->status().ended, "stopped");
    EXPECT_EQ(tracer->status().lost, 5U);
    ASSERT_TRUE(tracer->start(all(), folder.path));
    EXPECT_EQ(tracer->status().id, 2);
    EXPECT_EQ(started, 2);
}

TEST_F(TracerTest, EndsWithItsCount) {
    cp::TraceRequest request = all();
    request.count = 2;
    ASSERT_TRUE(tracer->start(request, folder.path));
    for (int i = 0; i < 5; ++i) relayed("abc");
    look();
    EXPECT_FALSE(tracer->status().running);
    EXPECT_EQ(tracer->status().ended, "count");
    EXPECT_EQ(tracer->status().messages, 2U);
    EXPECT_EQ(stopped, 1);
}

TEST_F(TracerTest, EndsWithItsSecondsAndTakesWhatIsLeft) {
    cp::TraceRequest request = all();
    request.seconds = 1;
    ASSERT_TRUE(tracer->start(request, folder.path));
    while (tracer->status().running) {
        if (tracer->status().seconds_left < 0.1 && waiting.empty()) relayed("late");
        look();
    }
    EXPECT_EQ(tracer->status().ended, "seconds");
    EXPECT_GE(tracer->status().messages, 1U);
}

TEST_F(TracerTest, EndsWithItsBytesAndTheFileIsWhole) {
    cp::TraceRequest request = all("small.pcapng");
    request.bytes = 4096;
    ASSERT_TRUE(tracer->start(request, folder.path));
    for (int i = 0; i < 50; ++i) relayed("abc");
    look();
    EXPECT_EQ(tracer->status().ended, "bytes");
    EXPECT_GT(tracer->status().messages, 0U);
    const std::string file = contents(folder.path + "/small.pcapng");
    EXPECT_LE(file.size(), 4096U);
    EXPECT_EQ(file.size(), tracer->status().bytes);
    // Block after block by their lengths, to the very end.
    std::size_t at = 0, packets = 0;
    while (at + 12 <= file.size()) {
        std::uint32_t type = 0, length = 0;
        std::memcpy(&type, file.data() + at, 4);
        std::memcpy(&length, file.data() + at + 4, 4);
        packets += type == 6;
        ASSERT_GE(length, 12U);
        at += length;
    }
    EXPECT_EQ(at, file.size());
    EXPECT_EQ(packets, 2 * tracer->status().messages);
}

TEST_F(TracerTest, AFileThatCannotBeMadeRefusesTheTrace) {
    const Status started_one = tracer->start(all("../x"), folder.path);
    ASSERT_FALSE(started_one);
    EXPECT_EQ(started, 0);
    EXPECT_FALSE(tracer->status().running);
}

TEST_F(TracerTest, PutsBackTheTagThatTheDeviceTookOff) {
    appliance.add_interface("trunk", {"10.99.0.1/24"}, 100);
    appliance.build();
    ASSERT_TRUE(tracer->start(all("vlan.pcapng"), folder.path));
    add(request("abc"), 100);
    add(request("abc"), 200);
    look();
    const auto lines = tracer->lines(0, 10);
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0].port, "trunk");
    EXPECT_EQ(lines[1].port, "?");
    tracer->stop();
    const std::string file = contents(folder.path + "/vlan.pcapng");
    EXPECT_NE(file.find(std::string("\x81\x00\x00\x64\x08\x00\x45", 7)), std::string::npos);
    EXPECT_NE(file.find(std::string("\x81\x00\x00\xc8\x08\x00\x45", 7)), std::string::npos);
}

TEST_F(TracerTest, KeepsTheLastLines) {
    cp::TraceRequest request = all();
    request.count = 10'000;
    ASSERT_TRUE(tracer->start(request, folder.path));
    for (std::size_t i = 0; i < cp::Tracer::kLinesKept + 5; ++i) relayed("abc");
    look();
    const auto lines = tracer->lines(0, 10'000);
    ASSERT_EQ(lines.size(), cp::Tracer::kLinesKept);
    EXPECT_EQ(lines.front().number, 6U);
}

}  // namespace
}  // namespace lb::test
