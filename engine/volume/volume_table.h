// The volumes of the pool by name and by id.
#pragma once

#include <absl/synchronization/mutex.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/volume/volume.h"

namespace baton {

// Thread-safe; the lock is held for a look-up only.
class VolumeTable {
 public:
  void Insert(std::shared_ptr<Volume> volume) {
    absl::MutexLock guard(&mutex_);
    by_id_[volume->id] = volume;
    by_name_[volume->name] = std::move(volume);
  }
  void Erase(const Volume& volume) {
    absl::MutexLock guard(&mutex_);
    by_id_.erase(volume.id);
    by_name_.erase(volume.name);
  }
  // Null: there is none.
  std::shared_ptr<Volume> Find(const std::string& name) const {
    absl::ReaderMutexLock guard(&mutex_);
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }
  std::shared_ptr<Volume> Find(uint64_t id) const {
    absl::ReaderMutexLock guard(&mutex_);
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
  }
  // By name.
  std::vector<std::shared_ptr<Volume>> All() const {
    absl::ReaderMutexLock guard(&mutex_);
    std::vector<std::shared_ptr<Volume>> all;
    for (const auto& [name, volume] : by_name_) all.push_back(volume);
    return all;
  }
  // At most `limit` of those with a greater id, by id.
  std::vector<std::shared_ptr<Volume>> After(uint64_t id, size_t limit) const {
    absl::ReaderMutexLock guard(&mutex_);
    std::vector<std::shared_ptr<Volume>> found;
    for (auto next = by_id_.upper_bound(id); next != by_id_.end() && found.size() < limit; ++next) {
      found.push_back(next->second);
    }
    return found;
  }
  size_t size() const {
    absl::ReaderMutexLock guard(&mutex_);
    return by_id_.size();
  }

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, std::shared_ptr<Volume>> by_name_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, std::shared_ptr<Volume>> by_id_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
