// The volumes of the pool by name and by id.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/synchronization/mutex.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "engine/volume/volume.h"
#include "engine/volume/volume_index.h"

namespace baton {

// Thread-safe; the lock is held for a look-up only.
class VolumeTable {
 public:
  void Insert(std::shared_ptr<Volume> volume) {
    absl::MutexLock guard(&mutex_);
    const Volume& inserted = *volume;
    volumes_.Insert(inserted.id, inserted.name, std::move(volume));
  }
  // By one with the same id; its name may be another one.
  void Replace(const Volume& volume, std::shared_ptr<Volume> by) {
    absl::MutexLock guard(&mutex_);
    const Volume& inserted = *by;
    volumes_.Erase(volume.id, volume.name);
    volumes_.Insert(inserted.id, inserted.name, std::move(by));
  }
  void Erase(const Volume& volume) {
    absl::MutexLock guard(&mutex_);
    volumes_.Erase(volume.id, volume.name);
  }
  // Null: there is none.
  std::shared_ptr<Volume> Find(const std::string& name) const { return FindBy(name); }
  std::shared_ptr<Volume> Find(uint64_t id) const { return FindBy(id); }
  // By id.
  std::vector<std::shared_ptr<Volume>> All() const {
    return After(0, std::numeric_limits<size_t>::max());
  }
  // At most `limit` of those with a greater id, by id.
  std::vector<std::shared_ptr<Volume>> After(uint64_t id, size_t limit) const {
    absl::ReaderMutexLock guard(&mutex_);
    std::vector<std::shared_ptr<Volume>> found;
    volumes_.ForEachAfter(
        id, limit, [&found](const std::shared_ptr<Volume>& volume) { found.push_back(volume); });
    return found;
  }
  size_t size() const {
    absl::ReaderMutexLock guard(&mutex_);
    return volumes_.size();
  }

 private:
  template <typename Key>
  std::shared_ptr<Volume> FindBy(const Key& key) const {
    absl::ReaderMutexLock guard(&mutex_);
    const std::shared_ptr<Volume>* const found = volumes_.Find(key);
    return found == nullptr ? nullptr : *found;
  }

  mutable absl::Mutex mutex_;
  VolumeIndex<std::shared_ptr<Volume>> volumes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
