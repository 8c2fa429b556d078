#include "engine/base/virtual_machine.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <vector>

namespace baton {
namespace {

// Asked only where the processor does not tell: some of them sell real machines, too.
constexpr std::array<const char*, 6> kGuestVendors = {"QEMU", "KVM",       "VMware",
                                                      "Xen",  "Parallels", "OpenStack"};

std::string ReadVendor(const std::string& root) {
  std::string line;
  std::ifstream file(root + "/sys/class/dmi/id/sys_vendor");
  std::getline(file, line);
  return std::string(absl::StripAsciiWhitespace(line));
}

// The flag that x86 has for that; nullopt: this processor has no flags.
std::optional<bool> HypervisorFlag(const std::string& root) {
  std::ifstream file(root + "/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with("flags")) continue;
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    return std::ranges::find(words, "hypervisor") != words.end();
  }
  return std::nullopt;
}

bool IsGuestByFirmware(const std::string& root, const std::string& vendor) {
  std::error_code error;
  return std::filesystem::exists(root + "/proc/device-tree/hypervisor", error) ||
         std::ranges::any_of(kGuestVendors,
                             [&vendor](const char* guest) { return vendor.starts_with(guest); });
}

}  // namespace

std::optional<std::string> VirtualMachine(const std::string& root) {
  const std::string vendor = ReadVendor(root);
  if (!HypervisorFlag(root).value_or(IsGuestByFirmware(root, vendor))) return std::nullopt;
  return vendor.empty() ? "its maker is not told" : vendor;
}

}  // namespace baton
