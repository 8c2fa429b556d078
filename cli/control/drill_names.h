// How the volumes of drills are named, so that nobody takes them for something else.
#pragma once

#include <string>
#include <string_view>

namespace baton::control {

inline constexpr std::string_view kDrillPrefix = "drill-";
inline constexpr size_t kDrillDigits = 8;

// "drill-" and 8 hexadecimal digits: the source of a drill's clone.
inline bool IsDrillVolume(std::string_view name) {
  return name.size() == kDrillPrefix.size() + kDrillDigits && name.starts_with(kDrillPrefix) &&
         name.find_first_not_of("0123456789abcdef", kDrillPrefix.size()) == std::string_view::npos;
}

// The clone's target.
inline std::string DrillTarget(const std::string& volume) { return volume + "-copy"; }

}  // namespace baton::control
