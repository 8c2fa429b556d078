// What a standby keeps of a run, and how it follows.
#include "engine/clone/warm_clone.h"

#include "engine/meta/catalog.h"
#include "tests/base/testing.h"
#include "tests/sim/sim_machine.h"

namespace baton {
namespace {

constexpr uint64_t kPage = limits::kExtentsPerBitmapPage;
constexpr uint64_t kRun = 9;
constexpr uint64_t kAll = 1'000'000;

// Counts what is asked.
class CountingReader final : public MetaReader {
 public:
  explicit CountingReader(const MetaReader& reader) : reader_(reader) {}
  absl::StatusOr<std::optional<std::string>> Get(Column column,
                                                 const std::string& key) const override {
    ++asked_;
    return reader_.Get(column, key);
  }
  absl::Status ScanFrom(Column column, const std::string& prefix, const std::string& first_key,
                        const Visit& visit) const override {
    ++asked_;
    return reader_.ScanFrom(column, prefix, first_key, [&](const auto& key, const auto& value) {
      ++rows_;
      return visit(key, value);
    });
  }
  uint64_t LatestSequence() const override { return reader_.LatestSequence(); }
  int asked() const { return asked_; }
  int TakeRows() const { return std::exchange(rows_, 0); }

 private:
  const MetaReader& reader_;
  mutable int asked_ = 0;
  mutable int rows_ = 0;
};

class WarmCloneTest : public testing::Test {
 protected:
  WarmCloneTest() : WarmCloneTest(4 * kPage) {}
  explicit WarmCloneTest(uint64_t extents) {
    record_.set_id(7);
    record_.set_run_id(kRun);
    record_.set_size_bytes(extents * limits::kMinExtentBytes);
    record_.set_extent_bytes(limits::kMinExtentBytes);
    warm_ = std::make_unique<WarmClone>(record_);
    Run([&] { ASSERT_OK(catalog_.Load()); });
  }
  void Run(const std::function<void()>& body) { machine_.runtime().Run(body); }
  void Mark(uint64_t first, uint64_t count, uint64_t run_id = kRun) {
    MetaBatch batch;
    catalog_.MarkCopied(batch, run_id, first, count);
    ++copies_;
    catalog_.PutCopies(batch, run_id, copies_);
    ASSERT_OK(catalog_.Commit(std::move(batch), Durable::kYes));
  }
  absl::Status Follow(uint64_t max_pages = kAll) {
    return warm_->Follow(follower_, reader_.LatestSequence(), max_pages);
  }
  static IntentSlot Slot(uint64_t first, uint64_t count, uint64_t run_id = kRun) {
    IntentSlot slot;
    slot.run_id = run_id;
    slot.span = {first, count};
    return slot;
  }

