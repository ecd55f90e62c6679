#include "cp/rpc/binrpc.h"

#include <cmath>
#include <limits>
#include <utility>

namespace lb::rpc {
namespace {

enum RecordType : std::uint8_t {
    kInt = 0,
    kString = 1,
    kDouble = 2,
    kStruct = 3,
    kArray = 4,
    kName = 5,
    kBytes = 6,
};

constexpr std::uint8_t kMagic = 0xA1;
constexpr std::size_t kFaultTextMax = 255;
constexpr std::uint8_t kLongForm = 0x80;  // S in the specification

// One record, its value still as bytes of the body.
struct Record {
    std::uint8_t type = 0;
    bool end = false;  // of a struct or array
    ConstBytes value;
};

class RecordReader {
public:
    explicit RecordReader(ConstBytes body) noexcept : rest_(body), size_(body.size()) {}

    bool at_end() const noexcept { return rest_.empty(); }
    std::size_t offset() const noexcept { return size_ - rest_.size(); }

    Defect next(Record& record) noexcept {
        if (rest_.empty()) return Defect::kEnd;
        const std::uint8_t first = rest_[0];
        record.type = first & 0x0f;
        record.end = false;
        std::size_t at = 1;
        std::size_t length = first >> 4;  // doubles: the whole nibble
        if (record.type != kDouble && (first & kLongForm) != 0) {
            length &= 7;
            if (const Defect defect = long_form(record, at, length); defect != Defect::kNone) {
                return defect;
            }
        }
        if (rest_.size() - at < length) return Defect::kMoreData;
        record.value = rest_.subspan(at, length);
        rest_ = rest_.subspan(at + length);
        return Defect::kNone;
    }

private:
    // `length` says how many bytes the length field has; afterwards it is the length itself.
    Defect long_form(Record& record, std::size_t& at, std::size_t& length) const noexcept {
        if (length == 0 && (record.type == kStruct || record.type == kArray)) {
            record.end = true;
            return Defect::kNone;
        }
        if (rest_.size() - at < length) return Defect::kMoreData;
        std::size_t value = 0;
        for (std::size_t i = 0; i < length; ++i) value = (value << 8) | rest_[at + i];
        at += length;
        length = value;
        return Defect::kNone;
    }

    ConstBytes rest_;
    std::size_t size_;
};

std::uint64_t big_endian(ConstBytes bytes) noexcept {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : bytes) value = (value << 8) | byte;
    return value;
}

// Up to the first NUL: one is counted in the length, and none may be missing (we never read on).
std::string_view text_of(ConstBytes bytes) noexcept {
    const std::string_view all = as_text(bytes);
    return all.substr(0, all.find('\0'));
}

std::int32_t int_of(ConstBytes bytes) noexcept {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(big_endian(bytes)));
}

double double_of(ConstBytes bytes) noexcept {
    return static_cast<double>(static_cast<std::int64_t>(big_endian(bytes))) / 1000.0;
}

Param param_of(const Record& record) {
    Param param;
    switch (record.type) {
        case kInt:
            param.kind = Param::Kind::kInt;
            param.number = int_of(record.value);
            break;
        case kString:
            param.kind = Param::Kind::kString;
            param.text = text_of(record.value);
            break;
        case kDouble:
            param.kind = Param::Kind::kDouble;
            param.real = double_of(record.value);
            break;
        case kBytes:
            param.kind = Param::Kind::kBytes;
            param.text = as_text(record.value);
            break;
        case kStruct:
        case kArray:
            param.kind = Param::Kind::kStruct;
            break;
        default:
            param.error = text(Defect::kWrongType);
            break;
    }
    return param;
}

// The fewest bytes that hold `value`, `least` at least.
std::size_t width_of(std::uint64_t value, std::size_t least) noexcept {
    std::size_t width = 8;
    while (width > least && (value >> ((width - 1) * 8)) == 0) --width;
    return width;
}

void append_big_endian(std::string& out, std::uint64_t value, std::size_t width) {
    while (width-- > 0) out.push_back(static_cast<char>(value >> (width * 8)));
}

void append_int(std::string& out, std::uint32_t value) {
    const std::size_t width = width_of(value, 0);
    out.push_back(static_cast<char>(width << 4 | kInt));
    append_big_endian(out, value, width);
}

