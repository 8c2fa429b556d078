// When to start a spare. Pure.
#pragma once

#include <absl/time/time.h>

#include "cli/keeper/keeper_settings.h"

namespace baton::keeper {

// A spare is wanted once a controller has served for kSpareDelay. One that ends before it is used,
// or does not get warm, is followed by another one after twice the wait of the one before, up to
// kMaxSpareDelay; one that was warm counts as no failure.
class SparePolicy {
 public:
  void NoteServing(absl::Duration now) { next_ = now + kSpareDelay; }
  void NoteWarm() { failures_ = 0; }
  void NoteLost(absl::Duration now);

  // From when on one may be started.
  absl::Duration next() const { return next_; }

 private:
  absl::Duration next_ = absl::InfiniteDuration();
  int failures_ = 0;  // in a row, none of them warm
};

}  // namespace baton::keeper
