#include "tests/cp/rpc/transcript.h"

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace lb::test {
namespace {

std::vector<std::string> read_lines(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) throw std::runtime_error("cannot read " + file.string());
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

// "91 0d 63": the bytes of one line.
std::string bytes_of(const std::string& line) {
    std::string out;
    for (std::size_t i = 2; i + 1 < line.size(); i += 3) {
        out.push_back(static_cast<char>(std::stoi(line.substr(i, 2), nullptr, 16)));
    }
    return out;
}

class Reader {
public:
    explicit Reader(const std::filesystem::path& file) : lines_(read_lines(file)) {
        transcript_.session = file.parent_path().filename().string();
        transcript_.name = file.stem().string();
    }

    Transcript read() {
        read_meta();
        while (at_ < lines_.size() && !lines_[at_].starts_with("== decoded")) read_part();
        return std::move(transcript_);
    }

private:
    void read_meta() {
        for (at_ = 1; at_ < lines_.size() && !lines_[at_].starts_with("== "); ++at_) {
            const std::size_t colon = lines_[at_].find(": ");
            if (colon == std::string::npos) continue;
            transcript_.meta[lines_[at_].substr(0, colon)] = lines_[at_].substr(colon + 2);
        }
    }

    void read_part() {
        const std::string head = lines_[at_++];
        if (head.starts_with("== stdout")) transcript_.stdout_text = text(head);
        if (head.starts_with("== stderr")) transcript_.stderr_text = text(head);
        if (head.starts_with("== request")) transcript_.request = text(head);
        if (head.starts_with("== reply")) {
            transcript_.reply = text(head);
            transcript_.has_reply = true;
        }
        const bool client = head.starts_with("C> ");
        if (client || head.starts_with("S> ")) transcript_.wire.push_back({client, hex()});
        if (head.starts_with("(")) transcript_.notes.push_back(head);
    }

    std::string text(const std::string& head) {
        std::string out;
        for (; at_ < lines_.size() && lines_[at_].starts_with("|"); ++at_) {
            out += lines_[at_].substr(1) + "\n";
        }
        if (head.ends_with("no newline at the end") && !out.empty()) out.pop_back();
        return out;
    }

    std::string hex() {
        std::string out;
        std::string last;
        for (; at_ < lines_.size() && lines_[at_].starts_with("  "); ++at_) {
            const std::string& line = lines_[at_];
            if (line.starts_with("  * ")) {
                for (int times = std::stoi(line.substr(4)); times > 0; --times) out += last;
            } else if (line != "  (empty)") {
                last = bytes_of(line);
                out += last;
            }
        }
        return out;
    }

    std::vector<std::string> lines_;
    std::size_t at_ = 0;
    Transcript transcript_;
};

}  // namespace

std::filesystem::path golden_folder() {
    return std::filesystem::path(SIPLANE_SOURCE_ROOT) / "tests" / "golden";
}

Transcript read_transcript(const std::filesystem::path& file) { return Reader(file).read(); }

std::vector<Transcript> read_session(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() == ".txt") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    std::vector<Transcript> out;
    for (const auto& file : files) out.push_back(read_transcript(file));
    return out;
}

}  // namespace lb::test
