// An old owner that does not know that it is deposed goes on writing, flushing and compacting
// while the next one seals and copies: what the next one finds is a consistent prefix with every
// write that was acknowledged before.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

#include "engine/base/posix_storage.h"
#include "engine/meta/epoch_directory.h"
#include "engine/meta/table_keys.h"
#include "engine/meta/rocks_store.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"
#include "tests/meta/child_process.h"

namespace baton {
namespace {

constexpr uint64_t kRows = 500;
constexpr size_t kValueBytes = 20'000;  // some 400 writes fill a write buffer
constexpr uint64_t kBatchesBetweenSyncs = 16;
constexpr int kRounds = 24;

// In a file that both processes map.
struct Shared {
  std::atomic<uint64_t> acknowledged = 0;
};

Shared* MapShared(const std::string& pool) {
  const UniqueFd file(::open((pool + "/shared").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  EXPECT_EQ(::ftruncate(file.get(), sizeof(Shared)), 0);
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  EXPECT_NE(memory, MAP_FAILED);
  return static_cast<Shared*>(memory);
}

std::unique_ptr<MetaStore> Open(const std::string& pool, uint64_t epoch, bool create = false) {
  static const OpenFence fence;
  return Must(OpenRocksStore({.directory = pool + "/" + EpochDirectory(epoch),
                              .fence = fence,
                              .create = create,
                              .on_synced = {}}));
}

Column ColumnOf(uint64_t number) { return number % 2 == 0 ? Column::kVolumes : Column::kEvents; }
std::string ValueOf(uint64_t number) {
  std::string value = KeyOf(number);
  value.resize(kValueBytes, static_cast<char>(number));
  return value;
}

// The number that the store ends with: the last kRows writes before it are all there.
uint64_t CheckPrefix(const MetaStore& store) {
  const std::string count = Must(store.Get(Column::kSystem, "count")).value_or(KeyOf(0));
  const uint64_t last = ReadBigEndian(count);
  const uint64_t first = last < kRows ? 1 : last - kRows + 1;
  for (uint64_t number = first; number <= last; ++number) {
    const auto row = Must(store.Get(ColumnOf(number), KeyOf(number % kRows)));
    EXPECT_TRUE(row == ValueOf(number)) << "write " << number << " of " << last << " is missing";
    if (row != ValueOf(number)) break;
  }
  return last;
}

void WaitForAcknowledged(ChildProcess& zombie, const Shared& shared, uint64_t number) {
  while (shared.acknowledged < number) {
    ASSERT_FALSE(zombie.HasEnded());
    ::usleep(1000);
  }
}

TEST(ZombieTest, TheNextEpochHasAConsistentPrefixWithAllThatWasAcknowledged) {
  TemporaryDirectory pool;
  const auto storage = Must(PosixStorage::Open(pool.path()));
  Shared& shared = *MapShared(pool.path());
  ASSERT_OK(storage->MakeDirectory("meta"));
  ASSERT_OK(SealAndCopy(*storage, 0, 1));
  ASSERT_OK(ProveEpoch(*storage, 1));
  uint64_t next = 1;
  for (uint64_t epoch = 1; epoch <= kRounds && !testing::Test::HasFailure(); ++epoch) {
    ChildProcess zombie("WriteAsZombie",
                        {pool.path(), std::to_string(epoch), std::to_string(next)});
    WaitForAcknowledged(zombie, shared, next + 100 + epoch * 137 % 800);
    const uint64_t acknowledged = shared.acknowledged;
    ASSERT_OK(SealAndCopy(*storage, epoch, epoch + 1));
    const uint64_t last = CheckPrefix(*Open(pool.path(), epoch + 1));
    EXPECT_GE(last, acknowledged);
    if (epoch % 3 == 0) {
      ::usleep(20'000);  // the zombie goes on in its sealed directory
      EXPECT_EQ(CheckPrefix(*Open(pool.path(), epoch + 1)), last) << "it reached the new epoch";
    }
    zombie.Kill();
    shared.acknowledged = 0;  // it went on in its sealed directory
    ASSERT_OK(ProveEpoch(*storage, epoch + 1));
    next = last + 1;
  }
}

}  // namespace

void WriteAsZombie(const Arguments& arguments) {
  const std::string& pool = arguments.at(0);
  const uint64_t epoch = std::stoull(arguments.at(1));
  Shared& shared = *MapShared(pool);
  const std::unique_ptr<MetaStore> store = Open(pool, epoch, epoch == 1);
  for (uint64_t number = std::stoull(arguments.at(2));; ++number) {
    MetaBatch batch;
    batch.Put(Column::kSystem, "count", KeyOf(number));
    batch.Put(ColumnOf(number), KeyOf(number % kRows), ValueOf(number));
    const bool synced = number % kBatchesBetweenSyncs == 0;
    if (!store->Write(batch, synced ? Durable::kYes : Durable::kNo).ok()) break;
    if (synced) shared.acknowledged = number;
  }
}

}  // namespace baton
