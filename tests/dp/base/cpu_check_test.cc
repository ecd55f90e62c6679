#include "dp/base/cpu_check.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace lb {
namespace {

std::string refusal_of(const std::vector<CpuFeature>& wanted, std::size_t size = 256) {
    std::string text(size + 1, '#');
    const std::size_t written =
        write_cpu_refusal("siplaned", "x86-64-v3", wanted.data(), wanted.size(), text.data(), size);
    EXPECT_LE(written, size);
    EXPECT_EQ(text.back(), '#') << "written behind its end";
    return text.substr(0, written);
}

constexpr char kLine[] =
    "siplaned: built for x86-64-v3, but this processor lacks avx2, aes: "
    "build it here, or with meson setup build -Dcpp_args=-march=x86-64-v2\n";

TEST(CpuCheck, HasNothingToSayWhenAllIsThere) {
    EXPECT_EQ(refusal_of({}), "");
    EXPECT_EQ(refusal_of({{"avx2", true}, {"aes", true}}), "");
}

TEST(CpuCheck, NamesWhatIsLacking) {
    EXPECT_EQ(refusal_of({{"avx2", false}, {"bmi", true}, {"aes", false}, {"", true}}), kLine);
    const std::string one = refusal_of({{"avx2", true}, {"aes", false}});
    EXPECT_NE(one.find("lacks aes: build"), std::string::npos) << one;
}

TEST(CpuCheck, CutsOffALineThatDoesNotFit) {
    const std::string whole = kLine;
    for (std::size_t size = 1; size <= whole.size() + 1; ++size) {
        const std::string text = refusal_of({{"avx2", false}, {"aes", false}}, size);
        if (size >= whole.size())
            EXPECT_EQ(text, whole);
        else
            EXPECT_EQ(text, whole.substr(0, size - 1) + "\n") << size;
    }
}

}  // namespace
}  // namespace lb
