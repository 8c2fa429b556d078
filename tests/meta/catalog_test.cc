#include "engine/meta/catalog.h"

#include "engine/base/limits.h"
#include "engine/meta/table_keys.h"
#include "tests/meta/stores.h"

namespace baton {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class CatalogTest : public testing::TestWithParam<StoreKind> {
 protected:
  CatalogTest() { Reopen(1); }

  absl::Status TryReopen(uint64_t epoch) {
    catalog_.reset();
    store_.reset();
    store_ = medium_->Open();
    catalog_ = std::make_unique<Catalog>(*store_, runtime_, epoch, "node-a");
    return catalog_->Load();
  }
  void Reopen(uint64_t epoch = 1) { ASSERT_OK(TryReopen(epoch)); }
  void Commit(MetaBatch batch) { ASSERT_OK(catalog_->Commit(std::move(batch), Durable::kYes)); }
  void PutRow(Column column, const std::string& key, const std::string& value) {
    MetaBatch batch;
    batch.Put(column, key, value);
    Commit(std::move(batch));
  }
  uint64_t AllocateAndCommit() {
    MetaBatch batch;
    const uint64_t id = catalog_->AllocateId(batch);
    Commit(std::move(batch));
    return id;
  }

  sim::SimRuntime runtime_{1};
  const std::unique_ptr<StoreMedium> medium_ = GetParam().make();
  std::unique_ptr<MetaStore> store_;
  std::unique_ptr<Catalog> catalog_;
};

INSTANTIATE_TEST_SUITE_P(All, CatalogTest, testing::ValuesIn(StoreKinds()), NameOf);

VolumeRecord Volume(uint64_t id, const std::string& name) {
  VolumeRecord record;
  record.set_id(id);
  record.set_name(name);
  record.set_size_bytes(4096);
  return record;
}

TEST_P(CatalogTest, IdsStartAfterTheRootDirectoryAndGrowByOne) {
  EXPECT_EQ(AllocateAndCommit(), 2U);
  EXPECT_EQ(AllocateAndCommit(), 3U);
  Reopen();
  EXPECT_EQ(AllocateAndCommit(), 4U);
}

TEST_P(CatalogTest, AnIdIsNotGivenOutAgainThoughBatchesAreCommittedInAnotherOrder) {
  MetaBatch first, second, third;
  catalog_->AllocateId(first);
  catalog_->AllocateId(second);
  const uint64_t last = catalog_->AllocateId(third);
  Commit(third);
  Commit(first);
  Commit(second);
  Reopen();
  EXPECT_EQ(AllocateAndCommit(), last + 1);
  Reopen();
  EXPECT_EQ(AllocateAndCommit(), last + 2);
}

TEST_P(CatalogTest, IdsTakeOneRow) {
  MetaBatch first, second;
  catalog_->AllocateId(first);
  catalog_->AllocateId(second);
  Commit(second);
  Commit(first);
  Reopen();
  for (int i = 0; i < 10; ++i) AllocateAndCommit();
  int rows = 0;
  ASSERT_OK(store_->Scan(Column::kSystem, "id/", [&](const std::string&, const std::string&) {
    ++rows;
    return true;
  }));
  EXPECT_EQ(rows, 1);
}

TEST_P(CatalogTest, RecordsComeBackAsTheyWereInTheOrderOfTheirIds) {
  RelationRecord relation;
  relation.set_id(300);
  relation.set_source("src");
  relation.set_state(COPYING);
  relation.set_run_id(7);
  MetaBatch batch;
  catalog_->PutVolume(batch, Volume(256, "b"));
  catalog_->PutVolume(batch, Volume(2, "a"));
  catalog_->PutRelation(batch, relation);
  Commit(std::move(batch));
  Reopen();
  const std::vector<VolumeRecord> volumes = Must(catalog_->LoadVolumes());
  ASSERT_EQ(volumes.size(), 2U);
  EXPECT_EQ(volumes[0].name(), "a");
  EXPECT_EQ(volumes[1].name(), "b");
  EXPECT_EQ(volumes[1].version(), 1U);
  const std::vector<RelationRecord> relations = Must(catalog_->LoadRelations());
  ASSERT_EQ(relations.size(), 1U);
  relation.set_version(1);
  EXPECT_EQ(relations[0].SerializeAsString(), relation.SerializeAsString());
}

TEST_P(CatalogTest, DeletedRecordsAreGone) {
  MetaBatch batch;
  RelationRecord relation;
  relation.set_id(3);
  catalog_->PutVolume(batch, Volume(2, "a"));
  catalog_->PutRelation(batch, relation);
  catalog_->DeleteVolume(batch, 2);
  catalog_->DeleteRelation(batch, 3);
  Commit(std::move(batch));
  EXPECT_THAT(Must(catalog_->LoadVolumes()), IsEmpty());
  EXPECT_THAT(Must(catalog_->LoadRelations()), IsEmpty());
}

TEST_P(CatalogTest, ADamagedRecordIsNamed) {
  VolumeRecord newer = Volume(2, "a");
  newer.set_version(2);
  VolumeRecord misplaced = Volume(9, "a");
  misplaced.set_version(1);
  for (const std::string& value :
       {std::string("\xff\xff"), newer.SerializeAsString(), misplaced.SerializeAsString()}) {
    PutRow(Column::kVolumes, KeyOf(2), value);
    const absl::Status status = catalog_->LoadVolumes().status();
    EXPECT_CODE(status, kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr("volumes/0000000000000002"));
  }
}

TEST_P(CatalogTest, EveryBatchCarriesTheEpoch) {
  Reopen(5);
  EXPECT_EQ(Must(store_->Get(Column::kSystem, "epoch")), std::nullopt);
  Commit({});
  EXPECT_EQ(Must(store_->Get(Column::kSystem, "epoch")), KeyOf(5));
  Reopen(6);
  Commit({});
  EXPECT_EQ(Must(store_->Get(Column::kSystem, "epoch")), KeyOf(6));
}

TEST_P(CatalogTest, MetadataOfANewerEpochIsRefused) {
  Reopen(5);
  Commit({});
  EXPECT_CODE(TryReopen(4), kDataLoss);
  EXPECT_OK(TryReopen(5));
}

TEST_P(CatalogTest, AMalformedSystemRowIsRefused) {
  PutRow(Column::kSystem, "id/short", "");
  const absl::Status status = TryReopen(1);
  EXPECT_CODE(status, kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("system/"));
}

TEST_P(CatalogTest, EventsAreNumberedAndFilledIn) {
  for (int i = 0; i < 3; ++i) {
    Event event;
    event.set_kind("kind");
    event.set_text(std::to_string(i));
    MetaBatch batch;
    catalog_->AddEvent(batch, event);
    Commit(std::move(batch));
    Reopen(i + 2);
  }
  const std::vector<Event> events = Must(catalog_->ListEvents(0, 100));
  ASSERT_EQ(events.size(), 3U);
  for (uint64_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].sequence(), i + 1);
    EXPECT_EQ(events[i].epoch(), i + 1);
    EXPECT_EQ(events[i].text(), std::to_string(i));
    EXPECT_EQ(events[i].node(), "node-a");
    EXPECT_EQ(events[i].unix_us(), absl::ToUnixMicros(runtime_.WallTime()));
  }
  EXPECT_EQ(catalog_->last_event_sequence(), 3U);
}

