#pragma once

// A recorded scenario of tests/golden/probe: what Kamailio 5.6.3 sent, got and made of it.

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "probe/time.h"

namespace lb::test {

using probe::Micros;

struct RecordedRow {
    int set = 0;
    std::string uri;
    std::uint32_t flags = 0;
    std::string attrs;
};

// A packet of a ping: the number of the ping to that address, and which copy of it.
struct RecordedSend {
    Micros at = 0;
    int ping = 0;
    int copy = 0;
};

struct RecordedReply {
    Micros at = 0;
    int ping = 0;
    std::string status;  // "200 OK"
};

struct RecordedState {
    Micros at = 0;          // seen then
    Micros not_before = 0;  // not yet seen then
    std::string letters;
};

struct RecordedCommand {
    Micros at = 0;
    std::string text;  // "dispatcher.set_state i 1 sip:127.0.61.1:5060"
};

struct Recording {
    std::string name;
    std::map<std::string, std::string> modparams;            // "dispatcher.ds_ping_interval" -> "5"
    std::vector<RecordedRow> rows;                           // in table order
    std::map<std::string, std::vector<RecordedSend>> sends;  // by "address:port"
    std::map<std::string, std::vector<RecordedReply>> replies;  // by "address:port"
    std::map<std::string, std::vector<RecordedState>> states;   // changes only, by URI
    std::map<std::string, std::vector<std::string>> events;     // "dst-down" ..., by URI
    std::vector<RecordedCommand> commands;
    Micros end = 0;

    int number(const std::string& modparam, int otherwise) const;
};

// Aborts the test program with a message if the files are not there or not as expected.
Recording read_recording(const std::string& folder);
std::map<std::string, std::string> read_modparams(const std::string& file);
std::vector<RecordedRow> read_rows(const std::string& file);
std::string read_file(const std::string& file);

// As dispatcher.list shows a state: "AX", "IP" ...
std::string letters(std::uint32_t flags);

}  // namespace lb::test
