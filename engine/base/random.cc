#include "engine/base/random.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdlib>

namespace baton {

void FillRandom(void* out, size_t size) {
  // Up to 256 bytes come whole.
  while (::getrandom(out, size, 0) != static_cast<ssize_t>(size)) {
    if (errno != EINTR) std::abort();  // on no kernel that is supported
  }
}

uint64_t RandomNumber() {
  uint64_t number = 0;
  FillRandom(&number, sizeof(number));
  return number;
}

}  // namespace baton
