#include "tests/crash/world.h"

#include <absl/strings/match.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "engine/base/race_point.h"
#include "engine/meta/pool_file.h"

namespace baton::crash {
namespace {

constexpr uint64_t kBlock = limits::kBlockBytes;
constexpr int kHosts = 3;
// Small, so that entries are used again soon, and the larger extents do not fit.
constexpr LogShape kLog = {.entries = 4, .data_bytes = 2 * kBlock};
constexpr uint64_t kLogSegments = 3;

void Must(const absl::Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "{}\n", status.ToString());
  std::abort();
}

std::string Path(const std::string& volume) { return "volumes/" + volume; }

// Of a host. Whether it is aligned as direct I/O wants it follows from the seed, not from where
// the allocator puts it.
class HostMemory {
 public:
  HostMemory(size_t bytes, bool is_aligned) : memory_(bytes + 2 * sim::kSectorBytes) {
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    const size_t begin = sim::kSectorBytes - address % sim::kSectorBytes + (is_aligned ? 0 : 8);
    bytes_ = MutableBytes(memory_).subspan(begin, bytes);
  }
  MutableBytes bytes() const { return bytes_; }

 private:
  std::vector<std::byte> memory_;
  MutableBytes bytes_;
};

}  // namespace

World::World(uint64_t seed)
    : seed_(seed),
      random_(seed ^ 0xBA70),
      machine_(seed),
      size_bytes_(kBlock * random_.Between(3, 9)),
      hosts_write_targets_(random_.OneIn(2)),
      has_faults_(random_.OneIn(4)),
      has_write_log_(!random_.OneIn(4)),
      segment_blocks_(random_.OneIn(2) ? 4 : 12) {
  for (const char* name : {"a", "b", "x", "y"}) {
    volumes_.push_back(std::make_unique<Volume>(clock_, name, size_bytes_));
  }
  machine_.steps().Observe([this](const sim::Operation& operation) { ObserveCopies(operation); });
  at_race_point = [this] {
    machine_.runtime().SleepFor(absl::Microseconds(random_.OneIn(4) ? random_.Below(2000) : 0));
  };
}

World::~World() { at_race_point = nullptr; }

Outcome World::Run() {
  machine_.runtime().Run([this] { Format(); });
  const uint64_t lives = random_.Between(4, 12);
  for (uint64_t life = 0; life <= lives && outcome_.violation.empty(); ++life) {
    const bool is_last = life == lives;
    if (!is_last) {
      // Short lives, too: what a killed process leaves in caches a loss of power soon after takes.
      const bool follows = life > 0 && random_.OneIn(3);
      const auto kind =
          follows ? sim::CrashKind::kPower : static_cast<sim::CrashKind>(random_.Below(3));
      const uint64_t reach = follows ? 8 : uint64_t{12} << (2 * random_.Below(3));
      machine_.steps().CrashAt(machine_.steps().count() + random_.Between(1, reach), kind);
    }
    machine_.runtime().Run([&] { Life(is_last); });
    // After a sync that failed nobody goes on before the storage was looked after.
    if (storage_failed_) machine_.steps().CrashNow(sim::CrashKind::kPower);
    if (machine_.steps().crashed()) ++outcome_.crash_points;
    const bool lost_cache =
        machine_.steps().crashed() && machine_.steps().crash_kind() == sim::CrashKind::kPower;
    machine_.Restart();
    machine_.steps().ClearFaults();
    if (outcome_.violation.empty() && !is_last) {
      // Without a look at the content nothing is flushed: what a later crash takes away stays open.
      if (!lost_cache && random_.OneIn(2)) continue;
      machine_.runtime().Run([&] { CheckRecovered(lost_cache); });
      machine_.Restart();
    }
  }
  return outcome_;
}

void World::Format() {
  Must(InitPool(machine_.storage(), DURABILITY_NODE, machine_.runtime(), "sim"));
  std::unique_ptr<File> intents = *machine_.storage().Open("intents", {});
  Must(intents->Truncate(kLog.file_bytes()));
  Must(intents->Sync());
  Must(machine_.storage().SyncDirectory(""));
  if (!OpenEngine()) return;
  for (const std::unique_ptr<Volume>& volume : volumes_) {
    volume->id =
        engine_
            ->CreateVolume(
                {.name = volume->name, .size_bytes = size_bytes_, .thick = random_.OneIn(2)})
            ->id;
  }
  CloseEngine();
}

