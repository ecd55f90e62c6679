#pragma once

// Reads the recorded exchanges below tests/golden/kamcmd and tests/golden/jsonrpc (what the real
// programs and Kamailio 5.6.3 said to each other). Their form is described in
// tests/golden/README.md.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace lb::test {

struct Exchange {
    bool from_client = false;
    std::string bytes;
};

struct Transcript {
    std::string session;  // folder: "s04-set-state"
    std::string name;     // file without ".txt": "003-set-state"
    std::map<std::string, std::string> meta;
    std::string stdout_text, stderr_text;  // kamcmd, kamctl
    std::string request, reply;            // JSON-RPC
    bool has_reply = false;
    std::vector<Exchange> wire;
    std::vector<std::string> notes;

    std::string value(const std::string& key) const {
        const auto at = meta.find(key);
        return at == meta.end() ? std::string() : at->second;
    }
};

std::filesystem::path golden_folder();  // tests/golden

Transcript read_transcript(const std::filesystem::path& file);
// The steps of one folder, in order.
std::vector<Transcript> read_session(const std::filesystem::path& folder);

}  // namespace lb::test
