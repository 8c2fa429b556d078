// A simulated disk with one file, and what of new content is left on it.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/base/testing.h"
#include "tests/sim/sim_machine.h"

namespace baton::sim {

inline constexpr uint64_t kBlock = limits::kBlockBytes;

// A machine with a durable file "f" of four blocks of zeros.
class Disk {
 public:
  explicit Disk(uint64_t seed) : machine(seed, {.direct_alignment = {kSectorBytes, 1}}) {
    auto file = Must(machine.storage().Open("f", {.create = true, .direct = true}));
    EXPECT_OK(file->Truncate(4 * kBlock));
    EXPECT_OK(file->Sync());
    EXPECT_OK(machine.storage().SyncDirectory(""));
    first_step = machine.steps().count() + 1;
  }
  std::unique_ptr<File> Open() { return Must(machine.storage().Open("f", {.direct = true})); }
  void Crash(CrashKind kind) {
    machine.steps().CrashNow(kind);
    machine.Restart();
  }
  // How many sectors of the range hold `data`; all others must hold `old`.
  size_t Kept(uint64_t offset, const std::vector<std::byte>& data,
              const std::vector<std::byte>& old) {
    const std::vector<std::byte> now = machine.storage().Peek("f");
    EXPECT_LE(offset + data.size(), now.size());
    if (offset + data.size() > now.size()) return 0;
    size_t kept = 0;
    for (size_t at = 0; at < data.size(); at += kSectorBytes) {
      const auto sector = Bytes(now).subspan(offset + at, kSectorBytes);
      const bool is_new = std::ranges::equal(sector, Bytes(data).subspan(at, kSectorBytes));
      EXPECT_TRUE(is_new || std::ranges::equal(sector, Bytes(old).subspan(at, kSectorBytes)));
      if (is_new) ++kept;
    }
    return kept;
  }

  SimMachine machine;
  uint64_t first_step = 0;
};

inline const std::vector<std::byte> kNew = Pattern(2 * kBlock, 1);
inline const std::vector<std::byte> kNewer = Pattern(2 * kBlock, 2);
inline const std::vector<std::byte> kZeros(2 * kBlock);
inline constexpr size_t kAll = 2 * kBlock / kSectorBytes;

}  // namespace baton::sim
