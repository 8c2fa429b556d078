#include "tests/sim/sim_meta.h"

#include <set>

#include "engine/meta/bit_merge.h"
#include "tests/base/testing.h"
#include "tests/sim/sim_machine.h"

namespace baton::sim {
namespace {

MetaBatch PutOf(const std::string& key) {
  MetaBatch batch;
  batch.Put(Column::kVolumes, key, "value of " + key);
  return batch;
}

std::vector<std::string> Keys(const MetaStore& store, const std::string& prefix = "") {
  std::vector<std::string> keys;
  EXPECT_OK(store.Scan(Column::kVolumes, prefix, [&](const std::string& key, const std::string&) {
    keys.push_back(key);
    return true;
  }));
  return keys;
}

TEST(SimMetaTest, ReadsBackWhatWasWritten) {
  SimMachine machine(1);
  const auto store = machine.meta().Open();
  EXPECT_OK(store->Write(PutOf("a"), Durable::kNo));
  EXPECT_OK(store->Write(PutOf("ab"), Durable::kYes));
  EXPECT_OK(store->Write(PutOf("b"), Durable::kYes));
  EXPECT_EQ(Must(store->Get(Column::kVolumes, "a")), "value of a");
  EXPECT_EQ(Must(store->Get(Column::kVolumes, "c")), std::nullopt);
  EXPECT_EQ(Must(store->Get(Column::kRelations, "a")), std::nullopt);
  EXPECT_THAT(Keys(*store, "a"), testing::ElementsAre("a", "ab"));
  EXPECT_EQ(store->LatestSequence(), 3U);
  MetaBatch batch;
  batch.Delete(Column::kVolumes, "b");
  batch.DeletePrefix(Column::kVolumes, "a");
  EXPECT_OK(store->Write(batch, Durable::kNo));
  EXPECT_THAT(Keys(*store), testing::IsEmpty());
}

TEST(SimMetaTest, MergesBits) {
  SimMachine machine(1);
  const auto store = machine.meta().Open();
  for (const uint32_t bit : {3U, 10U}) {
    std::string operand;
    AppendBitRange(bit, bit, operand);
    MetaBatch batch;
    batch.MergeBits(Column::kBitmap, "row", operand);
    EXPECT_OK(store->Write(batch, Durable::kNo));
  }
  const std::string bits = *Must(store->Get(Column::kBitmap, "row"));
  ASSERT_EQ(bits.size(), 4096U);
  EXPECT_EQ(bits.substr(0, 2), std::string("\x08\x04"));
}

TEST(SimMetaTest, APowerCutKeepsThePrefixUpToTheLastSyncAndMore) {
  std::set<size_t> kept;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimMachine machine(seed);
    const auto store = machine.meta().Open();
    EXPECT_OK(store->Write(PutOf("1"), Durable::kNo));
    EXPECT_OK(store->Write(PutOf("2"), Durable::kYes));
    EXPECT_OK(store->Write(PutOf("3"), Durable::kNo));
    EXPECT_OK(store->Write(PutOf("4"), Durable::kNo));
    machine.steps().CrashNow(CrashKind::kPower);
    EXPECT_CODE(store->Get(Column::kVolumes, "1"), kAborted);
    machine.Restart();
    EXPECT_CODE(store->Write(PutOf("5"), Durable::kYes), kAborted);
    const std::vector<std::string> keys = Keys(*machine.meta().Open());
    const std::vector<std::string> all = {"1", "2", "3", "4"};
    EXPECT_TRUE(std::equal(keys.begin(), keys.end(), all.begin()));
    kept.insert(keys.size());
  }
  EXPECT_THAT(kept, testing::ElementsAre(2, 3, 4));
}

TEST(SimMetaTest, TheDeathOfAProcessLosesNothingThatCompleted) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimMachine machine(seed);
    EXPECT_OK(machine.meta().Open()->Write(PutOf("1"), Durable::kNo));
    machine.steps().CrashNow(CrashKind::kProcess);
    machine.Restart();
    EXPECT_THAT(Keys(*machine.meta().Open()), testing::ElementsAre("1"));
  }
}

TEST(SimMetaTest, ABatchInFlightIsKeptWholeOrNot) {
  std::set<size_t> kept;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimMachine machine(seed);
    MetaBatch batch = PutOf("1");
    batch.Put(Column::kVolumes, "2", "");
    machine.steps().CrashAt(1, CrashKind::kPower);
    EXPECT_CODE(machine.meta().Open()->Write(batch, Durable::kYes), kAborted);
    machine.Restart();
    kept.insert(Keys(*machine.meta().Open()).size());
  }
  EXPECT_THAT(kept, testing::ElementsAre(0, 2));
}

TEST(SimMetaTest, AnErrorOfAWriteIsFinal) {
  SimMachine machine(1);
  const auto store = machine.meta().Open();
  machine.steps().Inject({{}, 0, absl::DataLossError("bad sector")});
  EXPECT_CODE(store->Write(PutOf("1"), Durable::kYes), kDataLoss);
  EXPECT_CODE(store->Write(PutOf("2"), Durable::kYes), kDataLoss);
}

TEST(SimMetaTest, WritersOfSeveralThreadsKeepTheOrderOfTheLog) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimMachine machine(seed);
    SimRuntime& runtime = machine.runtime();
    const auto store = machine.meta().Open();
    size_t durable_seen = 0;
    machine.steps().CrashAt(1 + seed % 12, CrashKind::kPower);
    runtime.Run([&] {
      std::vector<std::unique_ptr<Thread>> threads;
      for (const std::string name : {"a", "b", "c"}) {
        threads.push_back(runtime.StartThread(name, [&, name] {
          for (int i = 0; i < 4; ++i) {
            const Durable durable = i % 2 == 0 ? Durable::kNo : Durable::kYes;
            if (!store->Write(PutOf(name + std::to_string(i)), durable).ok()) return;
            if (durable == Durable::kYes) durable_seen += 2;
          }
        }));
      }
    });
    machine.Restart();
    EXPECT_GE(Keys(*machine.meta().Open()).size(), durable_seen);
  }
}

}  // namespace
}  // namespace baton::sim
