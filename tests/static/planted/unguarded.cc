// A lock that is forgotten: -Wthread-safety reports it.
#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

namespace baton {

class Counter {
 public:
  void Add() {
    absl::MutexLock lock(&mutex_);
    ++count_;
  }
  int count() const { return count_; }

 private:
  absl::Mutex mutex_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

int CountOne() {
  Counter counter;
  counter.Add();
  return counter.count();
}

}  // namespace baton
