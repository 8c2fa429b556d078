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
    EXPECT_OK(log.ForEach([&](uint64_t, const IntentSlot& slot) {
      slots.push_back(slot);
      return absl::OkStatus();
    }));
    return slots;
  }
  void WriteSlot(IntentLog& log, uint32_t index, uint64_t run_id) {
    IntentSlot slot;
    slot.run_id = run_id;
    slot.span = {run_id, 1};
    const SideWrite write = log.Prepare(index, slot);
    EXPECT_OK(pool_.storage().WriteSideBySide({&write, 1}));
  }

  SimPool pool_;
};

TEST_F(IntentLogTest, ANewPoolHasOnlyUnusedSlots) {
  const std::unique_ptr<IntentLog> log = Open();
  EXPECT_TRUE(ReadAll(*log).empty());
  EXPECT_EQ(log->free_entries(), limits::kLogEntries);
}

TEST_F(IntentLogTest, FindsEverySlotWhereverItIs) {
  const std::unique_ptr<IntentLog> log = Open(3);
  for (const uint32_t index : {0u, 17u, 127u}) WriteSlot(*log, index, 100 + index);
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
  std::vector<bool> seen(limits::kLogEntries);
  for (uint64_t i = 0; i < limits::kLogEntries; ++i) {
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
  WriteSlot(*log, 99, 9);
  pool_.storage().Poke("intents", LogShape().OffsetOf(99) + 50, BytesOf("x"));
  const absl::Status status =
      Open(2)->ForEach([](uint64_t, const IntentSlot&) { return absl::OkStatus(); });
  EXPECT_CODE(status, kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("intents, slot 99: it is garbled"));
}

TEST_F(IntentLogTest, ARingOfTheWrongSizeIsRefused) {
  const uint64_t right = LogShape().file_bytes();
  for (const uint64_t size : {uint64_t{0}, right - kBlock, right + kBlock}) {
    ASSERT_OK(Must(pool_.storage().Open("intents", {}))->Truncate(size));
    const auto log = IntentLog::Open(pool_.storage(), pool_.runtime(), 1);
    EXPECT_CODE(log, kDataLoss);
    EXPECT_THAT(std::string(log.status().message()),
                HasSubstr("intents: it has " + std::to_string(size) + " bytes"));
  }
}

TEST_F(IntentLogTest, DataIsFoundBehindItsSlot) {
  const std::unique_ptr<IntentLog> log = Open();
  const std::vector<std::byte> data = Pattern(2 * kBlock, 7);
  std::copy(data.begin(), data.end(), log->Data(5).begin());
  IntentSlot slot;
  slot.run_id = 9;
  slot.span = {3, 2};
  slot.data_bytes = data.size();
  ASSERT_OK(log->Write(5, slot));
  const std::unique_ptr<IntentLog> later = Open(2);
  EXPECT_EQ(ReadAll(*later).front().data_bytes, data.size());
  AlignedBlocks found(2 * kBlock);
  ASSERT_OK(later->ReadData(5, 0, found.bytes()));
  EXPECT_TRUE(std::equal(data.begin(), data.end(), found.bytes().begin()));
  ASSERT_OK(later->ReadData(5, kBlock, found.bytes().first(kBlock)));
  EXPECT_TRUE(std::equal(data.begin() + kBlock, data.end(), found.bytes().begin()));
}

TEST_F(IntentLogTest, SlotsOfAPoolOfFormat1AreReadAndTheRingIsMadeNew) {
  {
    const std::unique_ptr<IntentLog> log = Open();
    IntentSlot slot;
    slot.run_id = 9;
    slot.span = {9, 1};
    std::vector<std::byte> block(kBlock);
    EncodeSlot(slot, block);
    const std::unique_ptr<File> old_file = Must(pool_.storage().Open("intents", {}));
    ASSERT_OK(old_file->Truncate(kOldLog.file_bytes()));
    ASSERT_OK(old_file->Write(200 * kBlock, block, WriteMode::kDurable));
  }
  const std::unique_ptr<IntentLog> log = Open(2);
  ASSERT_TRUE(log->is_old());
  ASSERT_EQ(ReadAll(*log).size(), 1u);
  ASSERT_OK(log->Renew());
  EXPECT_FALSE(log->is_old());
  EXPECT_TRUE(ReadAll(*log).empty());
  EXPECT_TRUE(ReadAll(*Open(3)).empty());
  WriteSlot(*log, 127, 9);
  EXPECT_EQ(ReadAll(*Open(3)).size(), 1u);
}

TEST_F(IntentLogTest, AnErrorOfTheVisitorEndsTheScan) {
  const std::unique_ptr<IntentLog> log = Open();
  WriteSlot(*log, 3, 9);
  EXPECT_CODE(
      log->ForEach([](uint64_t, const IntentSlot&) { return absl::CancelledError("enough"); }),
      kCancelled);
}

}  // namespace
}  // namespace baton
