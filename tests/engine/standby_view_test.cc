// What a standby sees of a pool that another node owns, and what it answers.
#include "engine/standby_view.h"

#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "engine/clone/intent_log.h"
#include "engine/clone/intent_slot.h"
#include "engine/meta/pool_file.h"
#include "tests/engine/engine_pool.h"
#include "tests/engine/pool_node.h"

namespace baton {
namespace {

using testing::HasSubstr;

// The engine is that of another process, for all that the view can tell.
class View : public EngineTest {
 protected:
  View() : EngineTest(MemoryDirectory()) {
    MakeVolume("src");
    MakeVolume("dst");
    Fill("src", 1);
    OpenView();
  }
  void OpenView() {
    view_ = Must(StandbyView::Open({.storage = pool_.storage(),
                                    .pool_directory = pool_.storage().directory(),
                                    .runtime = pool_.runtime()}));
  }
  std::string StateSeen(uint64_t id) { return Must(view_->ShowClone(id)).state(); }
  static std::string Runs(const google::protobuf::RepeatedPtrField<ExtentRun>& runs) {
    std::string text;
    for (const ExtentRun& run : runs) text += fmt::format("{}+{} ", run.first(), run.count());
    return text;
  }
  // Every file below meta/, with its size and time of change.
  std::map<std::string, std::string> MetaFiles() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(pool_.Path("meta"))) {
      if (!entry.is_regular_file()) continue;
      files[entry.path()] = fmt::format("{} {}", entry.file_size(),
                                        entry.last_write_time().time_since_epoch().count());
    }
    return files;
  }

  std::unique_ptr<StandbyView> view_;
};

TEST_F(View, APoolWithoutMetadataIsAnEmptyView) {
  const TemporaryDirectory directory(MemoryDirectory());
  const std::unique_ptr<PosixStorage> storage = Must(PosixStorage::Open(directory.path()));
  ASSERT_OK(InitPool(*storage, DURABILITY_NODE, pool_.runtime()));
  const std::unique_ptr<StandbyView> view = Must(StandbyView::Open(
      {.storage = *storage, .pool_directory = storage->directory(), .runtime = pool_.runtime()}));
  EXPECT_EQ(view->epoch(), 0u);
  EXPECT_TRUE(view->ListVolumes().empty());
  EXPECT_TRUE(view->ListClones().empty());
  EXPECT_TRUE(Must(view->ListEvents(0, 10)).empty());
  EXPECT_CODE(view->ShowVolume("src"), kNotFound);
}

TEST_F(View, WhatTheOwnerChangesIsSeenAtTheNextPoll) {
  MakeVolume("new");
  EXPECT_CODE(view_->ShowVolume("new"), kNotFound);
  const uint64_t id = Activate("src", "dst", kCrawl);
  ASSERT_OK(view_->Poll());
  EXPECT_EQ(Must(view_->ShowVolume("new")).size_bytes(), kSize);
  EXPECT_EQ(StateSeen(id), "activated");
  EXPECT_TRUE(Must(view_->ShowVolume("dst")).offline());
  EXPECT_OK(pool_->StartClones({id}));
  ASSERT_OK(view_->Poll());
  EXPECT_EQ(StateSeen(id), "copying");
  EXPECT_FALSE(Must(view_->ShowVolume("dst")).offline());
  EXPECT_EQ(Must(view_->FindClone("dst")), id);
  EXPECT_EQ(Must(view_->FindClone(std::to_string(id))), id);
  EXPECT_OK(pool_->StopClone(id));
  EXPECT_OK(pool_->DeleteClone(id));
  EXPECT_OK(pool_->DeleteVolume("new"));
  ASSERT_OK(view_->Poll());
  EXPECT_CODE(view_->ShowClone(id), kNotFound);
  EXPECT_CODE(view_->FindClone("dst"), kNotFound);
  EXPECT_CODE(view_->ShowVolume("new"), kNotFound);
}

