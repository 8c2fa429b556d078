// Places between two steps that take no lock and do no I/O, where another thread may come in
// between. The simulator switches only at I/O and at waits: without these it would never try it.
// They exist only in the build of the crash tests (BATON_MUTANTS); elsewhere each is nothing.
#pragma once

#ifdef BATON_MUTANTS

#include <functional>

namespace baton {

// Set by the test; called without a mutex held.
inline std::function<void()> at_race_point;

}  // namespace baton

// A copy is called: it may take itself away.
#define BATON_RACE_POINT()                                   \
  do {                                                       \
    if (const auto now = ::baton::at_race_point; now) now(); \
  } while (false)
#else
#define BATON_RACE_POINT() \
  do {                     \
  } while (false)
#endif
