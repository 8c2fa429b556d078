// Keeping a process in memory.
#pragma once

namespace baton {

enum class Lock {
  kTouched,  // what has been used once stays: a page fault on the way of a request costs time
  kAll,      // everything from the beginning
};

// Where the process may not, or not enough, the log says so and it goes on without.
void LockMemory(Lock what);

}  // namespace baton
