#include "ha/io/port_holder.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

namespace baton::ha {
namespace {

namespace fs = std::filesystem;

// What /proc calls the open file of a socket that listens there: "socket:[4711]".
std::set<std::string> ListeningAt(uint16_t port) {
  const std::string wanted = fmt::format(":{:04X}", port);
  std::set<std::string> sockets;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    std::string line;
    while (std::getline(file, line)) {
      // sl local remote state queues timer retransmits uid timeout inode
      const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
      constexpr char kListens[] = "0A";
      if (words.size() > 9 && words[1].ends_with(wanted) && words[3] == kListens) {
        sockets.insert("socket:[" + words[9] + "]");
      }
    }
  }
  return sockets;
}

bool HasOneOf(const std::set<std::string>& sockets, const fs::path& process) {
  std::error_code error;
  for (fs::directory_iterator it(process / "fd", error), end; !error && it != end;
       it.increment(error)) {
    std::error_code gone;
    if (sockets.contains(fs::read_symlink(it->path(), gone).string())) return true;
  }
  return false;
}

// "PID (NAME) STATE PARENT ..."; the name may have anything in it.
PortHolder Describe(pid_t pid, const fs::path& process) {
  PortHolder holder{.pid = pid, .parent = 0, .name = ""};
  std::ifstream file(process / "stat");
  std::ostringstream text;
  text << file.rdbuf();
  const std::string stat = text.str();
  const size_t begin = stat.find('(');
  const size_t end = stat.rfind(')');
  if (begin == std::string::npos || end == std::string::npos) return holder;
  holder.name = stat.substr(begin + 1, end - begin - 1);
  const std::vector<std::string> rest =
      absl::StrSplit(stat.substr(end + 1), ' ', absl::SkipEmpty());
  if (rest.size() > 1 && !absl::SimpleAtoi(rest[1], &holder.parent)) holder.parent = 0;
  return holder;
}

}  // namespace

std::optional<PortHolder> FindPortHolder(uint16_t port) {
  const std::set<std::string> sockets = ListeningAt(port);
  if (sockets.empty()) return std::nullopt;
  std::error_code error;
  for (fs::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
    pid_t pid = 0;
    if (absl::SimpleAtoi(it->path().filename().string(), &pid) && HasOneOf(sockets, it->path())) {
      return Describe(pid, it->path());
    }
  }
  return std::nullopt;
}

}  // namespace baton::ha