bool World::OpenEngine() {
  faulted_ = storage_failed_ = false;
  absl::StatusOr<std::unique_ptr<Engine>> engine =
      Engine::Open({.storage = machine_.storage(),
                    .runtime = machine_.runtime(),
                    .fence = fence_,
                    .meta = machine_.meta().Open(),
                    .epoch = ++epoch_,
                    .node = "sim",
                    .request_buffers = 8,
                    .request_bytes = 2 * kBlock,
                    .copy_buffers = 2,
                    .copy_bytes = 2 * kBlock,
                    .log_shape = kLog,
                    .write_log_shape = {.segments = has_write_log_ ? kLogSegments : 0,
                                        .segment_blocks = segment_blocks_},
                    .on_fault = [this](const absl::Status&) {
                      faulted_ = true;
                      storage_failed_ = !machine_.steps().crashed();
                    }});
  if (engine.ok()) {
    engine_ = *std::move(engine);
    for (const std::unique_ptr<Clone>& clone : clones_) CheckClone(*clone);
    CheckTimes();
    return true;
  }
  if (!machine_.steps().crashed()) Violate("open failed: " + engine.status().ToString());
  return false;
}

void World::CloseEngine() { engine_.reset(); }

bool World::Alive() {
  return !machine_.steps().crashed() && !faulted_ && outcome_.violation.empty();
}

void World::Violate(const std::string& what) {
  if (outcome_.violation.empty()) outcome_.violation = fmt::format("seed {}: {}", seed_, what);
}

void World::Life(bool is_last) {
  if (has_faults_ && random_.OneIn(3)) InjectReadFault();
  if (!OpenEngine()) return;
  machine_.steps().ClearFaults();
  PollProgress();
  {
    std::vector<std::unique_ptr<Thread>> hosts;
    for (int i = 0; i < kHosts; ++i) {
      hosts.push_back(machine_.runtime().StartThread(fmt::format("host-{}", i),
                                                     [this] { Host(random_.Between(10, 40)); }));
    }
    for (uint64_t i = random_.Between(8, 24); i > 0 && Alive(); --i) Command();
  }
  if (is_last) {
    machine_.steps().ClearFaults();
    FinishClones();
  }
  CloseEngine();
}

// ---- commands -----------------------------------------------------------------------------------

void World::Command() {
  machine_.runtime().SleepFor(absl::Milliseconds(random_.Below(3)));
  PollProgress();
  if (has_faults_ && random_.OneIn(6)) InjectFault();
  if (clones_.empty()) return MakeClones();
  Clone& clone = *clones_[random_.Below(clones_.size())];
  const absl::StatusOr<CloneStatus> status = engine_->ShowClone(clone.id);
  if (!status.ok()) return;
  if (status->state() == "created") {
    clone.target->hosts_may_use = false;
    (void)engine_->ActivateClones({clone.id});
  } else if (status->state() == "activated") {
    std::vector<Clone*> group;
    for (const std::unique_ptr<Clone>& other : clones_) {
      const bool is_ready = engine_->ShowClone(other->id)->state() == "activated";
      if (is_ready) group.push_back(other.get());
    }
    StartClones(group);
  } else if (status->state() == "copying" && random_.OneIn(3)) {
    (void)engine_->PauseClone(clone.id);
  } else if (status->state() == "paused" && random_.OneIn(2)) {
    (void)engine_->ResumeClone(clone.id);
  } else if (clone.is_live && random_.OneIn(12)) {
    clone.is_over = true;
    if (has_faults_ && random_.OneIn(2)) InjectWriteFault(*clone.target);
    (void)engine_->StopClone(clone.id);  // hosts use the target meanwhile
    clone.target->hosts_may_use = false;
  } else if (random_.OneIn(3)) {
    (void)engine_->SetCloneRate(clone.id, random_.Below(2) * 100'000'000);
  }
}

void World::MakeClones() {
  const uint64_t extent_bytes = kBlock << random_.Below(3);
  for (uint64_t i = 0; i < random_.Between(1, 2); ++i) {
    auto clone = std::make_unique<Clone>();
    clone->source = volumes_[random_.Below(2)].get();
    clone->target = volumes_[2 + i].get();
    clone->extent_bytes = extent_bytes;
    clone->may_be_copied.assign((size_bytes_ + extent_bytes - 1) / extent_bytes, true);
    const absl::StatusOr<uint64_t> id =
        engine_->CreateClone({.source = clone->source->name,
                              .target = clone->target->name,
                              .extent_bytes = extent_bytes,
                              .on_error = random_.OneIn(3) ? FAIL_WRITE : FAIL_CLONE});
    if (!id.ok()) return;
    clone->id = *id;
    clones_.push_back(std::move(clone));
  }
}

