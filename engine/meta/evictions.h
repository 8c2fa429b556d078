// Which nodes are evicted: their requests are refused until their mounts have been made anew.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/synchronization/mutex.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/base/model.pb.h"
#include "engine/base/runtime.h"
#include "engine/base/sleep_lock.h"
#include "engine/meta/catalog.h"

namespace baton {

// What is returned is durable. Every eviction has an id of its own, so that nobody can end one that
// was not told of it. Thread-safe after Load.
class Evictions {
 public:
  // Both outlive it.
  Evictions(Catalog& catalog, Runtime& runtime)
      : catalog_(catalog), runtime_(runtime), changes_(runtime) {}

  // Once, before anything else. DataLoss: a record is damaged.
  absl::Status Load();
  // Of a node that is evicted already the eviction that there is. An error is the catalog's, and
  // final.
  absl::StatusOr<EvictionRecord> Evict(const std::string& node);
  // Ends the eviction `id` of the node; nothing where that is not the one that there is.
  absl::Status Readmit(const std::string& node, uint64_t id);
  std::vector<EvictionRecord> List() const;  // by node

 private:
  Catalog& catalog_;
  Runtime& runtime_;
  SleepLock changes_;  // one change at a time, over its commit
  mutable absl::Mutex mutex_;
  std::map<std::string, EvictionRecord> records_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace baton
