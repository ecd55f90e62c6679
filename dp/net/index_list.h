#pragma once

// A doubly linked list through elements of one vector, by index: no allocation, removal in O(1).
// `kLinks` names the member that carries this list's links, so an element can be in several lists.

#include <cstdint>
#include <vector>

namespace lb::net {

inline constexpr std::uint32_t kNil = 0xffffffff;

struct Links {
    std::uint32_t previous = kNil;
    std::uint32_t next = kNil;
};

template <class Node, Links Node::*kLinks>
class IndexList {
public:
    std::uint32_t front() const noexcept { return front_; }
    bool empty() const noexcept { return front_ == kNil; }

    // REQUIRES: `at` is in no list through kLinks.
    void push_back(std::vector<Node>& nodes, std::uint32_t at) noexcept {
        nodes[at].*kLinks = {back_, kNil};
        (back_ == kNil ? front_ : (nodes[back_].*kLinks).next) = at;
        back_ = at;
    }

    // REQUIRES: `at` is in this list.
    void remove(std::vector<Node>& nodes, std::uint32_t at) noexcept {
        const Links links = nodes[at].*kLinks;
        (links.previous == kNil ? front_ : (nodes[links.previous].*kLinks).next) = links.next;
        (links.next == kNil ? back_ : (nodes[links.next].*kLinks).previous) = links.previous;
    }

private:
    std::uint32_t front_ = kNil;
    std::uint32_t back_ = kNil;
};

}  // namespace lb::net