void World::StartClones(const std::vector<Clone*>& clones) {
  std::vector<uint64_t> ids;
  std::map<Volume*, model::VolumeModel::T0> t0;
  for (Clone* clone : clones) {
    ids.push_back(clone->id);
    if (t0.try_emplace(clone->source).second) clone->source->model.BeginT0();
    clone->starting.emplace();
  }
  for (Clone* clone : clones) clone->target->touched = true;
  const absl::Status status = engine_->StartClones(ids);
  for (auto& [source, content] : t0) content = source->model.EndT0();
  for (Clone* clone : clones) {
    clone->starting = t0[clone->source];
    if (!status.ok()) continue;
    clone->target->model.Adopt(*clone->starting);
    clone->starting.reset();
    clone->is_live = true;
    clone->target->hosts_may_use = true;
  }
}

void World::PollProgress() {
  for (const std::unique_ptr<Clone>& clone : clones_) {
    const absl::StatusOr<CloneStatus> status = engine_->ShowClone(clone->id);
    if (!status.ok() || !clone->is_live || clone->is_over) continue;
    if (status->state() == "failed") clone->is_over = true;
    if (absl::StrContains(status->error(), "a sync failed")) {
      Violate(fmt::format("clone {} failed because this node's storage did: {}", clone->id,
                          status->error()));
    }
    if (status->state() != "copying" && status->state() != "paused") continue;
    if (status->extents_copied() < clone->copied) {
      Violate(fmt::format("clone {} went back from {} to {} extents copied", clone->id,
                          clone->copied, status->extents_copied()));
    }
    clone->copied = status->extents_copied();
  }
}

void World::InjectFault() {
  if (random_.OneIn(4)) return InjectSyncFault();
  InjectWriteFault(*volumes_[2 + random_.Below(2)]);
}

void World::InjectWriteFault(const Volume& target) {
  const std::string path = Path(target.name);
  machine_.steps().Inject(
      {.matches = sim::Matching(sim::OperationKind::kWrite, path),
       .skip = random_.Below(4),
       // The other one is tried again for longer than hosts and commands of a life take.
       .status = random_.OneIn(6) ? absl::DataLossError("input/output error")
                                  : absl::ResourceExhaustedError("no space is left"),
       .sticky = random_.OneIn(2)});
}

// For a recovery: one entry of the intent log, slot or data, or a target cannot be read.
void World::InjectReadFault() {
  const bool of_ring = random_.OneIn(2);
  const std::string path = of_ring ? "intents" : Path(volumes_[2 + random_.Below(2)]->name);
  const uint64_t begin = of_ring ? kLog.OffsetOf(random_.Below(kLog.entries)) : 0;
  const uint64_t end = of_ring ? begin + kLog.entry_bytes() : size_bytes_;
  machine_.steps().Inject({.matches =
                               [=](const sim::Operation& operation) {
                                 return operation.kind == sim::OperationKind::kRead &&
                                        operation.path == path && begin <= operation.offset &&
                                        operation.offset < end;
                               },
                           .skip = random_.Below(2),
                           .status = absl::DataLossError("input/output error"),
                           .sticky = random_.OneIn(2)});
}

void World::InjectSyncFault() {
  const std::string path = Path(volumes_[random_.Below(volumes_.size())]->name);
  machine_.steps().Inject({.matches = sim::Matching(sim::OperationKind::kSync, path),
                           .skip = random_.Below(4),
                           .status = absl::DataLossError("input/output error")});
}

// ---- hosts --------------------------------------------------------------------------------------

void World::Host(uint64_t operations) {
  for (; operations > 0 && Alive(); --operations) {
    machine_.runtime().SleepFor(absl::Microseconds(random_.Below(800)));
    Volume& volume = *volumes_[random_.Below(volumes_.size())];
    if (!Alive() || !volume.hosts_may_use) continue;
    absl::StatusOr<std::unique_ptr<VolumeIo>> io = engine_->OpenVolume(volume.id);
    if (io.ok()) HostOperation(volume, **io);
  }
}

