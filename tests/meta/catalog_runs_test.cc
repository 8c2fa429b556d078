#include <random>
#include <set>

#include "engine/base/limits.h"
#include "engine/meta/catalog.h"
#include "engine/meta/table_keys.h"
#include "tests/meta/stores.h"

namespace baton {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr uint64_t kPage = limits::kExtentsPerBitmapPage;
using Runs = std::vector<std::pair<uint64_t, uint64_t>>;

class CatalogRunsTest : public testing::TestWithParam<StoreKind> {
 protected:
  CatalogRunsTest() { Reopen(); }

  void Reopen() {
    catalog_.reset();
    store_.reset();
    store_ = medium_->Open();
    catalog_ = std::make_unique<Catalog>(*store_, runtime_, 1, "node-a");
    ASSERT_OK(catalog_->Load());
  }
  void Commit(MetaBatch batch) { ASSERT_OK(catalog_->Commit(std::move(batch), Durable::kYes)); }
  void Mark(uint64_t run, uint64_t first, uint64_t count) {
    MetaBatch batch;
    catalog_->MarkCopied(batch, run, first, count);
    Commit(std::move(batch));
  }
  Runs Copied(uint64_t run) const {
    Runs runs;
    EXPECT_OK(catalog_->LoadCopied(
        run, [&](uint64_t first, uint64_t count) { runs.emplace_back(first, count); }));
    return runs;
  }
  std::vector<std::pair<uint64_t, std::vector<Digest>>> Digests(uint64_t run) const {
    std::vector<std::pair<uint64_t, std::vector<Digest>>> rows;
    EXPECT_OK(catalog_->ForEachDigestRun(run, [&](uint64_t first, std::span<const Digest> digests) {
      rows.emplace_back(first, std::vector<Digest>(digests.begin(), digests.end()));
      return true;
    }));
    return rows;
  }

  sim::SimRuntime runtime_{1};
  const std::unique_ptr<StoreMedium> medium_ = GetParam().make();
  std::unique_ptr<MetaStore> store_;
  std::unique_ptr<Catalog> catalog_;
};

INSTANTIATE_TEST_SUITE_P(All, CatalogRunsTest, testing::ValuesIn(StoreKinds()), NameOf);

Digest DigestOfNumber(uint64_t number) { return DigestOf(std::as_bytes(std::span(&number, 1))); }

TEST_P(CatalogRunsTest, CopiedExtentsAreReadAFewPagesAtATime) {
  for (const uint64_t page : {0, 1, 4, 5}) Mark(9, page * kPage + 3, 2);
  Mark(10, 3, 2);
  Runs runs;
  const auto visit = [&](uint64_t first, uint64_t count) { runs.emplace_back(first, count); };
  const std::optional<uint64_t> next = Must(catalog_->LoadCopiedFrom(9, 3, 2, visit));
  EXPECT_EQ(next, 4 * kPage);
  EXPECT_THAT(runs, ElementsAre(Pair(3, 2), Pair(kPage + 3, 2)));
  runs.clear();
  EXPECT_EQ(Must(catalog_->LoadCopiedFrom(9, *next + 7, 2, visit)), std::nullopt);
  EXPECT_THAT(runs, ElementsAre(Pair(4 * kPage + 3, 2), Pair(5 * kPage + 3, 2)));
}

TEST_P(CatalogRunsTest, CopiedExtentsComeBackAsRuns) {
  Mark(9, 5, 3);
  Mark(9, 7, 10);
  Mark(9, 100, 1);
  EXPECT_THAT(Copied(9), ElementsAre(Pair(5, 12), Pair(100, 1)));
}

TEST_P(CatalogRunsTest, ARangeMaySpanPages) {
  Mark(9, kPage - 2, kPage + 5);
  EXPECT_THAT(Copied(9), ElementsAre(Pair(kPage - 2, 2), Pair(kPage, kPage), Pair(2 * kPage, 3)));
}

TEST_P(CatalogRunsTest, TheLastExtentOfTheLargestVolumeHasAPlace) {
  const uint64_t last = limits::kMaxVolumeBytes / limits::kMinExtentBytes - 1;
  Mark(9, last, 1);
  EXPECT_THAT(Copied(9), ElementsAre(Pair(last, 1)));
}

TEST_P(CatalogRunsTest, NothingIsMarkedByAnEmptyRange) {
  Mark(9, 5, 0);
  EXPECT_THAT(Copied(9), IsEmpty());
}

TEST_P(CatalogRunsTest, RandomMarksEqualASet) {
  std::mt19937 random(7);
  std::set<uint64_t> expected;
  for (int i = 0; i < 200; ++i) {
    const uint64_t first = random() % (4 * kPage);
    const uint64_t count = random() % (i % 20 == 0 ? kPage : 50);
    Mark(1, first, count);
    for (uint64_t extent = first; extent < first + count; ++extent) expected.insert(extent);
    if (i % 50 == 49) Reopen();
  }
  std::set<uint64_t> copied;
  for (const auto& [first, count] : Copied(1)) {
    for (uint64_t extent = first; extent < first + count; ++extent) copied.insert(extent);
  }
  EXPECT_EQ(copied, expected);
}

TEST_P(CatalogRunsTest, DigestsComeBackInTheOrderOfTheirExtents) {
  const std::vector<Digest> digests = {DigestOfNumber(1), DigestOfNumber(2), DigestOfNumber(3)};
  MetaBatch batch;
  catalog_->PutDigests(batch, 9, 1000, digests);
  catalog_->PutDigests(batch, 9, 5, std::span(digests).first(1));
  catalog_->PutDigests(batch, 9, 7, {});
  Commit(std::move(batch));
  Reopen();
  EXPECT_THAT(Digests(9),
              ElementsAre(Pair(5, ElementsAre(DigestOfNumber(1))), Pair(1000, digests)));
}

TEST_P(CatalogRunsTest, DroppingARunLeavesTheOthers) {
  const std::vector<Digest> digests = {DigestOfNumber(1)};
  MetaBatch batch;
  for (const uint64_t run : {8, 9, 10}) {
    catalog_->MarkCopied(batch, run, 0, kPage + 1);
    catalog_->PutDigests(batch, run, 0, digests);
  }
  catalog_->DropRun(batch, 9);
  Commit(std::move(batch));
  EXPECT_THAT(Copied(9), IsEmpty());
  EXPECT_THAT(Digests(9), IsEmpty());
  for (const uint64_t run : {8, 10}) {
    EXPECT_EQ(Copied(run).size(), 2U);
    EXPECT_EQ(Digests(run).size(), 1U);
  }
}

TEST_P(CatalogRunsTest, ADamagedRowIsNamed) {
  const auto message_of = [](const absl::Status& status) {
    EXPECT_CODE(status, kDataLoss);
    return std::string(status.message());
  };
  MetaBatch batch;
  batch.Put(Column::kBitmap, KeyOf(9, 1, 4), "short");
  batch.Put(Column::kDigests, KeyOf(9, 1, 8), std::string(17, 'x'));
  Commit(std::move(batch));
  EXPECT_THAT(message_of(catalog_->LoadCopied(9, [](uint64_t, uint64_t) {})),
              HasSubstr("bitmap/000000000000000900000001"));
  EXPECT_THAT(message_of(catalog_->ForEachDigestRun(
                  9, [](uint64_t, std::span<const Digest>) { return true; })),
              HasSubstr("digests/00000000000000090000000000000001"));
}

}  // namespace
}  // namespace baton