TEST_F(View, NoCommandChangesARecordWithoutAnEvent) {
  const uint64_t id = Create("src", "dst", kCrawl);
  const std::vector<std::function<absl::Status()>> commands = {
      [&] { return pool_->ActivateClones({id}); },
      [&] { return pool_->StartClones({id}); },
      [&] { return pool_->PauseClone(id); },
      [&] { return pool_->ResumeClone(id); },
      [&] { return pool_->SetCloneRate(id, 2); },
      [&] { return pool_->StopClone(id); },
      [&] { return pool_->DeleteClone(id); },
      [&] { return StatusOf(pool_->CreateVolume({.name = "new", .size_bytes = kSize})); },
      [&] { return pool_->DeleteVolume("new"); },
  };
  size_t before = Must(pool_->ListEvents(0, 1000)).size();
  for (const auto& command : commands) {
    ASSERT_OK(command());
    const size_t after = Must(pool_->ListEvents(0, 1000)).size();
    EXPECT_GT(after, before);
    before = after;
  }
}

TEST_F(View, TheResidualIsPendingAndWhatAlreadyHasASlot) {
  const uint64_t id = Start("src", "dst", kCrawl);
  const uint64_t run_id = 5;  // volumes 2 and 3, relation 4
  Write("src", 8 * kExtent, Pattern(4 * kExtent, 2));
  EXPECT_OK(pool_->PauseClone(id));
  AwaitLanded(pool_.engine());
  // A slot whose bit is not in the metadata, and one of another run.
  const std::string path = pool_.Path("intents");
  for (const auto& [index, run] : {std::pair{0, run_id}, std::pair{1, run_id + 1}}) {
    IntentSlot slot{.epoch = 1,
                    .run_id = run,
                    .sequence = 1000,
                    .meta_sequence = 1,
                    .span = {index == 0 ? 20u : 30u, 3},
                    .digests = {}};
    std::vector<std::byte> block(limits::kBlockBytes);
    EncodeSlot(slot, block);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(index * static_cast<std::streamoff>(limits::kBlockBytes));
    file.write(reinterpret_cast<const char*>(block.data()),
               static_cast<std::streamsize>(block.size()));
  }
  ASSERT_OK(view_->Poll());
  const uint64_t copied = Must(pool_->ShowClone(id)).extents_copied();
  const Residual residual = Must(view_->CloneResidual(id, true));
  EXPECT_EQ(residual.extents_landing(), 3u);
  EXPECT_EQ(residual.extents_pending(), kExtents - copied - 3);
  EXPECT_EQ(residual.extents_copying(), 0u);
  EXPECT_EQ(residual.extents_residual(), kExtents - copied);
  EXPECT_EQ(residual.bytes_residual(), (kExtents - copied) * kExtent);
  EXPECT_EQ(residual.sequence(), view_->sequence());
  EXPECT_EQ(Runs(residual.landing()), "20+3 ");
  EXPECT_THAT(Runs(residual.pending()), HasSubstr("23+41 "));
  EXPECT_EQ(Must(view_->ShowClone(id)).extents_landing(), 3u);
}

TEST_F(View, AGarbledSlotIsAnErrorOfTheResidualAlone) {
  const uint64_t id = Start("src", "dst", kCrawl);
  std::fstream file(pool_.Path("intents"), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(LogShape{}.OffsetOf(3)));
  file.write("garbled", 7);
  file.close();
  ASSERT_OK(view_->Poll());
  EXPECT_CODE(view_->CloneResidual(id, false), kDataLoss);
  EXPECT_EQ(view_->ListClones().size(), 1u);
}

TEST_F(View, NothingIsWrittenToThePool) {
  Start("src", "dst", kCrawl);
  pool_.Close();
  const std::map<std::string, std::string> before = MetaFiles();
  OpenView();
  for (int i = 0; i < 5; ++i) ASSERT_OK(view_->Poll());
  EXPECT_EQ(view_->ListClones().size(), 1u);
  view_.reset();
  EXPECT_EQ(MetaFiles(), before);
}

