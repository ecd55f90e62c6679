#pragma once

// A file that a trace writes: in one directory, new, readable by its owner alone.
//
// Threads: the control thread.

#include <string>
#include <string_view>

#include "dp/base/result.h"

namespace lb::cp {

class TraceFile {
public:
    static constexpr std::size_t kNameMax = 100;  // bytes

    // Makes the directory (0700; not those above it) where it is missing, and the file (0600) in
    // it. kInvalid: not a plain name of letters, digits, '.', '_' and '-'; kUnavailable: it is
    // there already, or cannot be made.
    static Result<TraceFile> create(const std::string& directory, const std::string& name);
    TraceFile(TraceFile&& other) noexcept;
    TraceFile& operator=(TraceFile&&) = delete;
    ~TraceFile();

    Status write(std::string_view bytes);  // all of it, or an error that names the file
    const std::string& path() const noexcept { return path_; }

private:
    TraceFile(int fd, std::string path) noexcept : fd_(fd), path_(std::move(path)) {}
    int fd_;
    std::string path_;
};

}  // namespace lb::cp
