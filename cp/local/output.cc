#include "cp/local/output.h"

#include "cp/rpc/json_text.h"

namespace lb::cp {

std::string tsv_field(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '\n':
                out += "\\n";
                break;
            case '\t':
                out += "\\t";
                break;
            case '\\':
                out += "\\\\";
                break;
            default:
                out += c;
        }
    }
    return out;
}

std::string json_lines(const std::vector<rpc::Value>& values) {
    std::string out = "[";
    for (std::size_t i = 0; i < values.size(); ++i) {
        out += i == 0 ? "\n" : ",\n";
        rpc::append_json(out, values[i], {.pretty = false});
    }
    return out + "\n]\n";
}

}  // namespace lb::cp
