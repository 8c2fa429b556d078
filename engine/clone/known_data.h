// Where the file of a volume is known to have data, so that storage is not asked at each write.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/base/storage.h"

namespace baton {

// A few ranges. Data only becomes more, except by discards: an answer of the storage that is older
// than the end of one is not believed. Thread-safe; allocates nothing.
//
// Why: on NFS each question is a message to the server and back, and a local file system looks at
// all extents of a range to find its end.
class KnownData {
 public:
  // While it lives the file may lose data.
  class Discard {
   public:
    explicit Discard(KnownData& known) : known_(known) {
      absl::MutexLock guard(&known_.mutex_);
      ++known_.discards_;
      known_.Clear();
    }
    ~Discard() {
      absl::MutexLock guard(&known_.mutex_);
      --known_.discards_;
      known_.Clear();
    }
    Discard(const Discard&) = delete;
    Discard& operator=(const Discard&) = delete;

   private:
    KnownData& known_;
  };

  bool Covers(uint64_t begin, uint64_t end) const {
    absl::ReaderMutexLock guard(&mutex_);
    return std::any_of(ranges_.begin(), ranges_.end(), [&](const DataRange& range) {
      return range.begin <= begin && end <= range.end;
    });
  }

  // To be taken before the storage is asked, and given with what it says.
  uint64_t Age() const {
    absl::ReaderMutexLock guard(&mutex_);
    return age_;
  }
  void Add(const DataRange& range, uint64_t age) {
    absl::MutexLock guard(&mutex_);
    if (age == age_ && discards_ == 0) ranges_[next_++ % ranges_.size()] = range;
  }

  // The file may have lost data since.
  void Forget() {
    absl::MutexLock guard(&mutex_);
    Clear();
  }

 private:
  void Clear() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ++age_;
    ranges_ = {};
  }

  mutable absl::Mutex mutex_;
  std::array<DataRange, 16> ranges_ ABSL_GUARDED_BY(mutex_) = {};
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t age_ ABSL_GUARDED_BY(mutex_) = 0;
  int discards_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace baton
