#include "engine/meta/epoch_name.h"

#include <fmt/format.h>

#include <charconv>

namespace baton {

std::string EpochName(uint64_t epoch) { return fmt::format("epoch-{}", epoch); }

std::optional<uint64_t> ParseEpochName(const std::string& name, const std::string& suffix) {
  const size_t digits_at = EpochName(0).size() - 1;
  if (name.size() <= digits_at + suffix.size()) return std::nullopt;
  const char* const end = name.data() + name.size() - suffix.size();
  uint64_t epoch = 0;
  const auto [parsed_to, error] = std::from_chars(name.data() + digits_at, end, epoch);
  if (error != std::errc() || parsed_to != end || epoch == 0) return std::nullopt;
  if (EpochName(epoch) + suffix != name) return std::nullopt;
  return epoch;
}

}  // namespace baton
