// What every MetaStore must do.
#include "engine/meta/meta_store.h"

#include "engine/base/limits.h"
#include "engine/meta/bit_merge.h"
#include "tests/meta/stores.h"

namespace baton {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class MetaStoreTest : public testing::TestWithParam<StoreKind> {
 protected:
  void Reopen() {
    store_.reset();
    store_ = medium_->Open();
  }
  void Put(Column column, const std::string& key, const std::string& value) {
    MetaBatch batch;
    batch.Put(column, key, value);
    ASSERT_OK(store_->Write(batch, Durable::kNo));
  }
  std::vector<std::pair<std::string, std::string>> Rows(Column column,
                                                        const std::string& prefix = "") const {
    std::vector<std::pair<std::string, std::string>> rows;
    EXPECT_OK(store_->Scan(column, prefix, [&](const std::string& key, const std::string& value) {
      rows.emplace_back(key, value);
      return true;
    }));
    return rows;
  }

  const std::unique_ptr<StoreMedium> medium_ = GetParam().make();
  std::unique_ptr<MetaStore> store_ = medium_->Open();
};

INSTANTIATE_TEST_SUITE_P(All, MetaStoreTest, testing::ValuesIn(StoreKinds()), NameOf);

TEST_P(MetaStoreTest, GetsWhatWasPut) {
  Put(Column::kVolumes, "a", "1");
  EXPECT_EQ(Must(store_->Get(Column::kVolumes, "a")), "1");
  EXPECT_EQ(Must(store_->Get(Column::kVolumes, "b")), std::nullopt);
}

TEST_P(MetaStoreTest, ColumnsAreApart) {
  const Column all[] = {Column::kVolumes, Column::kRelations, Column::kBitmap,
                        Column::kDigests, Column::kEvents,    Column::kSystem};
  static_assert(std::size(all) == kColumns);
  for (const Column column : all) {
    if (column != Column::kBitmap) Put(column, "key", ColumnName(column));
  }
  for (const Column column : all) {
    if (column == Column::kBitmap) continue;
    EXPECT_THAT(Rows(column), ElementsAre(Pair("key", ColumnName(column))));
  }
  EXPECT_THAT(Rows(Column::kBitmap), IsEmpty());
}

TEST_P(MetaStoreTest, OperationsOfABatchTakeEffectInOrder) {
  MetaBatch batch;
  batch.Put(Column::kVolumes, "a", "1");
  batch.Put(Column::kVolumes, "a", "2");
  batch.Put(Column::kVolumes, "b", "1");
  batch.Delete(Column::kVolumes, "b");
  batch.DeletePrefix(Column::kVolumes, "c");
  batch.Put(Column::kVolumes, "c", "1");
  ASSERT_OK(store_->Write(batch, Durable::kYes));
  EXPECT_THAT(Rows(Column::kVolumes), ElementsAre(Pair("a", "2"), Pair("c", "1")));
}

TEST_P(MetaStoreTest, ScansInOrderWithinThePrefixUntilToldToStop) {
  for (const char* key : {"b\xff", "a", "b", "ba", "c", "b\xff\xff"}) Put(Column::kEvents, key, "");
  EXPECT_THAT(Rows(Column::kEvents, "b"),
              ElementsAre(Pair("b", ""), Pair("ba", ""), Pair("b\xff", ""), Pair("b\xff\xff", "")));
  EXPECT_THAT(Rows(Column::kEvents, "b\xff"),
              ElementsAre(Pair("b\xff", ""), Pair("b\xff\xff", "")));
  int visited = 0;
  ASSERT_OK(store_->Scan(Column::kEvents, "",
                         [&](const std::string&, const std::string&) { return ++visited < 2; }));
  EXPECT_EQ(visited, 2);
}

TEST_P(MetaStoreTest, DeletesAPrefixAndNothingElse) {
  for (const char* key : {"a", "\xff", "\xff\xff", "\xff\xff\xff", "b"}) {
    Put(Column::kDigests, key, "");
  }
  MetaBatch batch;
  batch.DeletePrefix(Column::kDigests, "\xff\xff");
  ASSERT_OK(store_->Write(batch, Durable::kNo));
  EXPECT_THAT(Rows(Column::kDigests), ElementsAre(Pair("a", ""), Pair("b", ""), Pair("\xff", "")));
}

TEST_P(MetaStoreTest, MergesBitsIntoARowThatIsThereOrNot) {
  std::string expected;
  for (const uint32_t first : {7U, 100U, 32760U}) {
    std::string operand;
    AppendBitRange(first, first + 7, operand);
    ASSERT_TRUE(OrBitRanges(operand, expected));
    MetaBatch batch;
    batch.MergeBits(Column::kBitmap, "page", operand);
    ASSERT_OK(store_->Write(batch, Durable::kYes));
  }
  EXPECT_EQ(Must(store_->Get(Column::kBitmap, "page")), expected);
  Reopen();
  EXPECT_THAT(Rows(Column::kBitmap), ElementsAre(Pair("page", expected)));
}

TEST_P(MetaStoreTest, BitsThatWereDeletedDoNotComeBackWithTheNextMerge) {
  std::string operand, expected;
  AppendBitRange(1, 1, operand);
  MetaBatch batch;
  batch.MergeBits(Column::kBitmap, "page", operand);
  batch.DeletePrefix(Column::kBitmap, "pa");
  operand.clear();
  AppendBitRange(9, 9, operand);
  batch.MergeBits(Column::kBitmap, "page", operand);
  ASSERT_OK(store_->Write(batch, Durable::kYes));
  ASSERT_TRUE(OrBitRanges(operand, expected));
  EXPECT_EQ(Must(store_->Get(Column::kBitmap, "page")), expected);
}

TEST_P(MetaStoreTest, KeepsWhatWasWrittenOverAReopen) {
  Put(Column::kRelations, "a", "1");
  MetaBatch batch;
  batch.Put(Column::kVolumes, "b", "2");
  ASSERT_OK(store_->Write(batch, Durable::kYes));
  Reopen();
  EXPECT_EQ(Must(store_->Get(Column::kRelations, "a")), "1");
  EXPECT_EQ(Must(store_->Get(Column::kVolumes, "b")), "2");
}

TEST_P(MetaStoreTest, TheSequenceGrowsWithEveryWriteAndOverAReopen) {
  uint64_t last = store_->LatestSequence();
  for (int i = 0; i < 5; ++i) {
    Put(Column::kVolumes, "a", "1");
    EXPECT_GT(store_->LatestSequence(), last);
    last = store_->LatestSequence();
  }
  Reopen();
  EXPECT_GE(store_->LatestSequence(), last);
}

}  // namespace
}  // namespace baton
