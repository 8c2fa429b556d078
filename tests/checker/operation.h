// What hosts do, from a seed alone.
#pragma once

#include <cstdint>
#include <random>

namespace baton::checker {

enum class OperationKind { kRead, kWrite, kFlush, kDiscard };

struct Operation {
  OperationKind kind = OperationKind::kRead;
  uint32_t volume = 0;
  uint64_t offset = 0;        // of the volume; a multiple of model::kCellBytes
  uint64_t length_bytes = 0;  // likewise
  bool direct = false;        // through a descriptor with O_DIRECT, where there are descriptors
};

// The operations of one host. What it draws depends on nothing but its seed: not on what was
// answered, not on what others do.
class Generator {
 public:
  struct Space {
    uint32_t volumes = 0;
    uint64_t size_bytes = 0;  // of each
  };
  Generator(uint64_t seed, const Space& space) : random_(seed), space_(space) {}

  Operation Next();

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  OperationKind DrawKind();
  uint64_t DrawLength(uint64_t unit);

  std::mt19937_64 random_;
  const Space space_;
};

}  // namespace baton::checker
