#include "engine/base/virtual_machine.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>

namespace baton {
namespace {

// Asked only where the processor does not tell: some of them sell real machines, too.
constexpr std::array<const char*, 6> kGuestVendors = {"QEMU", "KVM",       "VMware",
                                                      "Xen",  "Parallels", "OpenStack"};

// Empty: there is no such file.
std::string FirstLine(const std::string& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return std::string(absl::StripAsciiWhitespace(line));
}

bool IsGuestByFirmware(const std::string& root, const std::string& vendor) {
  std::error_code error;
  return std::filesystem::exists(root + "/proc/device-tree/hypervisor", error) ||
         std::ranges::any_of(kGuestVendors,
                             [&vendor](const char* guest) { return vendor.starts_with(guest); });
}

}  // namespace

std::optional<std::string> VirtualMachine(const std::string& root) {
  const std::string vendor = FirstLine(root + "/sys/class/dmi/id/sys_vendor");
  const std::optional<std::set<std::string>> flags = ProcessorFlags(root);
  const bool is_guest = flags ? flags->contains("hypervisor") : IsGuestByFirmware(root, vendor);
  if (!is_guest) return std::nullopt;
  return vendor.empty() ? "its maker is not told" : vendor;
}

std::optional<std::set<std::string>> ProcessorFlags(const std::string& root) {
  std::ifstream file(root + "/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("flags")) return absl::StrSplit(line, ' ', absl::SkipEmpty());
  }
  return std::nullopt;
}

std::string ClockSource(const std::string& root) {
  return FirstLine(root + "/sys/devices/system/clocksource/clocksource0/current_clocksource");
}

}  // namespace baton
