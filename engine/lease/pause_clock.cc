#include "engine/lease/pause_clock.h"

#include <absl/strings/str_split.h>

#include <fstream>
#include <set>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace baton {
namespace {

#if defined(__x86_64__)
class TimeStampCounter final : public PauseClock {
 public:
  uint64_t Ticks() const override { return __rdtsc(); }
};

std::set<std::string> ProcessorFlags(const std::string& root) {
  std::ifstream file(root + "/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("flags")) return absl::StrSplit(line, ' ', absl::SkipEmpty());
  }
  return {};
}

bool TakesItsTimeFromKvm(const std::string& root) {
  std::ifstream file(root + "/sys/devices/system/clocksource/clocksource0/current_clocksource");
  std::string source;
  std::getline(file, source);
  return source == "kvm-clock";
}
#endif

}  // namespace

std::unique_ptr<PauseClock> MakePauseClock([[maybe_unused]] const std::string& root) {
#if defined(__x86_64__)
  const std::set<std::string> flags = ProcessorFlags(root);
  if (flags.contains("hypervisor") && flags.contains("constant_tsc") && TakesItsTimeFromKvm(root)) {
    return std::make_unique<TimeStampCounter>();
  }
#endif
  return nullptr;
}

}  // namespace baton
