// A queue whose items are worked on in batches, by a thread of its own.
#pragma once

#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/runtime.h"

namespace baton {

// Everything that waits becomes one batch when `items` wait, when the oldest has waited `delay`, or
// at once when somebody waits for what is here. One batch is worked on at a time, in the order in
// which its items were added. An item is here until the work on its batch is done.
//
// After an error nothing more is taken. What is here stays here until the destructor. Thread-safe.
template <typename Item>
class BatchThread {
 public:
  struct Options {
    std::string name;  // of the thread: at most 15 characters
    size_t items = 1;
    absl::Duration delay;
    size_t room = 0;  // nothing is allocated while no more items wait
  };
  // Called from the thread, no lock held, never without an item. What WaitNone and ForEach look at
  // must not be changed, because others read it meanwhile. An error ends the work for good.
  using Work = std::function<absl::Status(std::span<Item> batch)>;

  BatchThread(Runtime& runtime, const Options& options, Work work)
      : runtime_(runtime), options_(options), work_(std::move(work)) {
    waiting_.reserve(options_.room);
    working_.reserve(options_.room);
    thread_ = runtime_.StartThread(options_.name, [this] { Run(); });
  }
  ~BatchThread() { Stop(); }
  BatchThread(const BatchThread&) = delete;
  BatchThread& operator=(const BatchThread&) = delete;

  // What waits is worked on first, unless there was an error. What comes later waits for ever.
  void Stop() {
    {
      absl::MutexLock guard(&mutex_);
      stopping_ = true;
      due_.Signal();
    }
    thread_.reset();
  }

  // Never waits. After an error the item is kept and nothing becomes of it.
  void Add(Item&& item) {
    absl::MutexLock guard(&mutex_);
    Append(std::move(item));
  }

  // Returns when the work on the item is done. An error: no work on it is under way, and none will
  // be begun.
  absl::Status AddAndWait(Item&& item) {
    absl::MutexLock guard(&mutex_);
    if (!failed_.ok()) return failed_;
    const uint64_t number = Append(std::move(item));
    HurryUp();
    while (done_ < number && (failed_.ok() || IsUnderWay(number))) runtime_.Wait(progress_, mutex_);
    --hurries_;
    return done_ >= number ? absl::OkStatus() : failed_;
  }

  // Returns when no item that `matches` is here, at once when there is none, or when there was an
  // error.
  template <typename Matches>
  absl::Status WaitNone(Matches matches) {
    absl::MutexLock guard(&mutex_);
    if (!HasAny(matches)) return absl::OkStatus();
    HurryUp();
    while (failed_.ok() && HasAny(matches)) runtime_.Wait(progress_, mutex_);
    --hurries_;
    return failed_;
  }

  // Until as many calls of EndHurry no batch waits for more items or for time.
  void BeginHurry() {
    absl::MutexLock guard(&mutex_);
    HurryUp();
  }
  void EndHurry() {
    absl::MutexLock guard(&mutex_);
    --hurries_;
  }

  // Somebody else has met an error: nothing more is taken. The work that is under way is finished.
  void Fail(const absl::Status& error) {
    absl::MutexLock guard(&mutex_);
    failed_.Update(error);
    progress_.SignalAll();
  }

  // Calls `visit` with every item that is here, under a lock.
  template <typename Visit>
  void ForEach(Visit visit) const {
    absl::MutexLock guard(&mutex_);
    for (const Item& item : working_) visit(item);
    for (const Item& item : waiting_) visit(item);
  }

 private:
  void Run() {
    for (std::span<Item> batch = Take(); !batch.empty(); batch = Take()) Finish(work_(batch));
  }

  // Empty: that was all.
  std::span<Item> Take() {
    absl::MutexLock guard(&mutex_);
    WaitUntilDue();
    if (waiting_.empty() || !failed_.ok()) return {};
    std::swap(working_, waiting_);
    taken_ = added_;
    is_working_ = true;
    return working_;
  }

  void Finish(const absl::Status& result) {
    absl::MutexLock guard(&mutex_);
    is_working_ = false;
    if (result.ok()) {
      working_.clear();
      done_ = taken_;
    }
    failed_.Update(result);
    progress_.SignalAll();
  }

  // The number of the item, counted from 1.
  uint64_t Append(Item&& item) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (waiting_.empty()) oldest_ = runtime_.BootTime();
    waiting_.push_back(std::move(item));
    if (waiting_.size() == 1 || waiting_.size() == options_.items) due_.Signal();
    return ++added_;
  }

  void HurryUp() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ++hurries_;
    due_.Signal();
  }

  bool IsUnderWay(uint64_t number) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return is_working_ && number <= taken_;
  }

  template <typename Matches>
  bool HasAny(Matches matches) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return std::any_of(working_.begin(), working_.end(), matches) ||
           std::any_of(waiting_.begin(), waiting_.end(), matches);
  }

  bool IsDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || (!waiting_.empty() && (hurries_ > 0 || waiting_.size() >= options_.items));
  }

  void WaitUntilDue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (!IsDue()) {
      if (waiting_.empty()) {
        runtime_.Wait(due_, mutex_);
        continue;
      }
      const absl::Duration deadline = oldest_ + options_.delay;
      if (runtime_.BootTime() >= deadline) return;
      runtime_.WaitUntil(due_, mutex_, deadline);
    }
  }

  Runtime& runtime_;
  const Options options_;
  const Work work_;

  mutable absl::Mutex mutex_;
  absl::CondVar due_;       // the thread waits here
  absl::CondVar progress_;  // everybody else waits here
  std::vector<Item> waiting_ ABSL_GUARDED_BY(mutex_);
  std::vector<Item> working_ ABSL_GUARDED_BY(mutex_);
  bool is_working_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t added_ ABSL_GUARDED_BY(mutex_) = 0;  // items that ever were; they are worked on in order
  uint64_t taken_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t done_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration oldest_ ABSL_GUARDED_BY(mutex_);  // since when the first of waiting_ waits
  int hurries_ ABSL_GUARDED_BY(mutex_) = 0;        // how many want no batch to wait
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failed_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Thread> thread_;
};

}  // namespace baton
