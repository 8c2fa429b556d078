// What a process takes of its machine from the start.
#pragma once

namespace baton {

enum class Lock {
  kTouched,  // what has been used once stays: a page fault on the way of a request costs time
  kAll,      // everything from the beginning
};

// Where the process may not, or not enough, the log says so and it goes on without.
void LockMemory(Lock what);

// Raises the limit on open files so that all volumes of a pool can be open (limits::kDescriptors).
// Where the process may not, the log says how many can be.
void RaiseDescriptorLimit();

}  // namespace baton