void World::HostOperation(Volume& volume, VolumeIo& io) {
  const bool is_target = &volume == volumes_[2].get() || &volume == volumes_[3].get();
  const bool may_change = !is_target || hosts_write_targets_;
  switch (random_.Below(8)) {
    case 0: {
      const uint64_t begin = volume.model.BeginFlush();
      if (io.Flush().ok()) volume.model.AcknowledgeFlush(begin);
      return;
    }
    case 1:
    case 2:
      return HostRead(volume, io);
    case 3:
      if (may_change) {
        const uint64_t offset = Cell(size_bytes_) * model::kCellBytes;
        const uint64_t length =
            (1 + Cell(std::min(2 * kBlock, size_bytes_ - offset))) * model::kCellBytes;
        const model::VolumeModel::Write write =
            volume.model.BeginDiscard(offset, std::min(length, size_bytes_ - offset));
        volume.touched = true;
        if (io.Discard(offset, std::min(length, size_bytes_ - offset)).ok()) {
          volume.model.Acknowledge(write);
        }
      }
      return;
    default:
      if (may_change) HostWrite(volume, io);
  }
}

void World::HostWrite(Volume& volume, VolumeIo& io) {
  const bool whole_blocks = random_.OneIn(3);
  const uint64_t unit = whole_blocks ? kBlock : model::kCellBytes;
  const uint64_t offset = random_.Below(size_bytes_ / unit) * unit;
  const uint64_t most = std::min(3 * kBlock, size_bytes_ - offset) / unit;
  const uint64_t length = (1 + random_.Below(most)) * unit;
  const model::VolumeModel::Write write = volume.model.BeginWrite(offset, length);
  const HostMemory memory(length, random_.OneIn(2));
  const MutableBytes data = memory.bytes();
  model::FillCells(write.stamp, offset / model::kCellBytes, data);
  volume.touched = true;
  if (io.Write(offset, data).ok()) volume.model.Acknowledge(write);
}

void World::HostRead(Volume& volume, VolumeIo& io) {
  const uint64_t offset = Cell(size_bytes_) * model::kCellBytes;
  const HostMemory memory(
      (1 + Cell(std::min(4 * kBlock, size_bytes_ - offset))) * model::kCellBytes, random_.OneIn(2));
  const MutableBytes data = memory.bytes();
  const uint64_t begin = volume.model.BeginRead();
  if (const absl::Status status = io.Read(offset, data); !status.ok()) {
    volume.model.FailRead(begin);
    if (absl::IsAborted(status) || absl::IsFailedPrecondition(status) || faulted_) return;
    return Violate(fmt::format("read of {}: {}", volume.name, status.ToString()));
  }
  const std::string wrong = volume.model.CheckRead(begin, offset, data);
  if (!wrong.empty()) Violate(fmt::format("read of {}: {}", volume.name, wrong));
}

// ---- checks -------------------------------------------------------------------------------------

// Who compares times must never take a changed volume for unchanged.
void World::CheckTimes() {
  for (const VolumeInfo& info : engine_->ListVolumes()) {
    for (const std::unique_ptr<Volume>& volume : volumes_) {
      if (volume->name != info.name) continue;
      if (volume->touched && info.changed_unix_us <= volume->looked_unix_us) {
        Violate(fmt::format("{} was changed, its time was not", info.name));
      }
      volume->looked_unix_us = info.changed_unix_us;
      volume->touched = false;
    }
  }
}

void World::CheckRecovered(bool lost_cache) {
  if (!OpenEngine()) return;
  for (const std::unique_ptr<Volume>& volume : volumes_) {
    if (volume->hosts_may_use) CheckContent(*volume, lost_cache);
  }
  CloseEngine();
}

