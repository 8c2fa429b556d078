#include "fs/lock_table.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "fs/open_table.h"
#include "tests/base/testing.h"

namespace baton::fs {
namespace {

FileLock LockOf(uint64_t owner, uint64_t first) {
  return {.exclusive = true, .first = first, .last = first, .owner = owner, .handle = 4, .pid = 5};
}

class LockTableTest : public testing::Test {
 protected:
  std::unique_ptr<LockTable> Map() { return Must(LockTable::Map(UniqueFd(::dup(file_.get())))); }

  UniqueFd file_ = Must(OpenTable::MakeFile());
};

TEST_F(LockTableTest, ASuccessorFindsWhatIsHeld) {
  FileLock flock = LockOf(2, 0);
  flock.space = LockSpace::kFlock;
  flock.last = kLastByte;
  auto table = Map();
  EXPECT_TRUE(table->Load().empty());
  EXPECT_TRUE(table->Replace(7, {LockOf(1, 10), flock}));
  EXPECT_TRUE(table->Replace(8, {LockOf(1, 10)}));
  EXPECT_TRUE(table->Replace(8, {}));
  EXPECT_TRUE(table->Replace(7, {flock, LockOf(3, 11)}));
  table = Map();
  const auto held = table->Load();
  ASSERT_EQ(held.size(), 1u);
  EXPECT_THAT(held.at(7), testing::UnorderedElementsAre(flock, LockOf(3, 11)));
}

TEST_F(LockTableTest, LeavesTheOpensAlone) {
  const auto opens = Must(OpenTable::Map(UniqueFd(::dup(file_.get()))));
  opens->Load();
  for (uint64_t i = 1; i <= OpenTable::kEntries; ++i) opens->Add({.handle = i, .volume = 1});
  const auto table = Map();
  EXPECT_TRUE(table->Load().empty());
  EXPECT_TRUE(table->Replace(7, {LockOf(1, 1)}));
  EXPECT_EQ(opens->All().size(), OpenTable::kEntries);
  EXPECT_EQ(opens->Remove(OpenTable::kEntries), 1u);
}

TEST_F(LockTableTest, WhatDoesNotFitChangesNothing) {
  auto table = Map();
  table->Load();
  FileLocks locks;
  for (size_t i = 0; i < LockTable::kEntries; ++i) locks.push_back(LockOf(1, i));
  EXPECT_TRUE(table->Replace(7, locks));
  EXPECT_FALSE(table->Replace(8, {LockOf(1, 1)}));
  EXPECT_TRUE(table->Replace(7, {LockOf(1, 1)}));
  EXPECT_TRUE(table->Replace(8, {LockOf(1, 1)}));
  table = Map();
  EXPECT_EQ(table->Load().size(), 2u);
}

TEST_F(LockTableTest, RefusesWhatIsNone) {
  EXPECT_CODE(LockTable::Map(UniqueFd(::open("/dev/null", O_RDWR))).status(), kInvalidArgument);
}

}  // namespace
}  // namespace baton::fs
