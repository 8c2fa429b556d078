#include "engine/lease/pause_clock.h"

#include <optional>
#include <set>

#include "engine/base/virtual_machine.h"

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
#endif

}  // namespace

std::unique_ptr<PauseClock> MakePauseClock([[maybe_unused]] const std::string& root) {
#if defined(__x86_64__)
  const auto flags = ProcessorFlags(root).value_or(std::set<std::string>());
  if (flags.contains("hypervisor") && flags.contains("constant_tsc") &&
      ClockSource(root) == "kvm-clock") {
    return std::make_unique<TimeStampCounter>();
  }
#endif
  return nullptr;
}

}  // namespace baton
