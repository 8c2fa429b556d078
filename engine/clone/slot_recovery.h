// What the intent log of a pool proves when the pool is opened.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "engine/clone/clone_run.h"
#include "engine/clone/intent_log.h"
#include "engine/meta/catalog.h"

namespace baton {

// For each extent that a slot names, whose run goes on and whose bit is clear: where its T0 content
// is in the intent log or in the target, whole, the target gets it and the bit is set. Where it is
// not, the source was never overwritten: slot and data had to be durable first.
//
// Running it again after a crash finds and does the same: entries are not touched.
class SlotRecovery {
 public:
  // `buffer`: for data, not smaller than that of an entry.
  SlotRecovery(Runtime& runtime, IntentLog& log, Catalog& catalog, MutableBytes buffer);

  void AddRun(std::shared_ptr<CloneRun> run);

  // Reads all slots, brings data from the intent log to the targets, flushes the targets, sets the
  // bits in memory and adds them to `batch`, which the caller makes durable before anything else
  // goes on. DataLoss: a slot is garbled, or newer than the metadata.
  absl::Status Run(MetaBatch& batch);

  // Runs of which something cannot be told any more, because storage does not give an entry or an
  // extent of the target, or whose target did not take its data: they have failed, and the caller
  // makes that durable, together with the batch.
  const std::map<uint64_t, absl::Status>& failures() const { return failures_; }

 private:
  // One extent whose bit is clear and whose T0 content a slot vouches for.
  struct Candidate {
    std::shared_ptr<CloneRun> run;
    uint64_t extent = 0;
    Digest digest;
    bool in_log = false;
    uint64_t entry = 0;
    uint64_t entry_offset = 0;  // of its data
  };

  absl::Status ReadSlots();
  void FailUnfinished(const absl::Status& why);
  // An error of storage that stays is one of the candidate's run.
  absl::StatusOr<bool> Settle(const Candidate& candidate, MetaBatch& batch);
  absl::Status CheckNotNewer(const IntentSlot& slot) const;
  void AddCandidates(uint64_t entry, const IntentSlot& slot);
  absl::StatusOr<bool> IsProven(const Candidate& candidate);
  absl::StatusOr<bool> BringFromLog(const Candidate& candidate);
  void Restore(const Candidate& candidate, MetaBatch& batch);

  Runtime& runtime_;
  IntentLog& log_;
  Catalog& catalog_;
  const MutableBytes buffer_;
  std::map<uint64_t, std::shared_ptr<CloneRun>> runs_;
  std::vector<Candidate> candidates_;
  std::map<uint64_t, absl::Status> failures_;
};

}  // namespace baton
