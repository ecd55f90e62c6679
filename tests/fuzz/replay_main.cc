// Driver of a fuzz target without libFuzzer: replays the files (or folders of files) named on the
// command line, then the target's seeds, their prefixes and a fixed number of random mutations of
// them. Deterministic. FUZZ_ROUNDS=n asks for another number of mutations.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string_view>

#include "tests/fuzz/fuzz.h"

namespace {

using Random = std::mt19937;

// An exact copy on the heap, so that a sanitizer sees the first byte behind it.
void run(std::string_view input) {
    const std::vector<std::uint8_t> exact(input.begin(), input.end());
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

std::size_t replay(const std::filesystem::path& path) {
    if (std::filesystem::is_directory(path)) {
        std::size_t count = 0;
        for (const auto& entry : std::filesystem::directory_iterator(path)) {
            count += replay(entry.path());
        }
        return count;
    }
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        std::fprintf(stderr, "cannot read %s\n", path.c_str());
        std::exit(2);
    }
    run(std::string(std::istreambuf_iterator<char>(file), {}));
    return 1;
}

void write_seeds(const std::filesystem::path& folder, const std::vector<std::string>& seeds) {
    for (std::size_t i = 0; i < seeds.size(); ++i) {
        std::ofstream(folder / ("seed" + std::to_string(i)), std::ios::binary) << seeds[i];
    }
}

void mutate(std::string& input, const std::vector<std::string>& seeds, Random& random) {
    const std::size_t at = input.empty() ? 0 : random() % input.size();
    const std::size_t n =
        input.empty() ? 0 : random() % std::min<std::size_t>(input.size() - at, 40) + 1;
    switch (random() % 7) {
        case 0:
            if (!input.empty()) input[at] = static_cast<char>(input[at] ^ (1 << random() % 8));
            break;
        case 1:
            if (!input.empty()) input[at] = static_cast<char>(random());
            break;
        case 2:
            input.erase(at, n);
            break;
        case 3:
            input.insert(at, input.substr(at, n));
            break;
        case 4:
            input.insert(at, n, input.empty() ? 'x' : input[at]);
            break;
        case 5:
            input.resize(at);
            break;
        default: {  // a piece of another seed
            const std::string& other = seeds[random() % seeds.size()];
            const std::size_t from = other.empty() ? 0 : random() % other.size();
            input.insert(at, other, from, random() % 60);
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t files = 0;
    for (int i = 1; i < argc; ++i) files += replay(argv[i]);

    const std::vector<std::string> seeds = lb::test::fuzz_seeds();
    FUZZ_CHECK(!seeds.empty());
    if (const char* const folder = std::getenv("FUZZ_SEEDS_TO")) write_seeds(folder, seeds);
    for (const std::string& seed : seeds) {
        const std::size_t step = seed.size() / 500 + 1;
        for (std::size_t size = 0; size < seed.size(); size += step) run(seed.substr(0, size));
        run(seed);
    }

    const char* const asked = std::getenv("FUZZ_ROUNDS");
    const unsigned long rounds = asked != nullptr ? std::strtoul(asked, nullptr, 10) : 5000;
    Random random(1);
    for (unsigned long i = 0; i < rounds; ++i) {
        std::string input = seeds[random() % seeds.size()];
        for (std::size_t n = 1 + random() % 5; n > 0; --n) mutate(input, seeds, random);
        run(input);
    }
    std::printf("%zu files, %zu seeds, %lu mutations\n", files, seeds.size(), rounds);
    return 0;
}
