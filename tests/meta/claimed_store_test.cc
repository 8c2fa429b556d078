// The whole way from a pool to its store and to the next owner's, on a real file system.
#include <filesystem>

#include "engine/base/posix_storage.h"
#include "engine/base/system_runtime.h"
#include "engine/meta/catalog.h"
#include "engine/lease/claim.h"
#include "engine/meta/epoch_directory.h"
#include "engine/meta/pool_file.h"
#include "tests/base/temporary_directory.h"
#include "tests/meta/flip.h"
#include "tests/meta/lease_support.h"

namespace baton {
namespace {

using testing::HasSubstr;

class ClaimedStoreTest : public testing::Test {
 protected:
  ClaimedStoreTest() { EXPECT_OK(InitPool(*storage_, DURABILITY_NODE, runtime_)); }

  ClaimedEpoch Claim() {
    const OwnerGone gone = Must(AwaitOwnerGone({.storage = *storage_,
                                                .runtime = runtime_,
                                                .identity = IdentityOf("a"),
                                                .holds_node_lock = true,
                                                .times = {}}));
    return Must(ClaimNextEpoch({.storage = *storage_,
                                .runtime = runtime_,
                                .identity = IdentityOf("a"),
                                .times = {},
                                .kill_timer = std::make_unique<RecordingKillTimer>(MakeKillTime()),
                                .on_lost = {}},
                               gone));
  }
  absl::StatusOr<std::unique_ptr<MetaStore>> Open(const ClaimedEpoch& claimed) {
    return OpenClaimedStore(*storage_, directory_.path(), claimed);
  }

  // One owner from its claim to its end: writes a volume record for each of `ids`.
  void Write(const std::vector<uint64_t>& ids) {
    const ClaimedEpoch claimed = Claim();
    {
      const std::unique_ptr<MetaStore> store = Must(Open(claimed));
      Catalog catalog(*store, runtime_, claimed.epoch, "a");
      ASSERT_OK(catalog.Load());
      for (const uint64_t id : ids) {
        VolumeRecord record;
        record.set_id(id);
        MetaBatch batch;
        catalog.PutVolume(batch, record);
        ASSERT_OK(catalog.Commit(std::move(batch), Durable::kYes));
      }
    }
    ASSERT_OK(claimed.lease->Release());
  }

  std::vector<uint64_t> Ids() {
    const ClaimedEpoch claimed = Claim();
    std::vector<uint64_t> ids;
    const std::unique_ptr<MetaStore> store = Must(Open(claimed));
    Catalog catalog(*store, runtime_, claimed.epoch, "a");
    EXPECT_OK(catalog.Load());
    for (const VolumeRecord& record : Must(catalog.LoadVolumes())) ids.push_back(record.id());
    return ids;
  }

  // The largest file with this extension in a directory of the pool.
  std::filesystem::path Largest(const std::string& directory, const std::string& extension) const {
    std::filesystem::path largest;
    for (const auto& entry :
         std::filesystem::directory_iterator(directory_.path() + "/" + directory)) {
      if (entry.path().extension() != extension) continue;
      if (largest.empty() || entry.file_size() > std::filesystem::file_size(largest)) {
        largest = entry.path();
      }
    }
    return largest;
  }

  TemporaryDirectory directory_;
  SystemRuntime runtime_;
  const std::unique_ptr<PosixStorage> storage_ = Must(PosixStorage::Open(directory_.path()));
};

TEST_F(ClaimedStoreTest, EveryOwnerFindsWhatThoseBeforeItWrote) {
  Write({2, 3});
  Write({4});
  EXPECT_EQ(Ids(), (std::vector<uint64_t>{2, 3, 4}));
  EXPECT_EQ(Must(LatestEpoch(*storage_)), 3U);
}

TEST_F(ClaimedStoreTest, AStoreIsWrittenUnderItsLeaseOnly) {
  const ClaimedEpoch claimed = Claim();
  const std::unique_ptr<MetaStore> store = Must(Open(claimed));
  MetaBatch batch;
  batch.Put(Column::kVolumes, "a", "b");
  ASSERT_OK(store->Write(batch, Durable::kYes));
  ASSERT_OK(claimed.lease->Release());
  EXPECT_CODE(store->Write(batch, Durable::kYes), kAborted);
}

// RocksDB itself says OK to this.
TEST_F(ClaimedStoreTest, ALogThatLostItsMiddleIsRefusedUntilItIsRepaired) {
  Write({2, 3, 4, 5, 6});
  const std::filesystem::path log = Largest("meta/epoch-1", ".log");
  const uint64_t middle = std::filesystem::file_size(log) / 2;
  FlipByte(log, middle);
  for (int attempt = 0; attempt < 4; ++attempt) {
    const ClaimedEpoch claimed = Claim();
    const absl::Status status = Open(claimed).status();
    EXPECT_CODE(status, kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr("damaged or lost"));
    ASSERT_OK(claimed.lease->Release());
  }
  EXPECT_EQ(Must(LatestEpoch(*storage_)), 1U) << "what was left of it has not become the truth";
  FlipByte(Largest("meta/epoch-1.sealed", ".log"), middle);
  EXPECT_EQ(Ids(), (std::vector<uint64_t>{2, 3, 4, 5, 6}));
}

TEST_F(ClaimedStoreTest, ADamagedTableIsRefusedUntilItIsRepaired) {
  Write({2, 3});
  Write({4});
  const std::filesystem::path table = Largest("meta/epoch-2", ".sst");
  const uint64_t middle = std::filesystem::file_size(table) / 2;
  FlipByte(table, middle);
  {
    const ClaimedEpoch claimed = Claim();
    EXPECT_CODE(Open(claimed), kDataLoss);
    ASSERT_OK(claimed.lease->Release());
  }
  FlipByte(directory_.path() / std::filesystem::path("meta/epoch-2.sealed") / table.filename(),
           middle);
  EXPECT_EQ(Ids(), (std::vector<uint64_t>{2, 3, 4}));
}

TEST_F(ClaimedStoreTest, MetadataThatDisappearedIsNotTakenForANewPool) {
  Write({2});
  std::filesystem::remove_all(directory_.path() + "/meta/epoch-1");
  const ClaimedEpoch claimed = Claim();
  EXPECT_CODE(Open(claimed), kDataLoss);
}

}  // namespace
}  // namespace baton
