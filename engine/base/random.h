// Numbers that nobody can guess, from the kernel.
#pragma once

#include <cstddef>
#include <cstdint>

namespace baton {

// Fills `size` bytes (at most 256). Waits until the kernel has any, which it has some seconds after
// it was booted. Thread-safe.
void FillRandom(void* out, size_t size);
uint64_t RandomNumber();

}  // namespace baton
