#include "engine/clone/intent_log.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/clone/pool.h"

namespace baton {
namespace {

using testing::HasSubstr;

class IntentLogTest : public testing::Test {
 protected:
  std::unique_ptr<IntentLog> Open(uint64_t epoch = 1) {
    return Must(IntentLog::Open(pool_.storage(), pool_.runtime(), epoch));
  }
  std::vector<IntentSlot> ReadAll(IntentLog& log) {
    std::vector<IntentSlot> slots;
    EXPECT_OK(log.ForEach([&](const IntentSlot& slot) {
      slots.push_back(slot);
      return absl::OkStatus();
    }));
    return slots;
  }
  void WriteSlot(IntentLog& log, uint32_t index, uint64_t run_id) {
    IntentSlot slot;
    slot.run_id = run_id;
    slot.span = {run_id, 1};
    alignas(4096) std::array<std::byte, kBlock> block;
    const SideWrite write = log.Prepare(index, slot, block);
    EXPECT_OK(pool_.storage().WriteSideBySide({&write, 1}));
  }

  SimPool pool_;
};

TEST_F(IntentLogTest, ANewPoolHasOnlyUnusedSlots) {
  const std::unique_ptr<IntentLog> log = Open();
  EXPECT_TRUE(ReadAll(*log).empty());
  EXPECT_EQ(log->free_slots(), limits::kIntentSlots);
}

TEST_F(IntentLogTest, FindsEverySlotWhereverItIs) {
  const std::unique_ptr<IntentLog> log = Open(3);
  for (const uint32_t index : {0u, 17u, 255u}) WriteSlot(*log, index, 100 + index);
  const std::vector<IntentSlot> slots = ReadAll(*Open(4));
  ASSERT_EQ(slots.size(), 3u);
  EXPECT_EQ(slots[1].run_id, 117u);
  EXPECT_EQ(slots[1].epoch, 3u);
}

TEST_F(IntentLogTest, SequencesGoOnWhereTheLastEpochEnded) {
  const std::unique_ptr<IntentLog> old_log = Open(1);
  for (uint32_t index = 0; index < 5; ++index) WriteSlot(*old_log, index, 9);
  const std::unique_ptr<IntentLog> log = Open(2);
  (void)ReadAll(*log);
  WriteSlot(*log, 100, 9);
  EXPECT_EQ(ReadAll(*log).back().sequence, 6u);
}

TEST_F(IntentLogTest, ASlotIsLentToOneAtATime) {
  const std::unique_ptr<IntentLog> log = Open();
  std::vector<bool> seen(limits::kIntentSlots);
  for (uint64_t i = 0; i < limits::kIntentSlots; ++i) {
    const std::optional<uint32_t> slot = log->TryAcquire();
    ASSERT_TRUE(slot.has_value());
    EXPECT_FALSE(seen[*slot]);
    seen[*slot] = true;
  }
  EXPECT_FALSE(log->TryAcquire().has_value());
  log->Release(77);
  EXPECT_EQ(log->TryAcquire(), 77u);
}

TEST_F(IntentLogTest, AGarbledSlotIsNamed) {
  const std::unique_ptr<IntentLog> log = Open();
  WriteSlot(*log, 200, 9);
  pool_.storage().Poke("intents", 200 * kBlock + 50, BytesOf("x"));
  const absl::Status status = Open(2)->ForEach([](const IntentSlot&) { return absl::OkStatus(); });
  EXPECT_CODE(status, kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("intents, slot 200: it is garbled"));
}

TEST_F(IntentLogTest, ARingOfTheWrongSizeIsRefused) {
  for (const uint64_t size :
       {uint64_t{0}, (limits::kIntentSlots - 1) * kBlock, (limits::kIntentSlots + 1) * kBlock}) {
    ASSERT_OK(Must(pool_.storage().Open("intents", {}))->Truncate(size));
    const auto log = IntentLog::Open(pool_.storage(), pool_.runtime(), 1);
    EXPECT_CODE(log, kDataLoss);
    EXPECT_THAT(std::string(log.status().message()),
                HasSubstr("intents: it has " + std::to_string(size) + " bytes"));
  }
}

TEST_F(IntentLogTest, AnErrorOfTheVisitorEndsTheScan) {
  const std::unique_ptr<IntentLog> log = Open();
  WriteSlot(*log, 3, 9);
  EXPECT_CODE(log->ForEach([](const IntentSlot&) { return absl::CancelledError("enough"); }),
              kCancelled);
}

}  // namespace
}  // namespace baton
