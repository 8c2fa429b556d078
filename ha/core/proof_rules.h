// The classes of proof: whether the owner of the newest epoch cannot write any more, and whether
// this node may act on it. Pure functions of what is known.
#pragma once

#include <optional>

#include "ha/core/facts.h"
#include "ha/core/options.h"

namespace baton::ha {

// The strongest proof there is now, if it allows this node to claim now. nullopt: there is none
// yet, or another node goes first, or the takeover mode forbids it. Does not ask for the health
// of this node's storage.
std::optional<Proof> FindProof(const Facts& facts, const CoordinatorOptions& options);

// This node may try to take the pool away from its owner: the mode says so, or an operator.
bool MayPursue(const Facts& facts, const CoordinatorOptions& options);

// A successful fence command would be of use: there is one, and nothing better is to come.
bool WantsFence(const Facts& facts, const CoordinatorOptions& options);

// How long the record must be unchanged before the passing of time alone says something.
absl::Duration WaitForTime(const Facts& facts);

}  // namespace baton::ha
