// A directory shown through libfuse, every operation of which meets the faults first.
#pragma once

#define FUSE_USE_VERSION 312
#include <fuse.h>

#include <string>

#include "tests/system/faulty_fs/faults.h"

namespace baton::faulty {

// Nothing is cached between the program that uses the mirror and the directory: what another one
// changes there is seen at once, and a write with O_DIRECT is one in the directory, too. Locks are
// those of the directory's files, so that they hold between mirrors.
struct Mirror {
  int root;  // the directory that is shown
  Faults& faults;
};

// To be registered with a Mirror as the private data, which outlives the file system.
const fuse_operations& MirrorOperations();

}  // namespace baton::faulty
