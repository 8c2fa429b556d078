#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "engine/base/posix_storage.h"
#include "engine/lease/lease_file.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

constexpr int kClaimers = 4;
constexpr uint64_t kEpochs = 500;

// Memory that all claimers see.
struct Race {
  std::atomic<uint64_t> arrived = 0;
  std::array<std::array<std::atomic<absl::StatusCode>, kEpochs>, kClaimers> results = {};
};

std::string NodeOf(int claimer) { return "node-" + std::to_string(claimer); }

// In a child: claims one epoch after the other, each as soon as all others are there too.
void ClaimAll(const std::string& pool, int claimer, Race& race) {
  const auto storage = Must(PosixStorage::Open(pool));
  for (uint64_t i = 0; i < kEpochs; ++i) {
    ++race.arrived;
    while (race.arrived < (i + 1) * kClaimers) ::sched_yield();
    const LeaseRecord record = {.epoch = i + 1,
                                .counter = 1,
                                .node = NodeOf(claimer),
                                .boot_id = "boot",
                                .instance = "instance"};
    race.results[claimer][i] = CreateLease(*storage, record).code();
  }
}

TEST(ClaimRaceTest, EveryEpochIsClaimedByExactlyOne) {
  TemporaryDirectory pool;
  const auto storage = Must(PosixStorage::Open(pool.path()));
  ASSERT_OK(storage->MakeDirectory("lease"));
  auto* race =
      new (::mmap(nullptr, sizeof(Race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
          Race();
  std::array<pid_t, kClaimers> children;
  for (int claimer = 0; claimer < kClaimers; ++claimer) {
    children[claimer] = ::fork();
    if (children[claimer] == 0) {
      ClaimAll(pool.path(), claimer, *race);
      ::_exit(0);
    }
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }
  std::array<int, kClaimers> wins = {};
  for (uint64_t i = 0; i < kEpochs; ++i) {
    int winners = 0;
    for (int claimer = 0; claimer < kClaimers; ++claimer) {
      const absl::StatusCode result = race->results[claimer][i];
      if (result == absl::StatusCode::kOk) {
        ++winners;
        ++wins[claimer];
      } else {
        EXPECT_EQ(result, absl::StatusCode::kAlreadyExists) << i;
      }
    }
    EXPECT_EQ(winners, 1) << "epoch " << i + 1;
  }
  for (const int count : wins) EXPECT_GT(count, 0) << "there was no race";
  EXPECT_EQ(Must(ReadNewestLease(*storage))->epoch, kEpochs);
  EXPECT_EQ(Must(storage->List("lease")).size(), kEpochs) << "temporary files were left";
  ::munmap(race, sizeof(Race));
}

}  // namespace
}  // namespace baton
