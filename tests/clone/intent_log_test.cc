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
  // The entry at that place of the file.
  LogEntry AcquireAt(IntentLog& log, uint64_t number) {
    std::vector<LogEntry> others;
    while (true) {
      LogEntry entry = Must(log.Acquire());
      if (entry.number() == number) return entry;
      others.push_back(std::move(entry));
    }
  }
  void WriteSlot(IntentLog& log, uint64_t number, uint64_t run_id) {
    IntentSlot slot;
    slot.run_id = run_id;
    slot.span = {run_id, 1};
    const LogEntry entry = AcquireAt(log, number);
    const SideWrite write = entry.Prepare(slot);
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

TEST_F(IntentLogTest, AnEntryHasOneHolderAtATime) {
  const std::unique_ptr<IntentLog> log = Open();
  std::vector<bool> seen(limits::kLogEntries);
  std::vector<LogEntry> entries;
  for (uint64_t i = 0; i < limits::kLogEntries; ++i) {
    entries.push_back(Must(log->Acquire()));
    EXPECT_FALSE(seen[entries.back().number()]);
    seen[entries.back().number()] = true;
  }
  EXPECT_EQ(log->free_entries(), 0u);
  const uint64_t number = entries[77].number();
  entries[77].GiveBack();
  EXPECT_TRUE(entries[77].is_none());
  EXPECT_EQ(Must(log->Acquire()).number(), number);
}

TEST_F(IntentLogTest, AnEntryGoesBackOnceHoweverOftenItIsHandedOn) {
  const std::unique_ptr<IntentLog> log = Open();
  {
    LogEntry first = Must(log->Acquire());
    LogEntry second = std::move(first);
    EXPECT_TRUE(first.is_none());
    LogEntry third = Must(log->Acquire());
    EXPECT_EQ(log->free_entries(), limits::kLogEntries - 2);
    third = std::move(second);
    EXPECT_EQ(log->free_entries(), limits::kLogEntries - 1) << "what it held before is back";
    third.GiveBack();
    third.GiveBack();
    EXPECT_EQ(log->free_entries(), limits::kLogEntries);
  }
  EXPECT_EQ(log->free_entries(), limits::kLogEntries);
}

// Counts who waits.
class CountingListener final : public ShortageListener {
 public:
  void OnShortage() override { ++now, ++ever; }
  void OnShortageOver() override { --now; }
  int now = 0;
  int ever = 0;
};

TEST_F(IntentLogTest, WhoFindsNoEntryWaitsForOneAndTellsTheListenerMeanwhile) {
  for (uint64_t seed = 1; seed <= 50 && !HasFailure(); ++seed) {
    SimPool pool(seed);
    pool.runtime().Run([&] {
      const std::unique_ptr<IntentLog> log =
          Must(IntentLog::Open(pool.storage(), pool.runtime(), 1));
      CountingListener listener;
      log->SetListener(&listener);
      std::vector<LogEntry> entries;
      while (log->free_entries() > 0) entries.push_back(Must(log->Acquire()));
      EXPECT_EQ(listener.ever, 0);
      int served = 0;
      std::vector<std::unique_ptr<Thread>> waiters;
      for (int i = 0; i < 3; ++i) {
        waiters.push_back(pool.runtime().StartThread("waiter", [&] {
          const LogEntry entry = Must(log->Acquire());
          ++served;
          pool.runtime().SleepFor(absl::Seconds(1));
        }));
      }
      while (listener.now < 3) pool.runtime().Yield();
      entries.pop_back();
      entries.pop_back();
      pool.runtime().SleepFor(absl::Milliseconds(100));
      EXPECT_EQ(served, 2);
      EXPECT_EQ(listener.now, 1);
      waiters.clear();
      EXPECT_EQ(served, 3) << "by an entry of one of the others";
      EXPECT_EQ(listener.now, 0);
      log->SetListener(nullptr);
    });
  }
}

TEST_F(IntentLogTest, AClosedLogGivesNoEntryAndKeepsWhatComesBack) {
  const std::unique_ptr<IntentLog> log = Open();
  LogEntry entry = Must(log->Acquire());
  log->Close(absl::AbortedError("the metadata is gone"));
  entry.GiveBack();
  EXPECT_EQ(log->free_entries(), limits::kLogEntries - 1);
  EXPECT_CODE(log->Acquire(), kAborted);
}

TEST_F(IntentLogTest, WhoWaitsForAnEntryIsToldOfTheClose) {
  SimPool pool;
  pool.runtime().Run([&] {
    const std::unique_ptr<IntentLog> log = Must(IntentLog::Open(pool.storage(), pool.runtime(), 1));
    std::vector<LogEntry> entries;
    while (log->free_entries() > 0) entries.push_back(Must(log->Acquire()));
    std::unique_ptr<Thread> waiter =
        pool.runtime().StartThread("waiter", [&] { EXPECT_CODE(log->Acquire(), kAborted); });
    pool.runtime().SleepFor(absl::Seconds(1));
    log->Close(absl::AbortedError("the metadata is gone"));
    waiter.reset();
  });
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

TEST_F(IntentLogTest, ALogOfTheWrongSizeIsRefused) {
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
  const LogEntry entry = AcquireAt(*log, 5);
  std::copy(data.begin(), data.end(), entry.Data().begin());
  IntentSlot slot;
  slot.run_id = 9;
  slot.span = {3, 2};
  slot.data_bytes = data.size();
  ASSERT_OK(entry.Write(slot));
  const std::unique_ptr<IntentLog> later = Open(2);
  EXPECT_EQ(ReadAll(*later).front().data_bytes, data.size());
  AlignedBlocks found(2 * kBlock);
  ASSERT_OK(later->ReadData(5, 0, found.bytes()));
  EXPECT_TRUE(std::equal(data.begin(), data.end(), found.bytes().begin()));
  ASSERT_OK(later->ReadData(5, kBlock, found.bytes().first(kBlock)));
  EXPECT_TRUE(std::equal(data.begin() + kBlock, data.end(), found.bytes().begin()));
}

TEST_F(IntentLogTest, SlotsOfAPoolOfFormat1AreReadAndTheLogIsMadeNew) {
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
