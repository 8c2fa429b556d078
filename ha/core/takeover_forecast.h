// How long programs would wait for another owner if the present one were lost now.
#pragma once

#include <absl/time/time.h>

#include <optional>
#include <string>
#include <vector>

#include "engine/base/proof.h"
#include "ha/core/options.h"

namespace baton::ha {

enum class Loss {
  kProcess,  // its controller's process; the keeper reaps it
  kNode,     // its machine
};
std::string Name(Loss loss);

struct TakeoverForecast {
  Loss loss = Loss::kNode;
  std::optional<Proof> proof;  // by which the pool is claimed; nullopt: nobody takes it by itself
  absl::Duration wait = absl::InfiniteDuration();
};

// What is known, besides how a coordinator is set.
struct ForecastFacts {
  event::OwnerTimes times;  // of the owner
  // From a claim until the claimer serves; zero: that is not known.
  absl::Duration recovery;
  absl::Duration fence;      // that the fence command takes
  bool fence_fails = false;  // it says so
  bool is_fit_peer = true;   // there is a node besides the owner that may take over
};

// Of each loss. `options`: of a node that would take over, or of the owner, whose peers are taken
// to be set as it is. From the last renewal that was seen on; so it is up to a renewal less.
std::vector<TakeoverForecast> ForecastTakeovers(const CoordinatorOptions& options,
                                                const ForecastFacts& facts);

}  // namespace baton::ha
