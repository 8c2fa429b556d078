#include "fs/mount_table.h"

#include <fstream>
#include <sstream>

#include "engine/base/status.h"

namespace baton::fs {
namespace {

constexpr char kMountInfo[] = "/proc/self/mountinfo";

bool IsOctal(char c) { return c >= '0' && c <= '7'; }

// The kernel writes blanks and backslashes as three octal digits.
std::string Unescape(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && IsOctal(text[i + 1]) && IsOctal(text[i + 2]) &&
        IsOctal(text[i + 3])) {
      result += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                  (text[i + 3] - '0'));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

}  // namespace

MountedAt ParseMountInfoLine(const std::string& line) {
  std::istringstream words(line);
  std::string id, parent, root, word;
  MountedAt result;
  words >> id >> parent >> result.device >> root >> result.path;
  // Any number of optional fields end with a dash.
  while (words >> word && word != "-") continue;
  words >> result.type;
  if (!words) return {};
  result.path = Unescape(result.path);
  return result;
}

absl::StatusOr<std::vector<MountedAt>> MountsAt(const std::string& path) {
  std::ifstream table(kMountInfo);
  if (!table) return Error(absl::StatusCode::kInternal, "cannot read {}", kMountInfo);
  std::vector<MountedAt> result;
  for (std::string line; std::getline(table, line);) {
    MountedAt mount = ParseMountInfoLine(line);
    if (mount.path == path) result.push_back(std::move(mount));
  }
  return result;
}

}  // namespace baton::fs
