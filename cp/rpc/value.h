#pragma once

// One value tree for every wire form of an RPC reply: BINRPC, JSON, and what kamcmd prints.
//
// Source: spec/binrpc.md 3, spec/jsonrpc.md.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace lb::rpc {

class Value;
struct Member;

// A string that is not there: "<null string>" in BINRPC, null in JSON.
struct Null {
    friend bool operator==(Null, Null) noexcept = default;
};

// Named members in order; a name may occur more than once.
struct Struct {
    std::vector<Member> members;
    Struct() = default;
    Struct(std::initializer_list<Member> list);
    Struct& add(std::string name, Value value);
    friend bool operator==(const Struct&, const Struct&);
};

// What Kamailio calls an array: a struct in BINRPC, an array of one-member objects in JSON.
struct List {
    std::vector<Member> members;
    List& add(std::string name, Value value);
    friend bool operator==(const List&, const List&);
};

class Value {
public:
    // int64: a count; BINRPC's ints have 32 bits, so there it goes out as a double, which is exact
    // up to 9e15 and which kamcmd prints without a fraction.
    using Data = std::variant<std::int32_t, std::uint32_t, std::int64_t, double, std::string, Null,
                              Struct, List>;

    Value(std::int32_t number);
    Value(std::uint32_t number);
    Value(std::int64_t number);
    Value(std::uint64_t number);
    Value(double number);
    Value(std::string text);
    Value(std::string_view text);
    Value(const char* text);
    Value(Null null);
    Value(Struct record);
    Value(List list);

    template <class T>
    const T* get_if() const noexcept {
        return std::get_if<T>(&data);
    }
    // Members of a Struct or a List; null for anything else.
    const std::vector<Member>* members() const noexcept;
    // First member of that name; null if there is none.
    const Value* find(std::string_view name) const noexcept;

    friend bool operator==(const Value&, const Value&) = default;

    Data data;
};

struct Member {
    std::string name;
    Value value;
    friend bool operator==(const Member&, const Member&) = default;
};

struct Fault {
    std::int32_t code = 500;
    std::string text;
    std::string detail;  // a sentence beyond Kamailio's text; may be empty

    friend bool operator==(const Fault&, const Fault&) = default;
};

// What a method answers: values, or a fault.
struct Reply {
    std::vector<Value> values;
    std::optional<Fault> fault;
    bool list = false;  // in JSON the values are an array, however many they are

    static Reply of(Value value) {
        Reply reply;
        reply.values.push_back(std::move(value));
        return reply;
    }
    static Reply failed(std::int32_t code, std::string text, std::string detail = {}) {
        Reply reply;
        reply.fault = Fault{code, std::move(text), std::move(detail)};
        return reply;
    }
};

// Here because they need the whole Member.
inline Value::Value(std::int32_t number) : data(number) {}
inline Value::Value(std::uint32_t number) : data(number) {}
inline Value::Value(std::int64_t number) : data(number) {}
inline Value::Value(std::uint64_t number) : data(static_cast<std::int64_t>(number)) {}
inline Value::Value(double number) : data(number) {}
inline Value::Value(std::string text) : data(std::move(text)) {}
inline Value::Value(std::string_view text) : data(std::string(text)) {}
inline Value::Value(const char* text) : data(std::string(text)) {}
inline Value::Value(Null null) : data(null) {}
inline Value::Value(Struct record) : data(std::move(record)) {}
inline Value::Value(List list) : data(std::move(list)) {}

inline Struct::Struct(std::initializer_list<Member> list) : members(list) {}

inline Struct& Struct::add(std::string name, Value value) {
    members.push_back({std::move(name), std::move(value)});
    return *this;
}

inline bool operator==(const Struct& a, const Struct& b) { return a.members == b.members; }

inline List& List::add(std::string name, Value value) {
    members.push_back({std::move(name), std::move(value)});
    return *this;
}

inline bool operator==(const List& a, const List& b) { return a.members == b.members; }

inline const std::vector<Member>* Value::members() const noexcept {
    if (const Struct* record = get_if<Struct>()) return &record->members;
    if (const List* list = get_if<List>()) return &list->members;
    return nullptr;
}

inline const Value* Value::find(std::string_view name) const noexcept {
    const std::vector<Member>* all = members();
    if (all == nullptr) return nullptr;
    for (const Member& member : *all) {
        if (member.name == name) return &member.value;
    }
    return nullptr;
}

}  // namespace lb::rpc
