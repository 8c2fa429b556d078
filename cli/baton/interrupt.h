// Ctrl-C for commands that have something to put in order first.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

namespace baton {

// From now on the first SIGINT or SIGTERM only makes Interrupted() true; the second one ends the
// process as usual.
void CatchInterrupts();
bool Interrupted();

// Returns early when interrupted.
void SleepUnlessInterrupted(absl::Duration duration);

}  // namespace baton
