// What an owner answers to a peer that is evicted, and to the others.
#include <gtest/gtest.h>

#include <array>
#include <atomic>

#include "ha/io/eviction_status.h"
#include "ha/io/peer_api_codec.h"
#include "ha/volumes/served_volumes.h"
#include "tests/base/testing.h"
#include "tests/ha_volumes/no_locks.h"

namespace baton::ha {
namespace {

constexpr uint64_t kEpoch = 3;
constexpr ForwardScope kScope = {.epoch = kEpoch, .volume_id = 7};

// Volumes that count what is open and what was written.
class CountedVolumes final : public VolumeDirectory {
 public:
  class Io final : public VolumeIo {
   public:
    explicit Io(CountedVolumes& volumes) : volumes_(volumes) { ++volumes_.open; }
    ~Io() override { --volumes_.open; }
    uint64_t size_bytes() const override { return 4096; }
    absl::Status Read(uint64_t, MutableBytes) override { return absl::OkStatus(); }
    absl::Status Write(uint64_t, Bytes) override {
      ++volumes_.written;
      return absl::OkStatus();
    }
    absl::Status Flush() override { return absl::OkStatus(); }
    absl::Status Discard(uint64_t, uint64_t) override { return absl::OkStatus(); }

   private:
    CountedVolumes& volumes_;
  };

  absl::StatusOr<std::vector<VolumeName>> List(uint64_t, size_t) const override {
    return std::vector<VolumeName>{{.id = 7, .name = "v"}};
  }
  absl::StatusOr<VolumeEntry> Lookup(const std::string&) const override { return Get(7); }
  absl::StatusOr<VolumeEntry> Get(uint64_t id) const override {
    return VolumeEntry{.id = id, .name = "v", .size_bytes = 4096};
  }
  absl::StatusOr<std::shared_ptr<VolumeIo>> Open(uint64_t) override {
    return std::make_shared<Io>(*this);
  }
  absl::StatusOr<std::optional<DataRange>> NextData(uint64_t, uint64_t) const override {
    return std::nullopt;
  }
  absl::StatusOr<Capacity> GetCapacity() const override { return Capacity{}; }

  std::atomic<int> open = 0;
  std::atomic<int> written = 0;
};

EvictionRecord EvictionOfNode(const std::string& node, uint64_t id) {
  EvictionRecord record;
  record.set_node(node);
  record.set_id(id);
  return record;
}

class ServedEvictionsTest : public testing::Test {
 protected:
  ServedEvictionsTest() { served_.Begin(kEpoch); }

  absl::Status Write(const std::string& peer) {
    const std::array<std::byte, 1> data = {};
    return served_.Write(peer, kScope, 0, data);
  }
  absl::Status Tell(const std::string& peer, const std::vector<uint64_t>& ids, uint64_t order) {
    peer_api::Call call;
    call.mutable_open_set()->mutable_ids()->Assign(ids.begin(), ids.end());
    call.mutable_open_set()->set_order(order);
    call.mutable_open_set()->set_boot_id("boot");
    return served_.Answer(peer, call).status();
  }
  absl::Status Open(const std::string& peer, uint64_t order) {
    peer_api::Call call;
    call.mutable_open_volume()->set_id(7);
    call.mutable_open_volume()->set_order(order);
    call.mutable_open_volume()->set_boot_id("boot");
    return served_.Answer(peer, call).status();
  }

