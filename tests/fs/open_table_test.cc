#include "fs/open_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/base/testing.h"

namespace baton::fs {
namespace {

class OpenTableTest : public testing::Test {
 protected:
  std::unique_ptr<OpenTable> Map() { return Must(OpenTable::Map(UniqueFd(::dup(file_.get())))); }
  std::unique_ptr<OpenTable> MapAgain() {
    auto table = Map();
    table->Load();
    return table;
  }

  UniqueFd file_ = Must(OpenTable::MakeFile());
  std::unique_ptr<OpenTable> table_ = MapAgain();
};

TEST_F(OpenTableTest, ASuccessorFindsWhatIsOpen) {
  EXPECT_EQ(table_->Add({.handle = 10, .volume = 1}), OpenTable::Added::kNew);
  EXPECT_EQ(table_->Add({.handle = 12, .volume = 1}), OpenTable::Added::kNew);
  EXPECT_EQ(table_->Add({.handle = 14, .volume = 2}), OpenTable::Added::kNew);
  EXPECT_EQ(table_->Remove(12), 1u);
  table_.reset();
  table_ = MapAgain();
  EXPECT_EQ(table_->All().size(), 2u);
  EXPECT_EQ(table_->Remove(14), 2u);
  EXPECT_EQ(table_->Remove(10), 1u);
  EXPECT_TRUE(table_->All().empty());
}

// A spare maps the table long before its turn.
TEST_F(OpenTableTest, ASuccessorThatWasMadeEarlyFindsWhatIsOpenWhenItsTurnComes) {
  table_->Add({.handle = 10, .volume = 1});
  const auto spare = Map();
  table_->Remove(10);
  table_->Add({.handle = 12, .volume = 2});
  table_->Add({.handle = 14, .volume = 3});
  table_.reset();
  spare->Load();
  EXPECT_EQ(spare->All().size(), 2u);
  EXPECT_EQ(spare->Add({.handle = 16, .volume = 4}), OpenTable::Added::kNew);
  EXPECT_EQ(spare->Remove(10), std::nullopt);
  EXPECT_EQ(spare->Remove(12), 2u) << "an entry was overwritten";
  EXPECT_EQ(spare->Remove(14), 3u);
}

TEST_F(OpenTableTest, WhatIsRepeatedCountsOnce) {
  table_->Add({.handle = 10, .volume = 1});
  table_ = MapAgain();
  EXPECT_EQ(table_->Add({.handle = 10, .volume = 1}), OpenTable::Added::kThereAlready);
  EXPECT_EQ(table_->Remove(10), 1u);
  EXPECT_EQ(table_->Remove(10), std::nullopt);
}

TEST_F(OpenTableTest, IsFullInTheEndAndHasRoomAgain) {
  for (uint64_t i = 1; i <= OpenTable::kEntries; ++i) table_->Add({.handle = i, .volume = 1});
  const OpenTable::Open one_more = {.handle = OpenTable::kEntries + 1, .volume = 1};
  EXPECT_EQ(table_->Add(one_more), OpenTable::Added::kFull);
  table_->Remove(77);
  EXPECT_EQ(table_->Add(one_more), OpenTable::Added::kNew);
}

TEST_F(OpenTableTest, AFileOfAnotherSizeIsRefused) {
  EXPECT_CODE(OpenTable::Map(UniqueFd(::memfd_create("other", 0))).status(), kInvalidArgument);
}

}  // namespace
}  // namespace baton::fs
