#include "dp/table/pvar.h"

#include <gtest/gtest.h>

namespace lb::table {
namespace {

TEST(pvar, text_and_variables) {
    const PvarProgram program = PvarProgram::compile("a$ci-$(fU)$$$hdr(X-Key)$(hdr(Y))z").value();
    std::string shown;
    for (const PvarStep& step : program.steps()) {
        shown += std::to_string(static_cast<int>(step.kind)) + ":" + step.text + " ";
    }
    EXPECT_EQ(shown, "0:a 1: 0:- 9: 0:$ 17:X-Key 17:Y 0:z ");
}

TEST(pvar, every_known_variable) {
    for (const char* name : {"ci", "cs", "rm", "ua", "au", "si", "sp", "fu", "fU", "fd", "tu", "tU",
                             "td", "ru", "rU", "rd"}) {
        const auto program = PvarProgram::compile(std::string("$") + name);
        ASSERT_TRUE(program) << name;
        EXPECT_EQ(program->steps().size(), 1U);
        EXPECT_NE(program->steps()[0].kind, Pvar::kText);
    }
}

TEST(pvar, what_nobody_knows_is_named) {
    for (const char* text :
         {"$xx", "$", "a$c", "$(ci", "$()", "$hdr()", "$hdr(X", "$(hdr(X)", "$(xx)"}) {
        const auto program = PvarProgram::compile(text);
        ASSERT_FALSE(program) << text;
        EXPECT_NE(program.error().message.find("hash_pvar"), std::string::npos);
    }
}

TEST(pvar, same_in_transaction) {
    EXPECT_TRUE(PvarProgram::compile("$ci$fU$tU$ru$si")->same_in_transaction());
    for (const char* text : {"$rm", "$au", "$ua", "$hdr(X)"}) {
        EXPECT_FALSE(PvarProgram::compile(text)->same_in_transaction()) << text;
    }
}

}  // namespace
}  // namespace lb::table
