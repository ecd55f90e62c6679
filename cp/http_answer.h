#pragma once

#include <string>

namespace lb::cp {

// What an HTTP request gets.
struct HttpAnswer {
    int status = 200;
    std::string body;
};

}  // namespace lb::cp
