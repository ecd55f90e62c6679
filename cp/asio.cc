// Asio's own functions, for all files that use it.
#include <asio/impl/src.hpp>
