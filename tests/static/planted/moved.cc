// A value that is used after it was moved away: clang-tidy reports it.
#include <string>
#include <utility>
#include <vector>

namespace baton {

size_t Append(std::vector<std::string>& names, std::string name) {
  names.push_back(std::move(name));
  return name.size();
}

}  // namespace baton
