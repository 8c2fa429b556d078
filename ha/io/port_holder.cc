#include "ha/io/port_holder.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace baton::ha {
namespace {

namespace fs = std::filesystem;

using Address = std::array<uint8_t, 16>;  // of IPv6, or of IPv4 as IPv6 has it

constexpr Address kAnyWide = {};
constexpr Address kAnyNarrow = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr size_t kPrefix = 12;  // that all addresses of IPv4 have

bool IsNarrow(const Address& address) {
  return std::equal(address.begin(), address.begin() + kPrefix, kAnyNarrow.begin());
}

Address BytesOfAddress(const std::string& host) {
  Address address = kAnyNarrow;
  if (::inet_pton(AF_INET, host.c_str(), address.data() + kPrefix) == 1) return address;
  address = kAnyWide;
  if (host.size() > 2) {
    ::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), address.data());
  }
  return address;
}

// As /proc has it: each four bytes, as this machine has them in a number.
std::optional<Address> ParseDigits(std::string_view digits) {
  constexpr size_t kWord = 8;
  constexpr int kHexadecimal = 16;
  if (digits.size() != kWord && digits.size() != 4 * kWord) return std::nullopt;
  Address address = kAnyNarrow;
  uint8_t* out = address.data() + (digits.size() == kWord ? kPrefix : 0);
  for (; !digits.empty(); digits.remove_prefix(kWord), out += sizeof(uint32_t)) {
    uint32_t word = 0;
    const char* const end = digits.data() + kWord;
    if (std::from_chars(digits.data(), end, word, kHexadecimal).ptr != end) return std::nullopt;
    std::memcpy(out, &word, sizeof(word));
  }
  return address;
}

bool Covers(const Address& wildcard, const Address& address) {
  return wildcard == kAnyWide || (wildcard == kAnyNarrow && IsNarrow(address));
}

bool Overlap(const Address& a, const Address& b) { return a == b || Covers(a, b) || Covers(b, a); }

// What /proc calls the open file of a socket that listens there: "socket:[4711]".
std::set<std::string> ListeningAt(const PeerAddress& wanted) {
  const Address address = BytesOfAddress(wanted.host);
  const std::string port = fmt::format("{:04X}", wanted.port);
  std::set<std::string> sockets;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    std::string line;
    while (std::getline(file, line)) {
      // sl local remote state queues timer retransmits uid timeout inode
      const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
      constexpr char kListens[] = "0A";
      if (words.size() <= 9 || words[3] != kListens) continue;
      const std::pair<std::string, std::string> local = absl::StrSplit(words[1], ':');
      const std::optional<Address> held = ParseDigits(local.first);
      if (local.second == port && held && Overlap(*held, address)) {
        sockets.insert("socket:[" + words[9] + "]");
      }
    }
  }
  return sockets;
}

std::set<std::string> OfProcess(const std::set<std::string>& sockets, const fs::path& process) {
  std::set<std::string> its;
  std::error_code error;
  for (fs::directory_iterator it(process / "fd", error), end; !error && it != end;
       it.increment(error)) {
    std::error_code gone;
    const std::string file = fs::read_symlink(it->path(), gone).string();
    if (sockets.contains(file)) its.insert(file);
  }
  return its;
}

std::string NameOfProgram(const fs::path& process) {
  std::ifstream file(process / "comm");
  std::string name;
  std::getline(file, name);
  return name;
}

}  // namespace

std::vector<PortHolder> FindPortHolders(const PeerAddress& address) {
  const std::set<std::string> sockets = ListeningAt(address);
  if (sockets.empty()) return {};
  std::vector<PortHolder> holders;
  std::set<std::string> unknown = sockets;
  std::error_code error;
  for (fs::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(it->path().filename().string(), &pid)) continue;
    const std::set<std::string> its = OfProcess(sockets, it->path());
    if (its.empty()) continue;
    for (const std::string& socket : its) unknown.erase(socket);
    holders.push_back({.pid = pid, .name = NameOfProgram(it->path())});
  }
  if (!unknown.empty()) holders.push_back({.pid = 0, .name = ""});
  return holders;
}

}  // namespace baton::ha