void World::CheckClone(Clone& clone) {
  const absl::StatusOr<CloneStatus> status = engine_->ShowClone(clone.id);
  if (!status.ok()) return Violate("a clone was lost: " + status.status().ToString());
  const std::string& state = status->state();
  const bool is_running = state == "copying" || state == "paused" || state == "completed";
  if (is_running && clone.starting.has_value()) {
    clone.target->model.Adopt(*clone.starting);
    clone.is_live = true;
    clone.target->hosts_may_use = true;
  }
  clone.starting.reset();
  if (is_running) {
    clone.is_over = false;  // a stop that did not come through
    clone.target->hosts_may_use = true;
    if (status->extents_copied() < clone.copied) {
      Violate(fmt::format("clone {} lost progress: {} extents copied, {} before", clone.id,
                          status->extents_copied(), clone.copied));
    }
    clone.copied = status->extents_copied();
  } else if (clone.is_live && !clone.is_over && state != "failed") {
    Violate(fmt::format("clone {} was started and is {}", clone.id, state));
  } else if (state != "created") {
    CheckOffline(clone);
  }
  const absl::StatusOr<Residual> residual = engine_->CloneResidual(clone.id, true);
  std::fill(clone.may_be_copied.begin(), clone.may_be_copied.end(), false);
  for (const auto* runs : {&residual->pending(), &residual->copying()}) {
    for (const ExtentRun& run : *runs) {
      std::fill_n(clone.may_be_copied.begin() + run.first(), run.count(), true);
    }
  }
}

void World::CheckContent(Volume& volume, bool lost_cache) {
  std::unique_ptr<VolumeIo> io = *engine_->OpenVolume(volume.id);
  const HostMemory memory(size_bytes_, true);
  const MutableBytes content = memory.bytes();
  absl::Status status = io->Flush();
  if (status.ok()) status = io->Read(0, content);
  if (absl::IsAborted(status) || absl::IsFailedPrecondition(status)) return;  // failed meanwhile
  if (!status.ok()) return Violate(volume.name + " cannot be read: " + status.ToString());
  const std::string wrong = volume.model.CheckRecovered(content, lost_cache);
  if (!wrong.empty()) Violate(fmt::format("{} after recovery: {}", volume.name, wrong));
}

void World::CheckOffline(const Clone& clone) {
  clone.target->hosts_may_use = false;
  std::unique_ptr<VolumeIo> io = *engine_->OpenVolume(clone.target->id);
  const HostMemory block(kBlock, true);
  if (io->Read(0, block.bytes()).ok()) {
    Violate(fmt::format("the target of clone {} can be read and is no T0 image", clone.id));
  }
}

void World::FinishClones() {
  for (const std::unique_ptr<Clone>& clone : clones_) {
    if (!Alive()) return;
    (void)engine_->SetCloneRate(clone->id, 0);
    if (engine_->ShowClone(clone->id)->state() == "paused") (void)engine_->ResumeClone(clone->id);
    for (int i = 0; i < 100'000 && engine_->ShowClone(clone->id)->state() == "copying"; ++i) {
      machine_.runtime().SleepFor(absl::Milliseconds(1));
    }
    const CloneStatus status = *engine_->ShowClone(clone->id);
    if (status.state() == "copying") Violate("a clone does not end: " + status.ShortDebugString());
    if (status.state() == "completed") CheckCompleted(*clone);
  }
  for (const std::unique_ptr<Volume>& volume : volumes_) {
    if (volume->hosts_may_use && Alive()) CheckContent(*volume, false);
  }
}

void World::CheckCompleted(const Clone& clone) {
  ++outcome_.completed;
  const CloneStatus status = *engine_->ShowClone(clone.id);
  if (status.extents_copied() != status.extents_total() || status.certificate().empty()) {
    Violate(fmt::format("clone {} is completed with {} of {} extents", clone.id,
                        status.extents_copied(), status.extents_total()));
  }
  if (hosts_write_targets_) return;
  const absl::StatusOr<VerifyReport> report = engine_->VerifyClone(clone.id, nullptr);
  if (!report.ok()) return Violate("verify failed: " + report.status().ToString());
  if (report->extents_differing() > 0 || report->certificate_now() != status.certificate()) {
    Violate(fmt::format("clone {}: verify says that {} extents differ", clone.id,
                        report->extents_differing()));
  }
}

// In this life nothing is copied that was recorded as copied when it began. (Where hosts write to
// targets their writes look the same.)
void World::ObserveCopies(const sim::Operation& operation) {
  if (operation.kind != sim::OperationKind::kWrite || hosts_write_targets_) return;
  for (const std::unique_ptr<Clone>& clone : clones_) {
    if (!clone->is_live || operation.path != Path(clone->target->name)) continue;
    const uint64_t extent = operation.offset / clone->extent_bytes;
    if (!clone->may_be_copied[extent]) {
      Violate(fmt::format("clone {}: extent {} was copied again", clone->id, extent));
    }
  }
}

}  // namespace baton::crash
