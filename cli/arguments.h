#pragma once

// How a word of the command line becomes a typed RPC parameter: as kamcmd does it (spec/binrpc.md
// 3).

#include <string>
#include <vector>

#include "cp/rpc/value.h"

namespace lb::cli {

// A decimal number is an int (its low 32 bits), any other number a double, all else a string whose
// leading "s:" is dropped. The empty word is the int 0.
rpc::Value typed(const std::string& word);
std::vector<rpc::Value> typed(const std::vector<std::string>& words);

}  // namespace lb::cli
