// Which nodes are evicted, over owners.
#include "engine/meta/evictions.h"

#include "engine/base/status.h"
#include "tests/meta/stores.h"

namespace baton {
namespace {

using testing::HasSubstr;

class EvictionsTest : public testing::TestWithParam<StoreKind> {
 protected:
  EvictionsTest() { EXPECT_OK(TryReopen()); }

  // As the next owner of the pool.
  absl::Status TryReopen() {
    evictions_.reset();
    catalog_.reset();
    store_.reset();
    store_ = medium_->Open();
    catalog_ = std::make_unique<Catalog>(*store_, runtime_, ++epoch_, "a");
    BATON_RETURN_IF_ERROR(catalog_->Load());
    evictions_ = std::make_unique<Evictions>(*catalog_, runtime_);
    return evictions_->Load();
  }
  std::vector<std::string> Evicted() const {
    std::vector<std::string> nodes;
    for (const EvictionRecord& record : evictions_->List()) nodes.push_back(record.node());
    return nodes;
  }
  std::vector<std::string> Kinds() const {
    std::vector<std::string> kinds;
    for (const Event& event : Must(catalog_->ListEvents(0, 100))) kinds.push_back(event.kind());
    return kinds;
  }

  sim::SimRuntime runtime_{1};
  const std::unique_ptr<StoreMedium> medium_ = GetParam().make();
  uint64_t epoch_ = 0;
  std::unique_ptr<MetaStore> store_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<Evictions> evictions_;
};

INSTANTIATE_TEST_SUITE_P(All, EvictionsTest, testing::ValuesIn(StoreKinds()), NameOf);

using Names = std::vector<std::string>;

TEST_P(EvictionsTest, TheNextOwnerKnowsWhoIsEvicted) {
  const EvictionRecord first = Must(evictions_->Evict("b"));
  const EvictionRecord second = Must(evictions_->Evict("c"));
  EXPECT_NE(first.id(), second.id());
  ASSERT_OK(TryReopen());
  EXPECT_EQ(Evicted(), (Names{"b", "c"}));
  EXPECT_EQ(evictions_->List().front().id(), first.id());
}

TEST_P(EvictionsTest, WhoIsEvictedAlreadyKeepsThatEviction) {
  const EvictionRecord first = Must(evictions_->Evict("b"));
  EXPECT_EQ(Must(evictions_->Evict("b")).id(), first.id());
  EXPECT_EQ(Kinds(), Names{"node-evicted"});
}

TEST_P(EvictionsTest, ItEndsForGoodAndTheNextOneIsAnotherOne) {
  const EvictionRecord first = Must(evictions_->Evict("b"));
  ASSERT_OK(evictions_->Readmit("b", first.id()));
  EXPECT_EQ(Evicted(), Names());
  EXPECT_EQ(Kinds(), (Names{"node-evicted", "node-readmitted"}));
  ASSERT_OK(TryReopen());
  EXPECT_EQ(Evicted(), Names());
  EXPECT_GT(Must(evictions_->Evict("b")).id(), first.id());
}

TEST_P(EvictionsTest, WhoAnswersToAnEarlierOneEndsNothing) {
  const EvictionRecord first = Must(evictions_->Evict("b"));
  ASSERT_OK(evictions_->Readmit("b", first.id()));
  const EvictionRecord second = Must(evictions_->Evict("b"));
  ASSERT_OK(evictions_->Readmit("b", first.id()));
  ASSERT_OK(evictions_->Readmit("c", second.id()));
  ASSERT_OK(TryReopen());
  EXPECT_EQ(Evicted(), Names{"b"});
}

TEST_P(EvictionsTest, ADamagedRecordIsNamed) {
  const std::string key = "evicted/b";
  for (const std::string& row : {std::string("\xff"), std::string()}) {
    MetaBatch batch;
    batch.Put(Column::kSystem, key, row);
    ASSERT_OK(catalog_->Commit(std::move(batch), Durable::kYes));
    const absl::Status status = TryReopen();
    EXPECT_CODE(status, kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr("system/"));
  }
}

}  // namespace
}  // namespace baton