TEST_F(View, ASealedEpochIsStillShownAndTheNextOneIsFollowed) {
  const uint64_t id = Start("src", "dst", kCrawl);
  ASSERT_OK(view_->Poll());
  EXPECT_EQ(view_->epoch(), 1u);
  pool_.Close();
  std::filesystem::rename(pool_.Path("meta/epoch-1"), pool_.Path("meta/epoch-1.sealed"));
  ASSERT_OK(view_->Poll());
  EXPECT_EQ(view_->epoch(), 1u);
  EXPECT_EQ(StateSeen(id), "copying");
  ASSERT_OK(pool_.Open());
  MakeVolume("new");
  ASSERT_OK(view_->Poll());
  EXPECT_EQ(view_->epoch(), 2u);
  EXPECT_EQ(Must(view_->ShowVolume("new")).size_bytes(), kSize);
}

TEST_F(View, AnErrorLeavesWhatWasShownAndIsTold) {
  const uint64_t id = Start("src", "dst", kCrawl);
  ASSERT_OK(view_->Poll());
  pool_.Close();
  std::filesystem::rename(pool_.Path("meta"), pool_.Path("elsewhere"));
  EXPECT_FALSE(view_->Poll().ok());
  absl::SleepFor(absl::Milliseconds(20));
  const ViewLag lag = view_->Lag();
  EXPECT_FALSE(lag.last_poll.ok());
  EXPECT_GE(lag.age, absl::Milliseconds(20));
  EXPECT_EQ(view_->ListClones().size(), 1u);
  EXPECT_EQ(Must(view_->FindClone("dst")), id);
  std::filesystem::rename(pool_.Path("elsewhere"), pool_.Path("meta"));
  EXPECT_OK(view_->Poll());
  EXPECT_OK(view_->Lag().last_poll);
}

TEST_F(View, TheLagIsCountedAgainstWhatTheOwnerSays) {
  ASSERT_OK(view_->Poll());
  EXPECT_EQ(view_->Lag().sequences, 0u);
  view_->NoteOwner(1, view_->sequence() + 7);
  view_->NoteOwner(1, view_->sequence() + 5);  // an older message
  EXPECT_EQ(view_->Lag().sequences, 7u);
  EXPECT_EQ(view_->Lag().owner_sequence, view_->sequence() + 7);
}

