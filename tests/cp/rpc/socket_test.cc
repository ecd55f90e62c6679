// Sockets and FIFOs in the file system, and the folder that they are in.

#include "cp/rpc/socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cp/rpc/lab.h"

namespace lb::test {
namespace {

using Kind = rpc::SocketName::Kind;
using testing::HasSubstr;

struct FolderRow {
    const char* name;
    std::uint32_t socket;
    std::uint32_t folder;
};

constexpr FolderRow kFolders[] = {
    {"owner", 0600, 0700},
    {"group", 0660, 0770},
    {"group reads only", 0640, 0700},
    {"all", 0666, 0775},
};

std::uint32_t mode_of(const std::string& path) {
    struct stat file {};
    EXPECT_EQ(::stat(path.c_str(), &file), 0) << path;
    return file.st_mode & 07777u;
}

Status open(Kind kind, const std::string& path, const rpc::FileRights& rights) {
    rpc::SocketName name;
    name.kind = kind;
    name.path = path;
    const auto opened =
        kind == Kind::kFifo ? rpc::open_fifo(path, rights) : rpc::open_server(name, rights);
    return opened ? Status() : Status(failed(opened.error()));
}

TEST(SocketFolder, IsMadeForThoseWhoMayUseTheSocket) {
    for (const Kind kind : {Kind::kUnixStream, Kind::kUnixDatagram, Kind::kFifo}) {
        for (const FolderRow& row : kFolders) {
            const ScratchFolder scratch("folder");
            const std::string folder = scratch.path() / "run";
            const Status opened = open(kind, folder + "/ctl", {row.socket, "", ""});
            ASSERT_TRUE(opened) << row.name << ": " << opened.error().message;
            EXPECT_EQ(mode_of(folder), row.folder) << row.name;
            EXPECT_EQ(mode_of(folder + "/ctl"), row.socket) << row.name;
        }
    }
}

TEST(SocketFolder, HasTheOwnerAndGroupOfTheSocket) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
    const ScratchFolder scratch("folder");
    const std::string folder = scratch.path() / "run";
    ASSERT_TRUE(open(Kind::kUnixStream, folder + "/ctl", {0660, "4711", "4712"}));
    struct stat file {};
    ASSERT_EQ(::stat(folder.c_str(), &file), 0);
    EXPECT_EQ(file.st_uid, 4711u);
    EXPECT_EQ(file.st_gid, 4712u);
}

TEST(SocketFolder, StaysAsItIsWhereItIsThere) {
    const ScratchFolder scratch("folder");
    ASSERT_EQ(::chmod(scratch.path().c_str(), 0751), 0);
    ASSERT_TRUE(open(Kind::kUnixStream, scratch.path() / "ctl", {0666, "", ""}));
    EXPECT_EQ(mode_of(scratch.path()), 0751u);
}

TEST(SocketFolder, TwoLevelsAreNotMade) {
    const ScratchFolder scratch("folder");
    const std::string folder = scratch.path() / "no" / "run";
    for (const Kind kind : {Kind::kUnixStream, Kind::kUnixDatagram, Kind::kFifo}) {
        const Status opened = open(kind, folder + "/ctl", {});
        ASSERT_FALSE(opened);
        EXPECT_THAT(opened.error().message,
                    HasSubstr("no folder " + folder + ", and none can be made: No such file"));
    }
}

}  // namespace
}  // namespace lb::test
