// The two locks that order what happens to the clones of a pool, and the order between them.
#pragma once

#include <absl/base/thread_annotations.h>

#include "engine/base/sleep_lock.h"

namespace baton {

// A command comes before a change, never after it:
//   Command  what a user asks for, or what follows the end of a copy. It may wait for host I/O that
//            is inside a volume's path.
//   Change   of records, from the check of the state to the commit. A host write whose extents
//            cannot be preserved makes one, too, so that nobody may wait for host I/O inside it.
// Neither is on the path of a host's request that goes well.
class CloneLocks {
 public:
  explicit CloneLocks(Runtime& runtime) : commands_(runtime), changes_(runtime) {}

  // One at a time; waits for the one before. What takes a Command as an argument may be called
  // inside one only.
  class Command {
   public:
    explicit Command(CloneLocks& locks) : guard_(locks.commands_) {}

   private:
    const SleepLock::Guard guard_;
  };

  // Likewise. REQUIRES: the thread is in no other change.
  class Change {
   public:
    explicit Change(CloneLocks& locks) : guard_(locks.changes_) {}

   private:
    const SleepLock::Guard guard_;
  };

 private:
  SleepLock commands_;
  SleepLock changes_ ABSL_ACQUIRED_AFTER(commands_);
};

}  // namespace baton
