#include "ha/node/served_epoch.h"

#include <utility>

namespace baton::ha {
namespace {

constexpr absl::Duration kYoung = absl::Seconds(2);

}  // namespace

void ServedEpoch::Begin(Facts facts) {
  absl::MutexLock lock(&mutex_);
  facts_ = std::move(facts);
  facts_.since = runtime_.BootTime();
  ending_ = stopped_;
}

void ServedEpoch::End() {
  absl::MutexLock lock(&mutex_);
  ending_ = true;
  changed_.SignalAll();
}

void ServedEpoch::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  ending_ = true;
  changed_.SignalAll();
}

bool ServedEpoch::ending() const {
  absl::MutexLock lock(&mutex_);
  return ending_;
}

ServedEpoch::Facts ServedEpoch::facts() const {
  absl::MutexLock lock(&mutex_);
  return facts_;
}

bool ServedEpoch::MayRepeatFailure() const {
  absl::MutexLock lock(&mutex_);
  return facts_.follows_failure && runtime_.BootTime() - facts_.since < kYoung;
}

bool ServedEpoch::Rest(absl::Duration time) {
  const absl::Duration until = runtime_.BootTime() + time;
  absl::MutexLock lock(&mutex_);
  while (!ending_ && runtime_.BootTime() < until) runtime_.WaitUntil(changed_, mutex_, until);
  return !ending_;
}

}  // namespace baton::ha