TEST_P(CatalogTest, EventsAreListedFromAnyPlaceAndUpToALimit) {
  MetaBatch batch;
  for (int i = 0; i < 1000; ++i) catalog_->AddEvent(batch, {});
  Commit(std::move(batch));
  for (const uint64_t after : {0, 1, 254, 255, 256, 511, 998}) {
    const std::vector<Event> events = Must(catalog_->ListEvents(after, 300));
    ASSERT_EQ(events.size(), std::min<uint64_t>(300, 1000 - after));
    for (uint64_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].sequence(), after + 1 + i);
  }
  EXPECT_THAT(Must(catalog_->ListEvents(1000, 10)), IsEmpty());
  EXPECT_THAT(Must(catalog_->ListEvents(5000, 10)), IsEmpty());
  EXPECT_THAT(Must(catalog_->ListEvents(0, 0)), IsEmpty());
}

TEST_P(CatalogTest, TheOldestEventsAreDropped) {
  const uint64_t count = limits::kMaxEvents + 5000;
  for (uint64_t i = 0; i < count; i += 1000) {
    MetaBatch batch;
    for (int j = 0; j < 1000; ++j) catalog_->AddEvent(batch, {});
    Commit(std::move(batch));
  }
  Reopen();
  uint64_t kept = 0;
  ASSERT_OK(store_->Scan(Column::kEvents, "", [&](const std::string&, const std::string&) {
    ++kept;
    return true;
  }));
  EXPECT_GE(kept, limits::kMaxEvents);
  EXPECT_LT(kept, limits::kMaxEvents + 300);
  EXPECT_EQ(catalog_->last_event_sequence(), count);
  const std::vector<Event> oldest = Must(catalog_->ListEvents(0, 1));
  ASSERT_EQ(oldest.size(), 1U);
  EXPECT_EQ(oldest[0].sequence(), count - kept + 1);
}

// Counts the rows that are read.
class CountingReader final : public MetaReader {
 public:
  explicit CountingReader(const MetaReader& store) : store_(store) {}
  absl::StatusOr<std::optional<std::string>> Get(Column column,
                                                 const std::string& key) const override {
    return store_.Get(column, key);
  }
  absl::Status ScanFrom(Column column, const std::string& prefix, const std::string& first_key,
                        const Visit& visit) const override {
    return store_.ScanFrom(column, prefix, first_key,
                           [&](const std::string& key, const std::string& value) {
                             ++rows_;
                             return visit(key, value);
                           });
  }
  uint64_t LatestSequence() const override { return store_.LatestSequence(); }
  int rows() const { return rows_; }

 private:
  const MetaReader& store_;
  mutable int rows_ = 0;
};

TEST_P(CatalogTest, HowFarTheEventsReachIsFoundWithoutReadingThem) {
  MetaBatch batch;
  for (int i = 0; i < 5000; ++i) catalog_->AddEvent(batch, {});
  Commit(std::move(batch));
  for (const uint64_t after : {0, 1, 255, 2048, 4998, 4999}) {
    const CountingReader counting(*store_);
    EXPECT_EQ(Must(CatalogReader(counting).LastEventAfter(after)), 5000u);
    EXPECT_LT(counting.rows(), 30);
  }
  EXPECT_EQ(Must(catalog_->LastEventAfter(5000)), 5000u);
  EXPECT_EQ(Must(catalog_->LastEventAfter(6000)), 6000u);
  EXPECT_EQ(Must(catalog_->FirstEventFrom(0)), 1u);
  EXPECT_EQ(Must(catalog_->FirstEventFrom(5001)), 0u);
}

}  // namespace
}  // namespace baton