  sim::SimMachine machine_{1};
  const std::unique_ptr<MetaStore> store_ = machine_.meta().Open();
  Catalog catalog_{*store_, machine_.runtime(), 1, "test"};
  const CountingReader reader_{*store_};
  const CatalogReader follower_{reader_};
  uint64_t copies_ = 0;
  RelationRecord record_;
  std::unique_ptr<WarmClone> warm_;
};

TEST_F(WarmCloneTest, BitsAndCopiesOfItsOwnRunAreFollowed) {
  Run([&] {
    Mark(10, 5);
    Mark(2 * kPage - 1, 2);
    Mark(100, 3, kRun + 1);
    ASSERT_OK(Follow());
    EXPECT_EQ(warm_->copied().count(), 7u);
    EXPECT_TRUE(warm_->copied().AllSet({10, 5}));
    EXPECT_TRUE(warm_->copied().AllSet({2 * kPage - 1, 2}));
    EXPECT_EQ(warm_->copies(), 7u) << "what is copied was begun";
    EXPECT_EQ(warm_->sequence(), store_->LatestSequence());
  });
}

TEST_F(WarmCloneTest, CopiesAreThoseThatWereBegun) {
  Run([&] {
    copies_ = 99;
    Mark(10, 5);
    ASSERT_OK(Follow());
    EXPECT_EQ(warm_->copies(), 100u);
  });
}

TEST_F(WarmCloneTest, NothingIsReadWhenNothingWasWritten) {
  Run([&] {
    Mark(10, 5);
    ASSERT_OK(Follow());
    const int before = reader_.asked();
    ASSERT_OK(Follow());
    EXPECT_EQ(reader_.asked(), before);
  });
}

TEST_F(WarmCloneTest, PagesThatAreFullAtTheFrontAreNotReadAgain) {
  Run([&] {
    Mark(0, 2 * kPage + 1);
    ASSERT_OK(Follow());
    EXPECT_EQ(reader_.TakeRows(), 3);
    Mark(2 * kPage + 5, 1);
    ASSERT_OK(Follow());
    EXPECT_EQ(reader_.TakeRows(), 1);
    EXPECT_EQ(warm_->copied().count(), 2 * kPage + 2);
  });
}

TEST_F(WarmCloneTest, ALongBitmapIsFollowedInPieces) {
  Run([&] {
    for (uint64_t page = 0; page < 4; ++page) Mark(page * kPage + 1, 1);
    ASSERT_OK(Follow(1));
    EXPECT_EQ(warm_->copied().count(), 1u);
    EXPECT_EQ(warm_->sequence(), 0u);
    Mark(7, 1);  // in a page that this pass has read
    ASSERT_OK(Follow(2));
    ASSERT_OK(Follow(2));
    EXPECT_EQ(warm_->copied().count(), 4u);
    EXPECT_EQ(warm_->sequence(), store_->LatestSequence() - 1);
    ASSERT_OK(warm_->FollowAll(follower_, store_->LatestSequence()));
    EXPECT_EQ(warm_->copied().count(), 5u);
    EXPECT_EQ(warm_->sequence(), store_->LatestSequence());
  });
}

TEST_F(WarmCloneTest, WhatIsDoubtedInTheMiddleOfAPassIsReadFromTheFront) {
  Run([&] {
    for (uint64_t page = 0; page < 4; ++page) Mark(page * kPage + 1, 1);
    ASSERT_OK(Follow(2));
    warm_->ReadAgain();
    ASSERT_OK(warm_->FollowAll(follower_, store_->LatestSequence()));
    EXPECT_EQ(reader_.TakeRows(), 3 + 4);
    EXPECT_TRUE(warm_->HasAll(store_->LatestSequence()));
  });
}

TEST_F(WarmCloneTest, WhatIsDoubtedIsReadAgain) {
  Run([&] {
    Mark(10, 5);
    ASSERT_OK(Follow());
    const int before = reader_.asked();
    warm_->ReadAgain();
    EXPECT_FALSE(warm_->HasAll(store_->LatestSequence()));
    ASSERT_OK(Follow());
    EXPECT_GT(reader_.asked(), before);
    EXPECT_TRUE(warm_->HasAll(store_->LatestSequence()));
  });
}

TEST_F(WarmCloneTest, BitsBeyondTheEndAreDamage) {
  Run([&] {
    Mark(4 * kPage - 1, 2);
    EXPECT_CODE(Follow(), kDataLoss);
    EXPECT_TRUE(warm_->copied().Test(4 * kPage - 1));
  });
}

TEST_F(WarmCloneTest, LandingIsWhatSlotsOfThisRunNameAndNoBitDoes) {
  Run([&] {
    Mark(10, 2);
    ASSERT_OK(Follow());
    const std::vector<IntentSlot> slots = {Slot(20, 3), Slot(9, 2), Slot(22, 2),
                                           Slot(50, 4, kRun + 1), Slot(4 * kPage - 1, 5)};
    const std::vector<ExtentSpan> landing = warm_->Landing(slots);
    ASSERT_EQ(landing.size(), 3u);
    EXPECT_EQ(landing[0].first, 9u);
    EXPECT_EQ(landing[0].count, 1u);
    EXPECT_EQ(landing[1].first, 20u);
    EXPECT_EQ(landing[1].count, 4u);
    EXPECT_EQ(landing[2].first, 4 * kPage - 1);
    EXPECT_EQ(landing[2].count, 1u);
  });
}

}  // namespace
}  // namespace baton
