#include "engine/meta/rocks_store.h"

#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "engine/base/status.h"
#include "engine/meta/bit_merge.h"
#include "engine/meta/table_keys.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"
#include "tests/meta/child_process.h"
#include "tests/meta/flip.h"

namespace baton {
namespace {

using testing::HasSubstr;

constexpr uint64_t kRowsOfChild = 50;

class SwitchFence final : public Fence {
 public:
  absl::Status Check() const override {
    return open ? absl::OkStatus() : absl::AbortedError("the lease is over");
  }
  std::atomic<bool> open = true;
};

class RocksStoreTest : public testing::Test {
 public:
  // Rows `first` to first + count - 1, by turns in two columns, each in a batch with a bit of its
  // own.
  static absl::Status WriteRows(MetaStore& store, uint64_t first, uint64_t count) {
    for (uint64_t row = first; row < first + count; ++row) {
      std::string bit;
      AppendBitRange(row % 32768, row % 32768, bit);
      MetaBatch batch;
      batch.Put(row % 2 == 0 ? Column::kVolumes : Column::kEvents, KeyOf(row), "value");
      batch.MergeBits(Column::kBitmap, "page", bit);
      BATON_RETURN_IF_ERROR(store.Write(batch, Durable::kYes));
    }
    return absl::OkStatus();
  }

 protected:
  absl::StatusOr<std::unique_ptr<MetaStore>> TryOpen(bool create = true) {
    return OpenRocksStore({.directory = directory_.path(),
                           .fence = fence_,
                           .create = create,
                           .on_synced = [this](uint64_t sequence) { synced_ = sequence; }});
  }
  std::unique_ptr<MetaStore> Open() { return Must(TryOpen()); }

  // The number of rows, which must be 0 to that number - 1, with their bits.
  static absl::StatusOr<uint64_t> CountRows(const MetaStore& store) {
    uint64_t count = 0;
    std::string bits;
    while (true) {
      BATON_ASSIGN_OR_RETURN(
          const std::optional<std::string> row,
          store.Get(count % 2 == 0 ? Column::kVolumes : Column::kEvents, KeyOf(count)));
      if (!row) break;
      std::string bit;
      AppendBitRange(count % 32768, count % 32768, bit);
      EXPECT_TRUE(OrBitRanges(bit, bits));
      ++count;
    }
    uint64_t found = 0;
    for (const Column column : {Column::kVolumes, Column::kEvents}) {
      BATON_RETURN_IF_ERROR(store.Scan(column, "", [&](const std::string&, const std::string&) {
        ++found;
        return true;
      }));
    }
    EXPECT_EQ(found, count) << "a row in the middle is missing";
    BATON_ASSIGN_OR_RETURN(const std::optional<std::string> page,
                           store.Get(Column::kBitmap, "page"));
    EXPECT_EQ(page.value_or(""), bits) << "a batch was torn";
    return count;
  }

  // Whose names contain `part`.
  std::vector<std::filesystem::path> Files(const std::string& part) const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      const std::string name = entry.path().filename();
      if (name.find(part) != std::string::npos) files.push_back(entry.path());
    }
    return files;
  }

  TemporaryDirectory directory_;
  SwitchFence fence_;
  uint64_t synced_ = 0;
};

TEST_F(RocksStoreTest, AcknowledgedSyncedBatchesSurviveTheDeathOfTheProcess) {
  for (uint64_t rows = 0; rows < 250; rows += kRowsOfChild) {
    ChildProcess child("WriteRowsAndDie", {directory_.path(), std::to_string(rows)});
    ASSERT_EQ(child.Wait(), 0);
    ASSERT_EQ(Must(CountRows(*Open())), rows + kRowsOfChild);
  }
}

TEST_F(RocksStoreTest, ASecondStoreOnTheDirectoryIsRefused) {
  const std::unique_ptr<MetaStore> store = Open();
  EXPECT_FALSE(TryOpen().ok());
  EXPECT_OK(WriteRows(*store, 0, 1));
}

TEST_F(RocksStoreTest, IsOnlyMadeWhenAskedTo) {
  EXPECT_FALSE(TryOpen(/*create=*/false).ok());
  Open();
  EXPECT_OK(TryOpen(/*create=*/false));
}

TEST_F(RocksStoreTest, TellsUpToWhereItIsDurable) {
  const std::unique_ptr<MetaStore> store = Open();
  ASSERT_OK(WriteRows(*store, 0, 3));
  EXPECT_EQ(store->SyncedSequence(), store->LatestSequence());
  EXPECT_EQ(synced_, store->SyncedSequence());
  MetaBatch batch;
  batch.Put(Column::kVolumes, "a", "1");
  ASSERT_OK(store->Write(batch, Durable::kNo));
  EXPECT_LT(store->SyncedSequence(), store->LatestSequence());
  EXPECT_EQ(synced_, store->SyncedSequence());
  ASSERT_OK(store->Write({}, Durable::kYes));
  EXPECT_EQ(store->SyncedSequence(), store->LatestSequence());
}

