#pragma once

// LB_ASSERT: a broken invariant of ours, on in release builds. Never for input from the network.

#include <cstdio>
#include <cstdlib>

#define LB_ASSERT(condition)                                                                       \
    do {                                                                                           \
        if (!(condition)) [[unlikely]] {                                                           \
            std::fprintf(stderr, "%s:%d: broken invariant: %s\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                                          \
        }                                                                                          \
    } while (false)
