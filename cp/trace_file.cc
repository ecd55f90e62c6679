#include "cp/trace_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace lb::cp {
namespace {

bool is_plain_name(std::string_view name) noexcept {
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    };
    return !name.empty() && name.size() <= TraceFile::kNameMax && name.front() != '.' &&
           name.front() != '-' && std::all_of(name.begin(), name.end(), plain);
}

tl::unexpected<Error> failure(const std::string& path) {
    return failed(Errc::kUnavailable, path + ": " + std::strerror(errno));
}

}  // namespace

Result<TraceFile> TraceFile::create(const std::string& directory, const std::string& name) {
    if (!is_plain_name(name)) {
        return failed(Errc::kInvalid,
                      "\"" + name +
                          "\" is no name for a trace file: letters, digits, . _ - only, in " +
                          directory);
    }
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return failure(directory);
    const int folder = ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return failure(directory);
    const std::string path = directory + "/" + name;
    const int fd =
        ::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    const int why = errno;
    ::close(folder);
    errno = why;
    if (fd < 0) return failure(path);
    return TraceFile(fd, path);
}

TraceFile::TraceFile(TraceFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

TraceFile::~TraceFile() {
    if (fd_ >= 0) ::close(fd_);
}

Status TraceFile::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return failure(path_);
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

}  // namespace lb::cp
