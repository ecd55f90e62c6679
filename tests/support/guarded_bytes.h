#pragma once

// A copy of some bytes that ends at an unmapped page: reading one byte too far crashes, even in a
// release build. With `front` the copy begins right behind an unmapped page instead.

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace lb::test {

class GuardedBytes {
public:
    explicit GuardedBytes(std::string_view bytes, bool front = false) : size_(bytes.size()) {
        const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        const std::size_t pages = (size_ + page - 1) / page + (size_ == 0 ? 1 : 0);
        mapped_ = (pages + 2) * page;
        void* base = ::mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (base == MAP_FAILED) std::abort();
        base_ = static_cast<char*>(base);
        if (::mprotect(base_ + page, pages * page, PROT_READ | PROT_WRITE) != 0) std::abort();
        data_ = front ? base_ + page : base_ + page + pages * page - size_;
        if (size_ != 0) std::memcpy(data_, bytes.data(), size_);
    }
    ~GuardedBytes() { ::munmap(base_, mapped_); }
    GuardedBytes(const GuardedBytes&) = delete;
    GuardedBytes& operator=(const GuardedBytes&) = delete;

    std::string_view text() const { return {data_, size_}; }
    char* data() { return data_; }
    std::uint8_t* bytes() { return reinterpret_cast<std::uint8_t*>(data_); }
    std::size_t size() const { return size_; }

private:
    std::size_t size_;
    std::size_t mapped_ = 0;
    char* base_ = nullptr;
    char* data_ = nullptr;
};

}  // namespace lb::test
