// What is to be recorded in the events of the pool, until this node can do so.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <cstddef>
#include <deque>
#include <string>
#include <utility>

namespace baton::ha {

struct EventNote {
  std::string kind;
  std::string text;
};

// The newest kMost are kept. Thread-safe.
class PendingNotes {
 public:
  static constexpr size_t kMost = 200;

  void Add(EventNote note) {
    absl::MutexLock lock(&mutex_);
    if (notes_.size() == kMost) notes_.pop_front();
    notes_.push_back(std::move(note));
  }
  // All, the oldest first; none is kept.
  std::deque<EventNote> Take() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(notes_, {});
  }

 private:
  absl::Mutex mutex_;
  std::deque<EventNote> notes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton::ha
