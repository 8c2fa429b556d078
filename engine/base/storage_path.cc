#include "engine/base/storage_path.h"

#include "engine/base/status.h"

namespace baton {
namespace {

bool IsComponent(std::string_view component) {
  return !component.empty() && component != "." && component != ".." &&
         component.find('\0') == std::string_view::npos;
}

}  // namespace

absl::Status CheckStoragePath(const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  size_t begin = 0;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (!IsComponent(std::string_view(path).substr(begin, end - begin))) {
      return Error(absl::StatusCode::kInvalidArgument,
                   "path \"{}\": must be relative, without \"..\" or empty parts", path);
    }
    begin = end + 1;
  }
  return absl::OkStatus();
}

SplitPath SplitStoragePath(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace baton