TEST_F(RocksStoreTest, NothingIsWrittenOnceTheFenceRefuses) {
  std::unique_ptr<MetaStore> store = Open();
  ASSERT_OK(WriteRows(*store, 0, 10));
  const auto size_of_logs = [&] {
    uint64_t size = 0;
    for (const auto& log : Files(".log")) size += std::filesystem::file_size(log);
    return size;
  };
  const uint64_t before = size_of_logs();
  fence_.open = false;
  EXPECT_CODE(WriteRows(*store, 10, 1), kAborted);
  EXPECT_EQ(size_of_logs(), before);
  EXPECT_EQ(Must(CountRows(*store)), 10U) << "reads go on";
}

TEST_F(RocksStoreTest, AFenceThatRefusedOnceHasEndedTheStoreForGood) {
  std::unique_ptr<MetaStore> store = Open();
  fence_.open = false;
  EXPECT_CODE(WriteRows(*store, 0, 1), kAborted);
  fence_.open = true;
  EXPECT_CODE(WriteRows(*store, 0, 1), kAborted);
  store = nullptr;
  EXPECT_EQ(Must(CountRows(*Open())), 0U);
}

TEST_F(RocksStoreTest, IsNotOpenedWhenTheFenceRefuses) {
  Open();
  fence_.open = false;
  EXPECT_CODE(TryOpen(), kAborted);
}

// Stores that are opened again and again compact their small tables, some of them while they are
// being checked; several at a time, so that the checking thread loses its turn in the middle.
TEST(RocksStoreRaceTest, TablesMayBeCompactedAwayWhileTheyAreChecked) {
  const OpenFence fence;
  std::vector<std::thread> threads;
  for (int i = 0; i < 12; ++i) {
    threads.emplace_back([&fence] {
      TemporaryDirectory directory;
      for (uint64_t round = 0; round < 25; ++round) {
        const auto store = OpenRocksStore(
            {.directory = directory.path(), .fence = fence, .create = true, .on_synced = {}});
        ASSERT_OK(store);
        ASSERT_OK(RocksStoreTest::WriteRows(**store, round, 2));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// A dozen bytes of every file, one at a time.
TEST_F(RocksStoreTest, AFlippedByteIsDetectedOrHarmlessOrLeavesAShorterSequence) {
  {
    std::unique_ptr<MetaStore> store = Open();
    ASSERT_OK(WriteRows(*store, 0, 20));
    store = nullptr;
    store = Open();  // flushes the log to tables
    ASSERT_OK(WriteRows(*store, 20, 20));
  }
  const uint64_t known = synced_;
  TemporaryDirectory saved;
  std::filesystem::copy(directory_.path(), saved.path() + "/copy");
  int refused = 0, cut_short = 0, intact = 0;
  for (const char* part : {".sst", ".log", "MANIFEST-", "CURRENT"}) {
    for (const auto& path : Files(part)) {
      const uint64_t size = std::filesystem::file_size(path);
      for (uint64_t offset = 0; offset < size; offset += 1 + size / 12) {
        FlipByte(path, offset);
        absl::StatusOr<std::unique_ptr<MetaStore>> store = TryOpen();
        if (!store.ok()) {
          EXPECT_FALSE(store.status().message().empty()) << path << " " << offset;
          ++refused;
        } else if ((*store)->LatestSequence() < known) {
          ++cut_short;
        } else {
          EXPECT_EQ(Must(CountRows(**store)), 40U) << path << " " << offset;
          ++intact;
        }
        if (store.ok()) store->reset();
        std::filesystem::remove_all(directory_.path());
        std::filesystem::copy(saved.path() + "/copy", directory_.path());
      }
    }
  }
  EXPECT_GT(refused, 10);
  EXPECT_GT(cut_short, 5);
  EXPECT_LT(intact, 10);
}

}  // namespace

void WriteRowsAndDie(const Arguments& arguments) {
  const OpenFence fence;
  const auto store = OpenRocksStore(
      {.directory = arguments.at(0), .fence = fence, .create = true, .on_synced = {}});
  const uint64_t first = std::stoull(arguments.at(1));
  const bool written = store.ok() && RocksStoreTest::WriteRows(**store, first, kRowsOfChild).ok();
  ::_exit(written ? 0 : 1);
}

}  // namespace baton
