#include "cp/set_order.h"

#include <algorithm>

namespace lb::cp {
namespace {

constexpr std::uint32_t kNone = 0xffffffff;

// Nodes are positions in `ids`; recursion is as deep as the tree is high (45 at 2^32 nodes).
class AvlTree {
public:
    explicit AvlTree(std::span<const std::int32_t> ids) : ids_(ids), nodes_(ids.size()) {
        for (std::uint32_t i = 0; i < ids.size(); ++i) root_ = insert(root_, i);
    }

    void append_post_order(std::vector<std::uint32_t>& out) const { walk(root_, out); }

private:
    struct Node {
        std::uint32_t smaller = kNone, larger = kNone;
        std::int32_t height = 1;
    };

    std::int32_t height(std::uint32_t at) const { return at == kNone ? 0 : nodes_[at].height; }
    std::int32_t lean(std::uint32_t at) const {  // > 0: the smaller side is higher
        return height(nodes_[at].smaller) - height(nodes_[at].larger);
    }
    void measure(std::uint32_t at) {
        nodes_[at].height = 1 + std::max(height(nodes_[at].smaller), height(nodes_[at].larger));
    }

    // Lifts the child on side `up` over `at`; `down` is the other side.
    std::uint32_t rotate(std::uint32_t at, std::uint32_t Node::*up, std::uint32_t Node::*down) {
        const std::uint32_t child = nodes_[at].*up;
        nodes_[at].*up = nodes_[child].*down;
        nodes_[child].*down = at;
        measure(at);
        measure(child);
        return child;
    }

    std::uint32_t insert(std::uint32_t at, std::uint32_t added) {
        if (at == kNone) return added;
        const auto side = ids_[added] < ids_[at] ? &Node::smaller : &Node::larger;
        const std::uint32_t below = insert(nodes_[at].*side, added);
        nodes_[at].*side = below;
        measure(at);
        return balance(at);
    }

    std::uint32_t balance(std::uint32_t at) {
        if (lean(at) > 1) {
            std::uint32_t& child = nodes_[at].smaller;
            if (lean(child) < 0) child = rotate(child, &Node::larger, &Node::smaller);
            return rotate(at, &Node::smaller, &Node::larger);
        }
        if (lean(at) < -1) {
            std::uint32_t& child = nodes_[at].larger;
            if (lean(child) > 0) child = rotate(child, &Node::smaller, &Node::larger);
            return rotate(at, &Node::larger, &Node::smaller);
        }
        return at;
    }

    void walk(std::uint32_t at, std::vector<std::uint32_t>& out) const {
        if (at == kNone) return;
        walk(nodes_[at].smaller, out);
        walk(nodes_[at].larger, out);
        out.push_back(at);
    }

    std::span<const std::int32_t> ids_;
    std::vector<Node> nodes_;
    std::uint32_t root_ = kNone;
};

}  // namespace

std::vector<std::uint32_t> listing_order(std::span<const std::int32_t> ids) {
    std::vector<std::uint32_t> out;
    out.reserve(ids.size());
    AvlTree(ids).append_post_order(out);
    return out;
}

}  // namespace lb::cp
