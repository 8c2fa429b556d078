// A clone between the volumes of a CopyBench, with what watches over clones around it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/clone/attached_runs.h"
#include "engine/clone/clone_endings.h"
#include "engine/clone/clone_failures.h"
#include "engine/clone/clone_locks.h"
#include "engine/clone/command_gate.h"
#include "engine/clone/copier.h"
#include "engine/clone/relation_changes.h"
#include "engine/clone/relation_table.h"
#include "tests/clone/pool.h"

namespace baton {

// Lives inside a SimRuntime::Run. The endings report to nobody: nothing happens that a test does
// not ask for.
class CloneBench {
 public:
  static constexpr uint64_t kExtentBytes = 2 * kBlock;
  static constexpr uint64_t kSizeBytes = 6 * kExtentBytes;

  explicit CloneBench(SimPool& pool)
      : copies(pool, kSizeBytes),
        locks(pool.runtime()),
        gate(copies.fault),
        changes(locks, table, copies.catalog, copies.fault),
        failures(table, changes,
                 [this](uint64_t id, const absl::Status& why) { failed.emplace_back(id, why); }),
        copier(pool.runtime(), 1, 4 * kBlock,
               [this](const std::shared_ptr<CopyJob>& job, const absl::Status& result) {
                 finished.emplace_back(job, result);
               }),
        write_log(Must(WriteLog::Open({.storage = pool.storage(),
                                       .runtime = pool.runtime(),
                                       .fence = copies.fence,
                                       .fault = copies.fault,
                                       .epoch = 1,
                                       .shape = {.segments = 0},
                                       .meta_sequence = [] { return 0; }}))),
        redirects(pool.runtime(), *write_log, volumes),
        runs(copier, redirects, [this](uint64_t id, const absl::Status& why) {
          return failures.OnPreserveFailed(id, why);
        }) {
    EXPECT_OK(copies.source->path.Write(0, Pattern(kSizeBytes, 1)));
  }
  ~CloneBench() {
    copier.Stop();
    copies.source->path.Shutdown(absl::AbortedError("the end"));
    copies.target->path.Shutdown(absl::AbortedError("the end"));
  }

  // A clone of src to dst in that state, durable. `run`: null as long as it has none.
  uint64_t AddClone(RelationState state, std::shared_ptr<CloneRun> run = nullptr,
                    OnError on_error = FAIL_CLONE) {
    RelationRecord record;
    record.set_source("src");
    record.set_target("dst");
    record.set_size_bytes(kSizeBytes);
    record.set_extent_bytes(kExtentBytes);
    record.set_state(state);
    record.set_on_error(on_error);
    if (run != nullptr) record.set_run_id(run->progress().run_id);
    const CloneLocks::Command command(locks);
    RelationChanges::Change change(changes);
    const uint64_t id = change.Create(std::move(record), [](RelationRecord&) {});
    EXPECT_OK(change.Commit());
    table.SetRun(command, id, std::move(run));
    return id;
  }
  // One that is copying, with its run in the paths of both volumes and without a job.
  uint64_t AddRunning(OnError on_error = FAIL_CLONE) {
    const uint64_t id = AddClone(COPYING, copies.run, on_error);
    copies.run->SetPhase(CloneRun::Phase::kActive);
    const CloneLocks::Command command(locks);
    runs.ShowView(command, id, copies.run);
    runs.Preserve(command, id);
    return id;
  }

  RelationRecord RecordOf(uint64_t id) { return Must(table.Get(id)).record; }
  // As the catalog has it; none: a record of the number 0.
  RelationRecord StoredRecordOf(uint64_t id) {
    for (const RelationRecord& record : Must(copies.catalog.LoadRelations())) {
      if (record.id() == id) return record;
    }
    return RelationRecord();
  }
  // The kinds of all events.
  std::vector<std::string> Events() {
    std::vector<std::string> kinds;
    for (const Event& event : Must(copies.catalog.ListEvents(0, 1000))) {
      kinds.push_back(event.kind());
    }
    return kinds;
  }

  CopyBench copies;
  CloneLocks locks;
  CommandGate gate;
  RelationTable table;
  RelationChanges changes;
  std::vector<std::pair<uint64_t, absl::Status>> failed;                    // what `failures` told
  std::vector<std::pair<std::shared_ptr<CopyJob>, absl::Status>> finished;  // what `copier` told
  CloneFailures failures;
  Copier copier;
  VolumeTable volumes;
  std::unique_ptr<WriteLog> write_log;  // without room: nothing is logged
  Redirects redirects;
  AttachedRuns runs;
};

// The next durable write of metadata fails.
inline void FailNextCommit(SimPool& pool) {
  pool.machine.steps().Inject({.matches = sim::Matching(sim::OperationKind::kMetaDurableWrite),
                               .status = absl::DataLossError("input/output error")});
}

}  // namespace baton
