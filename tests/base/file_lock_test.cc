// Lists of locks against a model: a byte is held or it is not.
#include "engine/base/file_lock.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>

namespace baton {
namespace {

constexpr uint64_t kBytes = 24;

enum class Held { kFree, kShared, kExclusive };
using LockMap = std::array<Held, kBytes>;

FileLock Range(uint64_t owner, uint64_t first, uint64_t last, bool exclusive = true) {
  return {.exclusive = exclusive, .first = first, .last = last, .owner = owner, .handle = owner};
}

// What the list says, byte by byte; fails where two locks of one owner overlap.
std::map<uint64_t, LockMap> Spread(const FileLocks& locks) {
  std::map<uint64_t, LockMap> all;
  for (const FileLock& lock : locks) {
    for (uint64_t i = lock.first; i <= lock.last; ++i) {
      Held& byte = all[lock.owner][i];
      EXPECT_EQ(byte, Held::kFree) << "byte " << i << " of owner " << lock.owner;
      byte = lock.exclusive ? Held::kExclusive : Held::kShared;
    }
  }
  return all;
}

TEST(FileLock, ListsAgreeWithAModelOfBytes) {
  std::mt19937_64 random(7);
  FileLocks locks;
  std::map<uint64_t, LockMap> model;
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t owner = random() % 3 + 1;
    uint64_t first = random() % kBytes;
    uint64_t last = random() % kBytes;
    if (first > last) std::swap(first, last);
    const bool frees = random() % 3 == 0;
    const FileLock lock = Range(owner, first, last, random() % 2 == 0);
    bool is_kept_out = false;
    for (const auto& [other, bytes] : model) {
      for (uint64_t at = first; at <= last && other != owner; ++at) {
        is_kept_out = is_kept_out || bytes[at] == Held::kExclusive ||
                      (bytes[at] == Held::kShared && lock.exclusive);
      }
    }
    ASSERT_EQ(FindConflict(locks, lock).has_value(), is_kept_out);
    if (!frees && is_kept_out) continue;
    locks = frees ? WithoutRange(locks, lock) : WithLock(locks, lock);
    for (uint64_t at = first; at <= last; ++at) {
      model[owner][at] = frees            ? Held::kFree
                         : lock.exclusive ? Held::kExclusive
                                          : Held::kShared;
    }
    std::map<uint64_t, LockMap> spread = Spread(locks);
    for (const auto& [each, bytes] : model) ASSERT_EQ(spread[each], bytes);
  }
}

TEST(FileLock, EqualNeighboursAreOne) {
  FileLocks locks = WithLock({}, Range(1, 0, 9));
  locks = WithLock(locks, Range(1, 20, 29));
  locks = WithLock(locks, Range(1, 10, 19));
  EXPECT_EQ(locks, FileLocks{Range(1, 0, 29)});
}

TEST(FileLock, ReachesToTheEndOfWhateverTheFileBecomes) {
  const FileLocks locks = WithLock({}, Range(1, 100, kLastByte));
  EXPECT_TRUE(FindConflict(locks, Range(2, kLastByte, kLastByte)));
  EXPECT_FALSE(FindConflict(locks, Range(2, 0, 99)));
  const FileLocks split = WithoutRange(locks, Range(1, 200, 299));
  EXPECT_EQ(split, (FileLocks{Range(1, 100, 199), Range(1, 300, kLastByte)}));
}

TEST(FileLock, SpacesDoNotSeeEachOther) {
  FileLock flock = Range(1, 0, kLastByte);
  flock.space = LockSpace::kFlock;
  EXPECT_FALSE(FindConflict({flock}, Range(2, 0, 9)));
  EXPECT_EQ(WithoutOwner({flock}, 1), FileLocks{flock}) << "a close ends POSIX locks only";
  EXPECT_EQ(WithoutHandle({flock}, 1), FileLocks());
}

// The kernel of each node draws the numbers of owners by itself.
TEST(FileLock, AnOwnerOfAnotherMountIsSomebodyElse) {
  EXPECT_FALSE(FindConflict({Range(1, 0, 9)}, Range(1, 0, 9)));
  EXPECT_TRUE(FindForeignConflict({Range(1, 0, 9)}, Range(1, 0, 9)));
}

}  // namespace
}  // namespace baton
