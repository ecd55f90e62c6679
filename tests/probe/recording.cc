#include "tests/probe/recording.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "probe/health.h"

namespace lb::test {

namespace {

[[noreturn]] void give_up(const std::string& what) {
    std::cerr << "golden data: " << what << "\n";
    std::abort();
}

Micros micros(const nlohmann::json& seconds) {
    return static_cast<Micros>(std::llround(seconds.get<double>() * 1e6));
}

void add_event(const nlohmann::json& event, Recording& recording) {
    const std::string kind = event.at("event");
    const Micros at = micros(event.at("t"));
    recording.end = std::max(recording.end, at);
    if (kind == "tx") {
        recording.sends[event.at("dst")].push_back({at, event.at("ping"), event.at("copy")});
    } else if (kind == "rx") {
        const std::string first = event.at("first");
        recording.replies[event.at("src")].push_back({at, event.at("ping"), first.substr(8)});
    } else if (kind == "command") {
        recording.commands.push_back({at, event.at("command")});
    } else if (kind == "state" && event.at("old") != event.at("new") &&
               !event.at("new").is_null()) {
        recording.states[event.at("uri")].push_back(
            {at, micros(event.at("not_before")), event.at("new")});
    }
}

}  // namespace

int Recording::number(const std::string& modparam, int otherwise) const {
    const auto found = modparams.find(modparam);
    return found == modparams.end() ? otherwise : std::stoi(found->second);
}

std::string read_file(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) give_up("cannot read " + file);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

std::map<std::string, std::string> read_modparams(const std::string& file) {
    static const std::regex kLine(R"re(modparam\("(\w+)", "(\w+)", "?([^"]*?)"?\))re");
    std::map<std::string, std::string> params;
    const std::string text = read_file(file);
    for (std::sregex_iterator it(text.begin(), text.end(), kLine), end; it != end; ++it) {
        params[(*it)[1].str() + "." + (*it)[2].str()] = (*it)[3].str();
    }
    return params;
}

std::vector<RecordedRow> read_rows(const std::string& file) {
    static const std::regex kLine(R"re(values \((\d+),'([^']*)',(\d+),\d+,'([^']*)')re");
    std::vector<RecordedRow> rows;
    const std::string text = read_file(file);
    for (std::sregex_iterator it(text.begin(), text.end(), kLine), end; it != end; ++it) {
        rows.push_back({std::stoi((*it)[1]), (*it)[2],
                        static_cast<std::uint32_t>(std::stoul((*it)[3])), (*it)[4]});
    }
    if (rows.empty()) give_up("no rows in " + file);
    return rows;
}

Recording read_recording(const std::string& folder) {
    Recording recording;
    recording.name = folder.substr(folder.rfind('/') + 1);
    recording.modparams = read_modparams(folder + "/modparams");
    recording.rows = read_rows(folder + "/db.sql");

    std::istringstream timeline(read_file(folder + "/timeline.jsonl"));
    for (std::string line; std::getline(timeline, line);) {
        add_event(nlohmann::json::parse(line), recording);
    }
    static const std::string kEvent = "dispatcher:";
    std::istringstream events(read_file(folder + "/events.txt"));
    for (std::string line; std::getline(events, line);) {
        if (!line.starts_with(kEvent)) continue;
        const std::size_t space = line.find(' ');
        recording.events[line.substr(space + 1)].push_back(
            line.substr(kEvent.size(), space - kEvent.size()));
    }
    if (recording.sends.empty()) give_up("no pings in " + folder);
    return recording;
}

std::string letters(std::uint32_t flags) {
    const char first = (flags & probe::kInactive)   ? 'I'
                       : (flags & probe::kDisabled) ? 'D'
                       : (flags & probe::kTrying)   ? 'T'
                                                    : 'A';
    return {first, (flags & probe::kProbing) ? 'P' : 'X'};
}

}  // namespace lb::test
