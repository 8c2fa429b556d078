#include "engine/meta/evictions.h"

#include <utility>

#include "engine/base/status.h"

namespace baton {
namespace {

Event EventOf(const char* kind, std::string text) {
  Event event;
  event.set_kind(kind);
  event.set_text(std::move(text));
  return event;
}

}  // namespace

absl::Status Evictions::Load() {
  BATON_ASSIGN_OR_RETURN(const std::vector<EvictionRecord> records, catalog_.LoadEvictions());
  absl::MutexLock lock(&mutex_);
  for (const EvictionRecord& record : records) records_[record.node()] = record;
  return absl::OkStatus();
}

absl::StatusOr<EvictionRecord> Evictions::Evict(const std::string& node) {
  SleepLock::Guard guard(changes_);
  {
    absl::MutexLock lock(&mutex_);
    const auto known = records_.find(node);
    if (known != records_.end()) return known->second;
  }
  MetaBatch batch;
  EvictionRecord record;
  record.set_id(catalog_.AllocateId(batch));
  record.set_node(node);
  record.set_evicted_unix_us(absl::ToUnixMicros(runtime_.WallTime()));
  catalog_.PutEviction(batch, record);
  catalog_.AddEvent(
      batch,
      EventOf("node-evicted", fmt::format("node {}: what was asked in its mount until now and has "
                                          "not been done will not be done",
                                          node)));
  BATON_RETURN_IF_ERROR(catalog_.Commit(std::move(batch), Durable::kYes));
  absl::MutexLock lock(&mutex_);
  records_[node] = record;
  return record;
}

absl::Status Evictions::Readmit(const std::string& node, uint64_t id) {
  SleepLock::Guard guard(changes_);
  {
    absl::MutexLock lock(&mutex_);
    const auto known = records_.find(node);
    if (known == records_.end() || known->second.id() != id) return absl::OkStatus();
  }
  MetaBatch batch;
  catalog_.DeleteEviction(batch, node);
  catalog_.AddEvent(batch, EventOf("node-readmitted",
                                   fmt::format("node {}: nothing of before its eviction is open "
                                               "in its mount; it is served again",
                                               node)));
  BATON_RETURN_IF_ERROR(catalog_.Commit(std::move(batch), Durable::kYes));
  absl::MutexLock lock(&mutex_);
  records_.erase(node);
  return absl::OkStatus();
}

std::vector<EvictionRecord> Evictions::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<EvictionRecord> records;
  for (const auto& [node, record] : records_) records.push_back(record);
  return records;
}

}  // namespace baton