void append_double(std::string& out, double value) {
    constexpr double kLimit = 9.2e18;
    const double scaled = value * 1000.0;
    // inf, nan and what is too small: what the conversion gives on amd64 (golden/kamcmd s11/004,
    // 005).
    std::int64_t whole = std::numeric_limits<std::int64_t>::min();
    if (std::isfinite(scaled) && scaled > -kLimit) {
        whole = scaled < kLimit ? static_cast<std::int64_t>(scaled)
                                : std::numeric_limits<std::int64_t>::max();
    }
    const std::size_t width = width_of(static_cast<std::uint64_t>(whole), 0);
    out.push_back(static_cast<char>(width << 4 | kDouble));
    append_big_endian(out, static_cast<std::uint64_t>(whole), width);
}

// Type and length of a value that follows as `length` bytes.
void append_type(std::string& out, RecordType type, std::size_t length) {
    if (length < 8) {
        out.push_back(static_cast<char>(length << 4 | type));
    } else {
        const std::size_t width = width_of(length, 1);
        out.push_back(static_cast<char>(kLongForm | width << 4 | type));
        append_big_endian(out, length, width);
    }
}

// Up to the first NUL.
void append_text(std::string& out, RecordType type, std::string_view value) {
    value = value.substr(0, value.find('\0'));
    append_type(out, type, value.size() + 1);
    out.append(value);
    out.push_back('\0');
}

void append_bytes(std::string& out, std::string_view value) {
    append_type(out, kBytes, value.size());
    out.append(value);
}

void append_members(std::string& out, const std::vector<Member>& members) {
    out.push_back(static_cast<char>(kStruct));
    for (const Member& member : members) {
        append_text(out, kName, member.name);
        append_value(out, member.value);
    }
    out.push_back(static_cast<char>(kLongForm | kStruct));
}

std::string packet(PacketType type, std::uint32_t cookie, std::string_view body) {
    const std::size_t length_width = width_of(body.size(), 1);
    const std::size_t cookie_width = width_of(cookie, 1);
    std::string out;
    out.reserve(kHeaderMax + body.size());
    out.push_back(static_cast<char>(kMagic));
    out.push_back(static_cast<char>(static_cast<std::size_t>(type) << 4 | (length_width - 1) << 2 |
                                    (cookie_width - 1)));
    append_big_endian(out, body.size(), length_width);
    append_big_endian(out, cookie, cookie_width);
    out.append(body);
    return out;
}

// Builds the tree of a reply's body with a stack of the structs that stand open.
class TreeBuilder {
public:
    // False: the record may not stand here.
    bool take(const Record& record) {
        switch (record.type) {
            case kInt:
                return put(int_of(record.value));
            case kDouble:
                return put(double_of(record.value));
            case kString:
                return put(std::string(text_of(record.value)));
            case kBytes:
                return put(std::string(as_text(record.value)));
            case kName:
                name_ = text_of(record.value);
                return !open_.empty();
            case kStruct:
            case kArray:
                return record.end ? close() : open();
            default:
                return false;
        }
    }
    bool complete() const noexcept { return open_.empty(); }
    std::vector<Value> take_values() { return std::move(values_); }

private:
    bool put(Value value) {
        if (open_.empty()) {
            values_.push_back(std::move(value));
        } else {
            open_.back().record.add(std::exchange(name_, {}), std::move(value));
        }
        return true;
    }
    bool open() {
        if (open_.size() >= kDepthMax) return false;
        open_.push_back({std::exchange(name_, {}), {}});
        return true;
    }
    bool close() {
        if (open_.empty()) return false;
        Open last = std::move(open_.back());
        open_.pop_back();
        name_ = std::move(last.name);
        return put(std::move(last.record));
    }

    struct Open {
        std::string name;
        Struct record;
    };
    std::vector<Open> open_;
    std::string name_;
    std::vector<Value> values_;
};

}  // namespace

std::string_view text(Defect defect) noexcept {
    switch (defect) {
        case Defect::kNone:
            return "no error";
        case Defect::kCorrupted:
            return "corrupted packet";
        case Defect::kMoreData:
            return "more data needed";
        case Defect::kEnd:
            return "end of packet encountered";
        case Defect::kWrongType:
            return "record doesn't match type";
    }
    return "unknown/invalid error code";
}

Defect parse_header(ConstBytes packet, Header& header) noexcept {
    constexpr std::size_t kLeast = 4;
    if (packet.size() < kLeast) return Defect::kMoreData;
    const unsigned type = packet[1] >> 4;
    if (packet[0] != kMagic || (type != 0 && type != 1 && type != 3)) return Defect::kCorrupted;
    const std::size_t length_width = ((packet[1] >> 2) & 3u) + 1;
    const std::size_t cookie_width = (packet[1] & 3u) + 1;
    header.size = 2 + length_width + cookie_width;
    if (packet.size() < header.size) return Defect::kMoreData;
    header.type = static_cast<PacketType>(type);
    header.body = static_cast<std::uint32_t>(big_endian(packet.subspan(2, length_width)));
    header.cookie =
        static_cast<std::uint32_t>(big_endian(packet.subspan(2 + length_width, cookie_width)));
    return Defect::kNone;
}

