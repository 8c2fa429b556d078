// The nodes of a pool, by name.
#pragma once

#include <string>
#include <vector>

namespace baton::ha {

struct PoolNodes {
  std::string self;
  std::vector<std::string> peers;  // the other ones
};

}  // namespace baton::ha
