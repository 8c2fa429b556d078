#include "ha/node/epoch_runner.h"

#include <spdlog/spdlog.h>

namespace baton::ha {

EpochRunner::EpochRunner(EpochWork::Options options, EpochWork::Surroundings around)
    : lease_(around.lease),
      work_(options.runtime, "epoch", options, around, notes_, handoff_) {}

void EpochRunner::Claim(const action::Claim& action) {
  work_.Do([action](EpochWork& work) { work.Claim(action); });
}

void EpochRunner::Recover() {
  work_.Do([](EpochWork& work) { work.Recover(); });
}

LentEpoch EpochRunner::TakeRecovered() { return handoff_.Take(); }

void EpochRunner::RecordClaim() {
  records_ = true;
  work_.Do([](EpochWork& work) { work.RecordClaim(); });
}

void EpochRunner::Seal(LentEpoch) {
  records_ = false;
  work_.Do([](EpochWork& work) { work.Seal(); });
}

void EpochRunner::Note(const std::string& kind, const std::string& text) {
  spdlog::info("{}: {}", kind, text);
  notes_.Add({.kind = kind, .text = text});
  if (records_) work_.Do([](EpochWork& work) { work.RecordNotes(); });
}

void EpochRunner::WriteCertificate(uint64_t epoch) {
  const std::optional<LeaseRecord> record = lease_.Of(epoch);
  if (!record) return;
  work_.Do([lease = *record](EpochWork& work) { work.WriteCertificate(lease); });
}

void EpochRunner::StopOldWatchdog() {
  work_.Do([](EpochWork& work) { work.StopOldWatchdog(); });
}

}  // namespace baton::ha
