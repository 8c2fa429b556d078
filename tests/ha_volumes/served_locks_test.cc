// Locks of a peer at the owner: what is for another epoch changes nothing.
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ha/volumes/lock_codec.h"
#include "ha/volumes/served_volumes.h"
#include "tests/base/testing.h"

namespace baton::ha {
namespace {

FileLock Lock(uint64_t first) {
  return {.exclusive = true, .first = first, .last = first, .owner = 1, .handle = 2, .pid = 3};
}

// Keeps what it is told, and says that `other` is in the way if there is one.
class ToldLocks final : public LockServer {
 public:
  absl::StatusOr<std::optional<FileLock>> SetLocksOf(const LockTeller& teller, uint64_t id,
                                                     const FileLocks& locks) override {
    tellers.push_back(teller);
    told = {{.volume_id = id, .locks = locks}};
    return other;
  }
  absl::StatusOr<std::vector<VolumeLocks>> SetAllLocksOf(
      const LockTeller& teller, const std::vector<VolumeLocks>& all) override {
    tellers.push_back(teller);
    told = all;
    while_telling();
    return lost;
  }
  absl::StatusOr<std::optional<FileLock>> FindLockFor(const std::string& node, uint64_t,
                                                      const FileLock&) const override {
    EXPECT_EQ(node, "b");
    return other;
  }

  absl::Status DropLocksOf(const std::string& node) override {
    dropped.push_back(node);
    return absl::OkStatus();
  }

  std::function<void()> while_telling = [] {};
  std::vector<std::string> dropped;
  std::vector<LockTeller> tellers;
  std::vector<VolumeLocks> told;
  std::vector<VolumeLocks> lost;
  std::optional<FileLock> other;
};

class NoVolumes final : public VolumeDirectory {
 public:
  absl::StatusOr<std::vector<VolumeName>> List(uint64_t, size_t) const override {
    return std::vector<VolumeName>();
  }
  absl::StatusOr<VolumeEntry> Lookup(const std::string&) const override { return None(); }
  absl::StatusOr<VolumeEntry> Get(uint64_t) const override { return None(); }
  absl::StatusOr<std::shared_ptr<VolumeIo>> Open(uint64_t) override { return None(); }
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t, uint64_t) const override {
    return std::nullopt;
  }
  absl::StatusOr<Capacity> GetCapacity() const override { return Capacity(); }

 private:
  static absl::Status None() { return absl::NotFoundError("no volume"); }
};

class ServedLocks : public testing::Test {
 protected:
  static peer_api::Call Set(uint64_t epoch) {
    peer_api::Call call;
    call.mutable_locks()->set_epoch(epoch);
    call.mutable_locks()->set_order(5);
    call.mutable_locks()->set_boot_id("boot");
    call.mutable_locks()->set_volume_id(7);
    *call.mutable_locks()->add_locks() = RecordOf(Lock(1));
    return call;
  }

  NoVolumes volumes_;
  ToldLocks locks_;
  ServedVolumes served_{volumes_, locks_};
};

TEST_F(ServedLocks, AreThoseOfThePeer) {
  served_.Begin(3);
  EXPECT_FALSE(Must(served_.Answer("b", Set(3))).has_lock());
  ASSERT_EQ(locks_.tellers.size(), 1u);
  EXPECT_EQ(locks_.tellers[0].node, "b");
  EXPECT_EQ(locks_.tellers[0].boot_id, "boot");
  EXPECT_EQ(locks_.tellers[0].order, 5u);
  EXPECT_EQ(locks_.told.at(0).locks, FileLocks{Lock(1)});
  locks_.other = Lock(9);
  EXPECT_EQ(LockOf(Must(served_.Answer("b", Set(3))).lock()), Lock(9));
}

TEST_F(ServedLocks, OfAnotherEpochChangeNothing) {
  EXPECT_CODE(served_.Answer("b", Set(3)).status(), kAborted);
  served_.Begin(4);
  EXPECT_CODE(served_.Answer("b", Set(3)).status(), kAborted);
  peer_api::Call all;
  all.mutable_all_locks()->set_epoch(3);
  EXPECT_CODE(served_.Answer("b", all).status(), kAborted);
  EXPECT_TRUE(locks_.tellers.empty());
}

TEST_F(ServedLocks, OfANodeThatWasEvictedAreRefused) {
  served_.Begin(3);
  EvictionRecord eviction;
  eviction.set_id(9);
  eviction.set_node("b");
  peer_api::Call all;
  all.mutable_all_locks()->set_epoch(3);
  locks_.while_telling = [&] { EXPECT_OK(served_.Evict(eviction)); };
  EXPECT_CODE(served_.Answer("b", all).status(), kFailedPrecondition);
  EXPECT_EQ(locks_.dropped, std::vector<std::string>{"b"}) << "what came in beside the eviction";
  const size_t told = locks_.tellers.size();
  EXPECT_CODE(served_.Answer("b", Set(3)).status(), kFailedPrecondition);
  EXPECT_CODE(served_.Answer("b", all).status(), kFailedPrecondition);
  EXPECT_EQ(locks_.tellers.size(), told);
  EXPECT_FALSE(Must(served_.Answer("c", Set(3))).has_lock());
}

TEST_F(ServedLocks, AsAWholeSayWhatWasLost) {
  served_.Begin(3);
  locks_.lost = {{.volume_id = 8, .locks = {Lock(4), Lock(6)}}};
  peer_api::Call call;
  *call.mutable_all_locks() =
      Encode({{.volume_id = 7, .locks = {Lock(1)}}, {.volume_id = 8, .locks = {Lock(4), Lock(6)}}});
  call.mutable_all_locks()->set_epoch(3);
  const std::vector<VolumeLocks> lost = Decode(Must(served_.Answer("b", call)).lost_locks());
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].volume_id, 8u);
  EXPECT_EQ(lost[0].locks, (FileLocks{Lock(4), Lock(6)}));
  EXPECT_EQ(locks_.told.size(), 2u);
}

}  // namespace
}  // namespace baton::ha
