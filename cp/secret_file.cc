#include "cp/secret_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

namespace lb::cp {
namespace {

Error about(const std::string& path, const std::string& what) {
    return {Errc::kUnavailable, "secret_file " + path + ": " + what};
}

class File {
public:
    File(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
    ~File() {
        if (fd_ >= 0) ::close(fd_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    int fd() const noexcept { return fd_; }

private:
    int fd_;
};

// Nothing if there is no such file.
Result<std::optional<std::string>> read_secret(const std::string& path) {
    const File file(path, O_RDONLY);
    if (file.fd() < 0 && errno == ENOENT) return std::optional<std::string>();
    struct stat status {};
    if (file.fd() < 0 || ::fstat(file.fd(), &status) != 0) {
        return failed(about(path, std::strerror(errno)));
    }
    if ((status.st_mode & 07) != 0) return failed(about(path, "others may read it: chmod o= it"));
    std::array<char, 4096> text;
    const ssize_t size = ::read(file.fd(), text.data(), text.size());
    if (size < 0) return failed(about(path, std::strerror(errno)));
    std::string secret(text.data(), static_cast<std::size_t>(size));
    while (!secret.empty() && std::strchr(" \t\r\n", secret.back()) != nullptr) secret.pop_back();
    if (secret.size() < kSecretBytesMin) return failed(about(path, "too short"));
    return std::optional(std::move(secret));
}

Result<std::string> random_hex() {
    std::array<std::uint8_t, kSecretBytes> bytes;
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
        return failed(Errc::kUnavailable, "no random numbers from the kernel");
    }
    std::string hex;
    for (const std::uint8_t byte : bytes) {
        hex += "0123456789abcdef"[byte >> 4];
        hex += "0123456789abcdef"[byte & 15];
    }
    return hex;
}

// Whole or not at all, and never over one that another instance made meanwhile.
Status make_secret(const std::string& path) {
    auto secret = random_hex();
    if (!secret) return failed(std::move(secret).error());
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
    const std::string fresh = path + "." + std::to_string(::getpid());
    const std::string line = *secret + "\n";
    const File file(fresh, O_WRONLY | O_CREAT | O_EXCL);
    const bool written =
        file.fd() >= 0 &&
        ::write(file.fd(), line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
        ::fsync(file.fd()) == 0;
    const bool linked = written && (::link(fresh.c_str(), path.c_str()) == 0 || errno == EEXIST);
    const int error = errno;
    if (file.fd() >= 0) ::unlink(fresh.c_str());
    if (!linked) return failed(about(path, std::strerror(error)));
    return {};
}

}  // namespace

Result<Secret> load_secret(const std::string& path) {
    auto text = read_secret(path);
    if (text && !*text) {
        if (Status made = make_secret(path); !made) return failed(std::move(made).error());
        text = read_secret(path);
    }
    if (!text) return failed(std::move(text).error());
    if (!*text) return failed(about(path, "went away"));
    return Secret::derive(as_bytes(**text));
}

}  // namespace lb::cp
