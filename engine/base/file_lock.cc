#include "engine/base/file_lock.h"

#include <algorithm>
#include <tuple>

namespace baton {
namespace {

bool Overlap(const FileLock& a, const FileLock& b) {
  return a.first <= b.last && b.first <= a.last;
}

bool KeepsOut(const FileLock& held, const FileLock& wanted) {
  return held.space == wanted.space && (held.exclusive || wanted.exclusive) &&
         Overlap(held, wanted);
}

bool IsSameHolder(const FileLock& a, const FileLock& b) {
  return a.space == b.space && a.owner == b.owner;
}

// One after the other without a gap, and the same in all else.
bool Joins(const FileLock& before, const FileLock& after) {
  FileLock joined = after;
  joined.first = before.first;
  joined.last = before.last;
  return joined == before && before.last != kLastByte && before.last + 1 == after.first;
}

// So that equal sets are equal lists.
void Sort(FileLocks& locks) {
  const auto place = [](const FileLock& lock) {
    return std::tuple(lock.space, lock.owner, lock.first, lock.last, lock.exclusive);
  };
  std::sort(locks.begin(), locks.end(),
            [&](const FileLock& a, const FileLock& b) { return place(a) < place(b); });
}

FileLocks Joined(FileLocks locks) {
  Sort(locks);
  FileLocks result;
  for (const FileLock& lock : locks) {
    if (!result.empty() && Joins(result.back(), lock)) {
      result.back().last = lock.last;
    } else {
      result.push_back(lock);
    }
  }
  return result;
}

}  // namespace

std::optional<FileLock> FindConflict(const FileLocks& held, const FileLock& wanted) {
  for (const FileLock& lock : held) {
    if (!IsSameHolder(lock, wanted) && KeepsOut(lock, wanted)) return lock;
  }
  return std::nullopt;
}

std::optional<FileLock> FindForeignConflict(const FileLocks& held, const FileLock& wanted) {
  for (const FileLock& lock : held) {
    if (KeepsOut(lock, wanted)) return lock;
  }
  return std::nullopt;
}

FileLocks WithoutRange(FileLocks held, const FileLock& lock) {
  FileLocks result;
  for (const FileLock& each : held) {
    if (!IsSameHolder(each, lock) || !Overlap(each, lock)) {
      result.push_back(each);
      continue;
    }
    if (each.first < lock.first) {
      result.push_back(each);
      result.back().last = lock.first - 1;
    }
    if (each.last > lock.last) {
      result.push_back(each);
      result.back().first = lock.last + 1;
    }
  }
  Sort(result);
  return result;
}

FileLocks WithLock(FileLocks held, const FileLock& lock) {
  FileLocks result = WithoutRange(std::move(held), lock);
  result.push_back(lock);
  return Joined(std::move(result));
}

FileLocks WithoutOwner(FileLocks held, uint64_t owner) {
  std::erase_if(held, [owner](const FileLock& lock) {
    return lock.space == LockSpace::kRanges && lock.owner == owner;
  });
  return held;
}

FileLocks WithoutHandle(FileLocks held, uint64_t handle) {
  std::erase_if(held, [handle](const FileLock& lock) { return lock.handle == handle; });
  return held;
}

}  // namespace baton