  CountedVolumes volumes_;
  NoLocks locks_;
  ServedVolumes served_{volumes_, locks_};
};

TEST_F(ServedEvictionsTest, NothingOfItBeginsAndWhatItHadOpenIsClosed) {
  ASSERT_OK(Tell("b", {7}, 1));
  ASSERT_OK(Tell("c", {7}, 1));
  ASSERT_OK(Write("b"));
  EXPECT_EQ(volumes_.open, 2);
  ASSERT_OK(served_.Evict(EvictionOfNode("b", 9)));
  EXPECT_EQ(volumes_.open, 1);
  std::array<std::byte, 1> data = {};
  for (const absl::Status& refused :
       {Write("b"), served_.Read("b", kScope, 0, data), served_.Flush("b", kScope),
        served_.Discard("b", kScope, 0, 4096), Tell("b", {7}, 2), Tell("b", {}, 3), Open("b", 4)}) {
    EXPECT_CODE(refused, kFailedPrecondition);
    EXPECT_EQ(EvictionOf(refused), 9u);
  }
  EXPECT_EQ(volumes_.open, 1);
  EXPECT_EQ(volumes_.written, 1);
  EXPECT_OK(Write("c")) << "the others go on";
}

TEST_F(ServedEvictionsTest, ItIsKnownToHaveNothingOpen) {
  EXPECT_FALSE(served_.HasTold("b"));
  ASSERT_OK(served_.Evict(EvictionOfNode("b", 9)));
  EXPECT_TRUE(served_.HasTold("b"));
  EXPECT_EQ(served_.EvictionOfPeer("b"), 9u);
  EXPECT_EQ(served_.EvictionOfPeer("c"), 0u);
  EXPECT_EQ(served_.Evicted(), std::vector<std::string>{"b"});
}

TEST_F(ServedEvictionsTest, NamesAreAnsweredAllTheSame) {
  ASSERT_OK(served_.Evict(EvictionOfNode("b", 9)));
  peer_api::Call call;
  call.mutable_find_volume()->set_name("v");
  EXPECT_EQ(Must(served_.Answer("b", call)).volume().id(), 7u);
  call.mutable_close_volume()->set_id(7);
  EXPECT_OK(served_.Answer("b", call));
}

TEST_F(ServedEvictionsTest, ItIsServedAgainAfterTheEndOfThatEviction) {
  ASSERT_OK(Tell("b", {7}, 5));
  ASSERT_OK(served_.Evict(EvictionOfNode("b", 9)));
  served_.Readmit("b", 8);
  EXPECT_CODE(Tell("b", {}, 6), kFailedPrecondition) << "an earlier one";
  served_.Readmit("b", 9);
  ASSERT_OK(Tell("b", {}, 7));
  ASSERT_OK(Open("b", 6)) << "late: it changes nothing";
  EXPECT_EQ(volumes_.open, 0);
  ASSERT_OK(Open("b", 8));
  EXPECT_EQ(volumes_.open, 1);
  EXPECT_OK(Write("b"));
}

TEST_F(ServedEvictionsTest, TheNextEpochBeginsWithThoseThatAreRecorded) {
  ASSERT_OK(served_.Evict(EvictionOfNode("c", 8)));
  served_.End();
  EXPECT_CODE(served_.Evict(EvictionOfNode("b", 9)), kAborted) << "nobody would know";
  EXPECT_EQ(served_.EvictionOfPeer("c"), 0u);
  EXPECT_CODE(Write("b"), kAborted) << "another owner may answer";
  served_.Begin(kEpoch, {EvictionOfNode("b", 9)});
  EXPECT_EQ(EvictionOf(Write("b")), 9u);
  EXPECT_OK(Write("c"));
}

TEST(EvictionTest, ItIsKnownInAnAnswerByItsNumber) {
  const absl::Status refused = Annotate(EvictedError("b", 12), "a call");
  const absl::Status answered = ParseAnswer(RefusalOf(refused).SerializeAsString()).status();
  EXPECT_CODE(answered, kFailedPrecondition);
  EXPECT_EQ(EvictionOf(answered), 12u);
  const absl::Status other = absl::FailedPreconditionError("node b was evicted");
  EXPECT_EQ(EvictionOf(ParseAnswer(RefusalOf(other).SerializeAsString()).status()), std::nullopt);
  EXPECT_EQ(EvictionOf(absl::OkStatus()), std::nullopt);
}

}  // namespace
}  // namespace baton::ha
