// `baton pool drain`: a pool whose volumes are to be used without Baton.
#pragma once

#include <string>

namespace baton {

// Owns the pool for as long as it takes to bring what is in the write log to the files of the
// volumes, says on standard output what they are then, and gives the pool back. Clones stay as they
// are, and are not copied meanwhile. Returns the exit code: 0, or 1 with the reason on standard
// error. Whenever it is killed, nothing is lost, and it can be started again.
int DrainPool(const std::string& directory);

}  // namespace baton
