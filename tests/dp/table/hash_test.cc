#include "dp/table/hash.h"

#include <gtest/gtest.h>

#include <string>

#include "dp/table/random.h"
#include "tests/support/dispatcher_hash_twin.h"
#include "tests/support/guarded_bytes.h"

namespace lb::table {
namespace {

struct Row {
    std::string_view x, y;
    std::uint32_t hash;
};

// spec/dispatcher.md 2.1.
constexpr Row kRows[] = {
    {"", "", 1},
    {"a", "", 109},
    {"abc", "", 7167810},
    {"abcd", "", 1834959896},
    {"alice", "", 1834153949},
    {"alice", "server.com", 1412806172},
    {"alice", "example.com", 1442294598},
    {"alice", "example.com:5070", 4164596482},
    {"1-2345@10.0.0.1", "", 2688001237},
    {"f81d4fae-7dec-11d0-a765-00a0c91e6bf6@foo.bar.com", "", 1180737664},
    {"j\xc3\xbcrgen", "h", 1702252271},
};

TEST(hash, known_values) {
    for (const Row& row : kRows) EXPECT_EQ(dispatcher_hash(row.x, row.y), row.hash) << row.x;
}

TEST(hash, equals_its_slow_twin_on_any_bytes) {
    std::uint64_t state = 1;
    for (int round = 0; round < 20000; ++round) {
        std::string x(next_random(state) % 70, '\0'), y(next_random(state) % 20, '\0');
        for (char& c : x) c = static_cast<char>(next_random(state));
        for (char& c : y) c = static_cast<char>(next_random(state));
        ASSERT_EQ(dispatcher_hash(x, y), test::dispatcher_hash_twin(x, y));
    }
}

TEST(hash, equals_its_slow_twin_on_texts) {
    std::uint64_t state = 2;
    for (std::size_t size = 0; size < 200; ++size) {
        for (int round = 0; round < 20; ++round) {
            std::string x(size, '\0');
            for (char& c : x) c = static_cast<char>(next_random(state) & 0x7f);
            if (round % 4 == 3 && size != 0) x[next_random(state) % size] = '\x80';
            const test::GuardedBytes guarded(x);
            ASSERT_EQ(dispatcher_hash(guarded.text()), test::dispatcher_hash_twin(x, "")) << size;
        }
    }
}

}  // namespace
}  // namespace lb::table
