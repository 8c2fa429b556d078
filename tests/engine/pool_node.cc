#include "tests/engine/pool_node.h"

#include <absl/time/clock.h>

#include <algorithm>

#include "engine/clone/state.h"
#include "engine/lease/lease_file.h"
#include "engine/lease/reserve.h"
#include "engine/meta/epoch_directory.h"

namespace baton {
namespace {

// Tests share machines: no lease is to run out because a disk was busy.
LeaseTimes PatientTimes() {
  return {.renew = absl::Milliseconds(500),
          .stop = absl::Seconds(60),
          .valid = absl::Seconds(70),
          .takeover = absl::Seconds(80),
          .poll = absl::Milliseconds(100)};
}

}  // namespace

PoolNode::PoolNode(const std::string& directory, const std::string& name)
    : directory_(directory),
      name_(name),
      storage_(Must(PosixStorage::Open(directory))),
      lock_(std::make_unique<NodeLock>(Must(NodeLock::Take(storage_->directory(), name)))) {}

void PoolNode::Own() {
  Own(Must(AwaitOwnerGone({.storage = *storage_,
                           .runtime = runtime_,
                           .identity = IdentityOf(name_),
                           .holds_node_lock = true,
                           .times = PatientTimes()})));
}

void PoolNode::Own(const OwnerGone& gone) {
  view_.reset();
  claimed_ =
      Must(ClaimNextEpoch({.storage = *storage_,
                           .runtime = runtime_,
                           .identity = IdentityOf(name_),
                           .times = PatientTimes(),
                           .kill_timer = std::make_unique<RecordingKillTimer>(kill_time_),
                           .on_lost = [](const absl::Status& lost) { ADD_FAILURE() << lost; }},
                          gone));
  claimed_.known_sequence =
      std::max(claimed_.known_sequence, Must(Engine::KnownMetaSequence(*storage_, runtime_)));
  std::unique_ptr<MetaStore> store =
      Must(OpenClaimedStore(*storage_, storage_->directory(), claimed_));
  engine_ = Must(Engine::Open({.storage = *storage_,
                               .runtime = runtime_,
                               .fence = *claimed_.lease,
                               .meta = std::move(store),
                               .epoch = claimed_.epoch,
                               .durability = DURABILITY_NODE,
                               .node = name_,
                               .hold_copiers = true,
                               .write_log_shape = {.segments = 0},
                               .on_fault = [](const absl::Status& why) { ADD_FAILURE() << why; }}));
  EXPECT_OK(FillReserve(*storage_));
}

std::vector<Residual> PoolNode::Found() {
  std::vector<Residual> found;
  for (const CloneStatus& clone : engine_->ListClones()) {
    if (!IsRunning(StateOf(clone))) continue;
    found.push_back(Must(engine_->CloneResidual(clone.id(), false)));
  }
  return found;
}

std::vector<Residual> PoolNode::GiveUp() {
  std::vector<Residual> said = Must(engine_->Seal());
  engine_.reset();
  EXPECT_OK(claimed_.lease->Release());
  claimed_.lease.reset();
  Follow();
  return said;
}

void PoolNode::Follow() {
  view_ = Must(StandbyView::Open(
      {.storage = *storage_, .pool_directory = storage_->directory(), .runtime = runtime_}));
}

OwnerGone PoolNode::gone() const {
  const std::optional<LeaseRecord> record = Must(ReadNewestLease(*storage_));
  EXPECT_TRUE(record->released);
  return {
      .epoch = record->epoch, .meta_sequence = record->meta_sequence, .proof = Proof::kHandover};
}

std::unique_ptr<VolumeIo> PoolNode::OpenByName(const std::string& name) {
  return Must(engine_->OpenVolume(Must(engine_->ShowVolume(name)).id()));
}

std::vector<std::byte> PoolNode::Content(const std::string& name) {
  const std::unique_ptr<VolumeIo> io = OpenByName(name);
  std::vector<std::byte> content(io->size_bytes());
  EXPECT_OK(io->Read(0, content));
  return content;
}

void AwaitLanded(Engine& engine) {
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  for (const CloneStatus& clone : engine.ListClones()) {
    while (Must(engine.ShowClone(clone.id())).extents_landing() > 0 && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
}

void ExpectSameView(PoolNode& owner, PoolNode& standby) {
  AwaitLanded(owner.engine());
  // An event tells the number of the newest write.
  EXPECT_OK(owner.engine().RecordEvent([] {
    Event event;
    event.set_kind("quiet");
    return event;
  }()));
  const std::vector<Event> events = Must(owner.engine().ListEvents(0, 10'000));
  Engine& truth = owner.engine();
  StandbyView& view = standby.view();
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  const auto has_seen_all = [&] {
    const std::vector<Event> seen = Must(view.ListEvents(0, 10'000));
    return view.epoch() == owner.epoch() && seen.size() == events.size();
  };
  while (!has_seen_all() && absl::Now() < deadline) {
    EXPECT_OK(view.Poll());
    view.NoteOwner(owner.epoch(), ~uint64_t{0});  // opened again if it stays behind
    absl::SleepFor(absl::Milliseconds(1));
  }
  ASSERT_TRUE(has_seen_all());
  const std::vector<Event> seen = Must(view.ListEvents(0, 10'000));
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(seen[i].DebugString(), events[i].DebugString());
  }
  const std::vector<VolumeInfo> volumes = truth.ListVolumes();
  ASSERT_EQ(view.ListVolumes().size(), volumes.size());
  for (const VolumeInfo& volume : volumes) {
    VolumeStatus expected = Must(truth.ShowVolume(volume.name));
    expected.clear_changed_unix_us();  // only the owner knows, until it seals
    EXPECT_EQ(Must(view.ShowVolume(volume.name)).DebugString(), expected.DebugString());
  }
  const std::vector<CloneStatus> clones = truth.ListClones();
  const std::vector<CloneStatus> listed = view.ListClones();
  ASSERT_EQ(listed.size(), clones.size());
  for (size_t i = 0; i < clones.size(); ++i) {
    EXPECT_EQ(listed[i].DebugString(), clones[i].DebugString());
    EXPECT_EQ(Must(view.ShowClone(clones[i].id())).DebugString(), clones[i].DebugString());
    Residual shown = Must(view.CloneResidual(clones[i].id(), true));
    const Residual residual = Must(truth.CloneResidual(clones[i].id(), true));
    EXPECT_EQ(shown.DebugString(), residual.DebugString());
  }
}

}  // namespace baton