TEST_F(View, AViewThatStaysBehindIsOpenedAgain) {
  ASSERT_OK(view_->Poll());
  EXPECT_EQ(view_->Lag().reopened, 0u);
  view_->NoteOwner(1, view_->sequence() + 1'000'000);
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (view_->Lag().reopened == 0 && absl::Now() < deadline) {
    ASSERT_OK(view_->Poll());
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_GE(view_->Lag().reopened, 1u);
}

TEST_F(View, EventsAreListedAsOnTheOwner) {
  const uint64_t id = Start("src", "dst", kCrawl);
  EXPECT_OK(pool_->PauseClone(id));
  ASSERT_OK(view_->Poll());
  const std::vector<Event> all = Must(pool_->ListEvents(0, 100));
  const std::vector<Event> seen = Must(view_->ListEvents(0, 100));
  ASSERT_EQ(seen.size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(seen[i].DebugString(), all[i].DebugString());
  EXPECT_EQ(Must(view_->ListEvents(2, 1)).front().sequence(), 3u);
}

// ---- warm clones ----

TEST_F(View, AnActivatedCloneIsRegisteredWarmAndFollowed) {
  const uint64_t id = Activate("src", "dst", kCrawl);
  EXPECT_TRUE(view_->ListWarm().empty());
  ASSERT_OK(view_->RegisterClone(id));
  ASSERT_OK(view_->RegisterClone(id));
  ASSERT_EQ(view_->ListWarm().size(), 1u);
  EXPECT_TRUE(view_->ListWarm()[0].registered);
  EXPECT_EQ(view_->ListWarm()[0].extents_copied, 0u);
  EXPECT_EQ(view_->ListWarm()[0].extents_total, kExtents);
  EXPECT_OK(pool_->StartClones({id}));
  Write("src", 8 * kExtent, Pattern(4 * kExtent, 2));
  EXPECT_OK(pool_->PauseClone(id));
  AwaitLanded(pool_.engine());
  ASSERT_OK(view_->Poll());
  const WarmStatus warm = view_->ListWarm()[0];
  EXPECT_EQ(warm.extents_copied, Must(pool_->ShowClone(id)).extents_copied());
  EXPECT_GE(warm.extents_copied, 4u);
  EXPECT_EQ(warm.sequence, view_->sequence());
}

TEST_F(View, WhatIsNotActiveCannotBeRegistered) {
  const uint64_t id = Create("src", "dst");
  EXPECT_CODE(view_->RegisterClone(id), kFailedPrecondition);
  EXPECT_CODE(view_->RegisterClone(id + 100), kNotFound);
}

TEST_F(View, ADroppedCloneIsNotRegisteredUntilItIsAgain) {
  const uint64_t id = Start("src", "dst", kCrawl);
  ASSERT_OK(view_->Poll());
  EXPECT_TRUE(view_->ListWarm().at(0).registered);
  view_->DropClone(id);
  view_->DropClone(id + 100);
  ASSERT_OK(view_->Poll());
  EXPECT_FALSE(view_->ListWarm().at(0).registered);
  EXPECT_EQ(StateSeen(id), "copying");
  ASSERT_OK(view_->RegisterClone(id));
  EXPECT_TRUE(view_->ListWarm().at(0).registered);
}

TEST_F(View, ACloneThatEndsIsNotWarmAnyMore) {
  const uint64_t id = Start("src", "dst");
  AwaitState(id, "completed");
  ASSERT_OK(view_->Poll());
  EXPECT_TRUE(view_->ListWarm().empty());
  EXPECT_EQ(Must(view_->ShowClone(id)).DebugString(), Must(pool_->ShowClone(id)).DebugString());
}

TEST_F(View, AStandbyThatRejoinsIsWarmAtOnce) {
  const uint64_t id = Start("src", "dst", kCrawl);
  Write("src", 8 * kExtent, Pattern(4 * kExtent, 2));
  EXPECT_OK(pool_->PauseClone(id));
  AwaitLanded(pool_.engine());
  OpenView();
  ASSERT_EQ(view_->ListWarm().size(), 1u);
  EXPECT_TRUE(view_->ListWarm()[0].registered);
  EXPECT_GE(view_->ListWarm()[0].extents_copied, 4u);
}

// ---- prepare ----

TEST_F(View, VolumesOfOneSizeThatCanBeReadArePrepared) {
  EXPECT_OK(view_->CheckPrepare("src", "dst", kSize));
  EXPECT_OK(view_->CheckPrepare("src", "dst", 0));
}

TEST_F(View, AVolumeThatTheViewDoesNotShowYetIsPreparedByItsFile) {
  MakeVolume("new");
  EXPECT_CODE(view_->ShowVolume("new"), kNotFound);
  EXPECT_OK(view_->CheckPrepare("src", "new", kSize));
}

TEST_F(View, VolumesOfDifferentSizesAreNotPrepared) {
  MakeVolume("larger", 2 * kSize);
  EXPECT_CODE(view_->CheckPrepare("src", "larger", kSize), kInvalidArgument);
  const absl::Status other_size = view_->CheckPrepare("src", "dst", 2 * kSize);
  EXPECT_CODE(other_size, kFailedPrecondition);
  EXPECT_THAT(std::string(other_size.message()), HasSubstr("volumes/src has 262144 bytes"));
}

TEST_F(View, AVolumeThatIsNotThereOrCannotBeOpenedIsNotPrepared) {
  EXPECT_CODE(view_->CheckPrepare("src", "nowhere", kSize), kNotFound);
  EXPECT_CODE(view_->CheckPrepare("../src", "dst", kSize), kInvalidArgument);
  std::filesystem::rename(pool_.Path("volumes/dst"), pool_.Path("volumes/gone"));
  const absl::Status gone = view_->CheckPrepare("src", "dst", kSize);
  EXPECT_CODE(gone, kNotFound);
  EXPECT_THAT(std::string(gone.message()), HasSubstr("volumes/dst"));
  std::filesystem::rename(pool_.Path("volumes/gone"), pool_.Path("volumes/dst"));
}

}  // namespace
}  // namespace baton
