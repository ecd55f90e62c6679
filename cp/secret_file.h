#pragma once

// The master secret behind branches and cookies (design.md 6.5): in a file, so that it outlives a
// restart and a fleet can share it.

#include <string>

#include "dp/base/keyed_hash.h"
#include "dp/base/result.h"

namespace lb::cp {

inline constexpr std::size_t kSecretBytes = 32;     // of a file that we make, written in hex
inline constexpr std::size_t kSecretBytesMin = 16;  // of text that a file must have

// Reads the file; makes it (mode 0600, and its folder 0755) where it is missing. Any text of at
// least kSecretBytesMin characters is a secret; white space at its end is not part of it. Fails on
// a file that others than its owner and group may read.
Result<Secret> load_secret(const std::string& path);

}  // namespace lb::cp
