// Names that carry an epoch: "epoch-7", "epoch-7.sealed".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace baton {

// "epoch-7".
std::string EpochName(uint64_t epoch);

// The epoch of "epoch-N" + `suffix`; nullopt for every other name (leading zeros and 0 included).
std::optional<uint64_t> ParseEpochName(const std::string& name, const std::string& suffix);

}  // namespace baton