Defect parse_request(ConstBytes body, std::string& method, Params& params) {
    RecordReader reader(body);
    Record record;
    if (const Defect defect = reader.next(record); defect != Defect::kNone) return defect;
    if (record.type != kString) return Defect::kWrongType;
    method = text_of(record.value);
    while (!reader.at_end() && params.size() < kParamsMax) {
        if (const Defect defect = reader.next(record); defect != Defect::kNone) {
            Param broken;
            broken.error = text(defect);
            params.add(std::move(broken));
            break;
        }
        params.add(param_of(record));
    }
    return Defect::kNone;
}

Result<std::vector<Value>> parse_values(ConstBytes body) {
    RecordReader reader(body);
    TreeBuilder tree;
    Record record;
    while (!reader.at_end()) {
        const std::size_t at = reader.offset();
        const Defect defect = reader.next(record);
        if (defect != Defect::kNone || !tree.take(record)) {
            const std::string_view why = defect != Defect::kNone ? text(defect) : "bad record";
            return failed(Errc::kInvalid,
                          "reply, byte " + std::to_string(at) + ": " + std::string(why));
        }
    }
    if (!tree.complete()) return failed(Errc::kInvalid, "reply ends inside a struct");
    return tree.take_values();
}

Result<Fault> parse_fault(ConstBytes body) {
    Result<std::vector<Value>> values = parse_values(body);
    if (!values) return failed(std::move(values).error());
    const std::int32_t* code = values->empty() ? nullptr : (*values)[0].get_if<std::int32_t>();
    const std::string* what = values->size() < 2 ? nullptr : (*values)[1].get_if<std::string>();
    if (code == nullptr || what == nullptr) {
        return failed(Errc::kInvalid, "a fault without code and text");
    }
    Fault fault{*code, *what, {}};
    if (values->size() > 2) {
        if (const std::string* detail = (*values)[2].get_if<std::string>()) fault.detail = *detail;
    }
    return fault;
}

void append_value(std::string& out, const Value& value) {
    struct Writer {
        std::string& out;
        void operator()(std::int32_t number) const {
            append_int(out, static_cast<std::uint32_t>(number));
        }
        void operator()(std::uint32_t number) const { append_int(out, number); }
        void operator()(std::int64_t count) const {
            append_double(out, static_cast<double>(count));
        }
        void operator()(double number) const { append_double(out, number); }
        void operator()(const std::string& value_text) const {
            // A string would end at its first NUL.
            if (value_text.find('\0') != std::string::npos) return append_bytes(out, value_text);
            append_text(out, kString, value_text);
        }
        void operator()(Null) const { append_text(out, kString, "<null string>"); }
        void operator()(const Struct& record) const { append_members(out, record.members); }
        void operator()(const List& list) const { append_members(out, list.members); }
    };
    std::visit(Writer{out}, value.data);
}

std::string write_request(std::uint32_t cookie, std::string_view method,
                          const std::vector<Value>& params) {
    std::string body;
    append_text(body, kString, method);
    for (const Value& param : params) append_value(body, param);
    return packet(PacketType::kRequest, cookie, body);
}

std::string write_packet(PacketType type, std::uint32_t cookie, std::string_view body) {
    return packet(type, cookie, body);
}

void open_struct(std::string& out) { out.push_back(static_cast<char>(kStruct)); }
void append_name(std::string& out, std::string_view name) { append_text(out, kName, name); }
void close_struct(std::string& out) { out.push_back(static_cast<char>(kLongForm | kStruct)); }

std::string write_reply(std::uint32_t cookie, const Reply& reply) {
    std::string body;
    if (!reply.fault) {
        for (const Value& value : reply.values) append_value(body, value);
        return packet(PacketType::kReply, cookie, body);
    }
    append_int(body, static_cast<std::uint32_t>(reply.fault->code));
    append_text(body, kString, std::string_view(reply.fault->text).substr(0, kFaultTextMax));
    if (!reply.fault->detail.empty()) append_text(body, kString, reply.fault->detail);
    return packet(PacketType::kFault, cookie, body);
}

}  // namespace lb::rpc
