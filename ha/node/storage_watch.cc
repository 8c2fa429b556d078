#include "ha/node/storage_watch.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "engine/base/errno_status.h"
#include "engine/base/status.h"
#include "engine/lease/death_certificate.h"
#include "engine/lease/lease_file.h"
#include "engine/meta/pool_file.h"

namespace baton::ha {
namespace {

constexpr absl::Duration kMeasurePeriod = absl::Seconds(1);

}  // namespace

StorageWatch::StorageWatch(Options options, Handlers handlers)
    : options_(std::move(options)),
      handlers_(std::move(handlers)),
      stop_(options_.runtime),
      last_look_(options_.runtime.BootTime()) {}

void StorageWatch::Start() {
  thread_ = options_.runtime.StartThread("storage-watch", [this] {
    do NoteLook(Look());
    while (stop_.Rest(options_.every));
  });
}

void StorageWatch::Stop() {
  stop_.Stop();
  thread_.reset();
}

absl::Status StorageWatch::Health() const {
  absl::MutexLock lock(&mutex_);
  if (looked_ && !last_.ok()) return last_;
  if (Silence() <= options_.patience) return last_;
  return Error(absl::StatusCode::kUnavailable, "the pool's storage has not answered for {} ms",
               absl::ToInt64Milliseconds(Silence()));
}

bool StorageWatch::IsKnown() const {
  absl::MutexLock lock(&mutex_);
  return looked_ || Silence() > options_.patience;
}

absl::Duration StorageWatch::Silence() const { return options_.runtime.BootTime() - last_look_; }

absl::Status StorageWatch::Shortage() const {
  absl::MutexLock lock(&mutex_);
  return shortage_;
}

// Of an owner an error means that the pool moves, and that hosts wait.
void StorageWatch::NoteLook(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  const bool is_short = IsOutOfDescriptors(status);
  if (is_short && shortage_.ok()) spdlog::error("descriptors: {}", Message(status));
  shortage_ = is_short ? status : absl::OkStatus();
  if (is_short) {
    last_look_ = options_.runtime.BootTime();
    return;
  }
  looked_ = true;
  if (status.ok()) {
    failed_looks_ = 0;
    last_look_ = options_.runtime.BootTime();
    last_ = status;
    return;
  }
  ++failed_looks_;
  if (last_.ok() && failed_looks_ < kFailedLooks) {
    spdlog::warn("storage: {}: looking again", Message(status));
    return;
  }
  if (status != last_) spdlog::error("storage: {}", Message(status));
  last_ = status;
}

absl::Status StorageWatch::Look() {
  if (storage() == nullptr) BATON_RETURN_IF_ERROR(OpenStorage());
  const absl::Duration began = options_.runtime.BootTime();
  BATON_ASSIGN_OR_RETURN(const std::optional<LeaseRecord> record, ReadNewestLease(*storage_));
  handlers_.on_lease(record, began);
  Measure();
  if (!record || record->released || record->epoch == certified_epoch_) return absl::OkStatus();
  BATON_ASSIGN_OR_RETURN(const std::optional<DeathCertificate> certificate,
                         ReadDeathCertificate(*storage_, record->epoch));
  if (!certificate || !IsAbout(*certificate, *record)) return absl::OkStatus();
  certified_epoch_ = record->epoch;
  handlers_.on_certificate(*certificate);
  return absl::OkStatus();
}

void StorageWatch::Measure() {
  const absl::Duration now = options_.runtime.BootTime();
  if (now < next_measure_) return;
  next_measure_ = now + kMeasurePeriod;
  const SpaceReading space = MeasureSpace(*storage_);
  {
    absl::MutexLock lock(&mutex_);
    space_ = space;
  }
  handlers_.on_space(space);
}

SpaceReading StorageWatch::space() const {
  absl::MutexLock lock(&mutex_);
  return space_;
}

absl::Status StorageWatch::OpenStorage() {
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<PosixStorage> storage, PosixStorage::Open(options_.pool));
  BATON_ASSIGN_OR_RETURN(const PoolRecord pool, ReadPool(*storage));
  if (pool.pool_id() != options_.pool_id) {
    return Error(absl::StatusCode::kFailedPrecondition, "{} is another pool now: {} instead of {}",
                 options_.pool, pool.pool_id(), options_.pool_id);
  }
  BATON_ASSIGN_OR_RETURN(NodeLock lock, NodeLock::Take(storage->directory(), options_.node));
  node_lock_.emplace(std::move(lock));
  storage_ = std::move(storage);
  ready_.store(storage_.get(), std::memory_order_release);
  return absl::OkStatus();
}

}  // namespace baton::ha
