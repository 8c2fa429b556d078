#include "engine/clone/clones.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "engine/base/status.h"
#include "engine/clone/clone_recovery.h"
#include "engine/clone/named_extents.h"
#include "engine/clone/state.h"

namespace baton {

namespace {

absl::StatusOr<std::unique_ptr<WriteLog>> OpenWriteLog(const Clones::Options& options) {
  return WriteLog::Open(
      {.storage = options.storage,
       .runtime = options.runtime,
       .fence = options.fence,
       .fault = options.fault,
       .epoch = options.epoch,
       .durable_writes = options.durable_writes,
       .shape = options.write_log_shape,
       .meta_sequence = [&catalog = options.catalog] { return catalog.synced_sequence(); }});
}

}  // namespace

absl::StatusOr<std::unique_ptr<Clones>> Clones::Open(const Options& options) {
  BATON_ASSIGN_OR_RETURN(
      std::unique_ptr<IntentLog> log,
      IntentLog::Open(
          options.storage, options.runtime, options.epoch, options.log_shape,
          [&fault = options.fault](const absl::Status& why) { (void)fault.Report(why); }));
  BATON_ASSIGN_OR_RETURN(std::unique_ptr<WriteLog> write_log, OpenWriteLog(options));
  std::unique_ptr<Clones> clones(new Clones(options, std::move(log), std::move(write_log)));
  BATON_RETURN_IF_ERROR(clones->Recover(options));
  return clones;
}

Clones::Clones(const Options& options, std::unique_ptr<IntentLog> log,
               std::unique_ptr<WriteLog> write_log)
    : fault_(options.fault),
      catalog_(options.catalog),
      locks_(options.runtime),
      gate_(options.fault),
      changes_(locks_, table_, catalog_, fault_),
      failures_(table_, changes_,
                [this](uint64_t id, const absl::Status& why) { endings_.ReportFailure(id, why); }),
      pipeline_(options.runtime, options.storage, options.fence, fault_, catalog_, std::move(log),
                {.buffers = options.copy_buffers, .buffer_bytes = options.copy_bytes},
                [this](uint64_t run_id, const absl::Status& why) {
                  return failures_.OnWritebackFailed(run_id, why);
                }),
      factory_(pipeline_.services(), options.volumes),
      copier_(options.runtime, limits::kCopyWorkers, options.copy_bytes,
              [this](const std::shared_ptr<CopyJob>& job, const absl::Status& result) {
                endings_.ReportJob(job, result);
              }),
      write_log_(std::move(write_log)),
      redirects_(options.runtime, *write_log_, options.volumes),
      drain_(options.runtime, *write_log_, redirects_, fault_,
             [this](uint64_t run_id, const absl::Status& why) {
               return failures_.OnWritebackFailed(run_id, why);
             }),
      runs_(copier_, redirects_,
            [this](uint64_t id, const absl::Status& why) {
              return failures_.OnPreserveFailed(id, why);
            }),
      checks_(gate_, table_, options.volumes),
      residuals_(catalog_, pipeline_),
      endings_(options.runtime, catalog_, {locks_, gate_, table_, changes_, failures_, runs_}),
      commands_(options.runtime, catalog_,
                {locks_, checks_, table_, changes_, factory_, runs_, redirects_}),
      queries_(table_, residuals_),
      verifier_(options.runtime, catalog_, options.volumes, table_, checks_) {
  if (options.hold_copiers) copier_.HoldSteps();
}

Clones::~Clones() {
  StopCopying();
  StopDraining();
  pipeline_.Stop();
}

void Clones::StopDraining() {
  write_log_->Stop();
  drain_.Stop();
}

absl::Status Clones::Recover(const Options& options) {
  CloneRecovery recovery(options.runtime, catalog_,
                         {fault_, locks_, options.volumes, table_, pipeline_, factory_, residuals_,
                          runs_, redirects_});
  BATON_RETURN_IF_ERROR(recovery.Run());
  drain_.Start();
  return absl::OkStatus();
}

void Clones::StartCopiers() {
  const CloneLocks::Command command(locks_);
  if (!gate_.is_closed()) copier_.StartSteps();
}

void Clones::TakeLocks() const {
  table_.ForEach([](const Relation& relation) {
    if (relation.run != nullptr) (void)relation.run->locks().copying();
  });
}

void Clones::StopCopying() {
  gate_.Close(CloneLocks::Command(locks_));  // a command in progress is finished first
  endings_.Stop();
  copier_.Stop();
}

// Hosts wait. What stays in the log is for the next owner, who serves it at once.
void Clones::EndWriteLog() {
  const bool is_drained =
      fault_.Check().ok() && write_log_->blocks() <= limits::kWriteLogSealBlocks &&
      write_log_->WaitAllDrained(absl::Milliseconds(limits::kWriteLogSealMs)).ok();
  StopDraining();
  if (!is_drained) {
    if (fault_.Check().ok()) (void)write_log_->SyncAll();  // an error is a fault
    return;
  }
  const absl::Status dropped = write_log_->DropOwnFile();
  if (!dropped.ok() && !absl::IsAborted(dropped)) {
    spdlog::warn("the write log cannot be dropped: {}", Message(dropped));
  }
}

std::vector<Residual> Clones::Finish() {
  const CloneLocks::Command command(locks_);
  EndWriteLog();
  pipeline_.Stop();
  const std::vector<IntentSlot> slots = ReadSlotsAtEnd();
  std::vector<Residual> residuals;
  MetaBatch batch;
  table_.ForEach([&](const Relation& relation) {
    if (!IsRunning(relation.record.state())) return;
    Residual residual = residuals_.Of(relation, false);
    uint64_t named = 0;
    for (const ExtentSpan& span :
         NamedExtents(slots, relation.record.run_id(), relation.run->copied())) {
      named += span.count;
    }
    residual.set_extents_named(named);
    residuals_.AddEvent("clone-sealed", relation.record, residual, batch);
    residuals.push_back(std::move(residual));
  });
  if (fault_.Check().ok() && !batch.empty()) {
    const absl::Status status = catalog_.Commit(std::move(batch), Durable::kYes);
    if (!status.ok()) (void)fault_.Report(status);
  }
  return residuals;
}

// For the feedback; without them it only says less.
std::vector<IntentSlot> Clones::ReadSlotsAtEnd() {
  std::vector<IntentSlot> slots;
  if (!fault_.Check().ok()) return slots;
  const absl::Status read = pipeline_.log().ForEach([&slots](uint64_t, const IntentSlot& slot) {
    slots.push_back(slot);
    return absl::OkStatus();
  });
  if (!read.ok() && !absl::IsAborted(read)) {
    spdlog::warn("the slots cannot be read at the end: {}", Message(read));
  }
  return slots;
}

}  // namespace baton
