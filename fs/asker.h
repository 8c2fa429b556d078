// Who made a request, as /proc tells of it.
#pragma once

#include <cstdint>

#include "engine/base/bytes.h"

namespace baton::fs {

struct Asker {
  uint32_t task = 0;     // the thread, as in the request; 0: nobody who could be killed
  uint32_t process = 0;  // 0: not known yet
};

// Of a request of the kernel. Nobody (task 0) where a request must be carried out whoever dies:
// what was written to a memory map and acknowledged by that, the end of what was open; and where
// nobody waits.
Asker AskerOf(Bytes request);

// A change of content that is delivered again: an earlier process may have sent it to whoever served,
// and that is not known to be over.
bool MayHaveBeenSent(Bytes request);

// Whether a signal is ending the process, so that none of its code will run any more: SIGKILL is
// pending (the kernel sends it to each thread of a process that a signal ends), or a signal that
// dumps core is pending and nobody handles it, or the thread is on its way out because of one.
// False when that cannot be known. `asker.process` is filled in: the threads of a process that is
// being killed vanish one by one.
//
// The end of a process that nobody kills is none: what it began with io_submit takes effect.
//
// Reads two small files of /proc, some 20 us; waits for nothing. Thread-safe.
bool IsBeingKilled(Asker& asker);

}  // namespace baton::fs
