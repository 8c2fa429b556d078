#include "engine/meta/node_identity.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <fstream>

#include "engine/base/errno_status.h"
#include "engine/base/random.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr char kBootIdPath[] = "/proc/sys/kernel/random/boot_id";

absl::StatusOr<std::string> ReadBootId() {
  std::ifstream file(kBootIdPath);
  std::string boot_id;
  if (std::getline(file, boot_id) && !boot_id.empty()) return boot_id;
  return ErrnoStatus(errno, "read", kBootIdPath);
}

}  // namespace

absl::StatusOr<NodeIdentity> MakeNodeIdentity(const std::string& node) {
  BATON_ASSIGN_OR_RETURN(std::string boot_id, ReadBootId());
  return NodeIdentity{.node = node, .boot_id = std::move(boot_id), .instance = RandomUuid()};
}

std::string RandomUuid() {
  std::array<uint8_t, 16> random = {};
  FillRandom(random.data(), random.size());
  random[6] = (random[6] & 0x0f) | 0x40;  // version 4
  random[8] = (random[8] & 0x3f) | 0x80;  // variant 1
  std::string uuid;
  for (size_t i = 0; i < random.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) uuid += '-';
    uuid += fmt::format("{:02x}", random[i]);
  }
  return uuid;
}

}  // namespace baton
