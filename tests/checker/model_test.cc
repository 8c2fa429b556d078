// What the model allows, where the rule is not plain.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/model/volume_model.h"

namespace baton::model {
namespace {

class TornCell : public testing::Test {
 protected:
  TornCell() {
    older_ = model_.BeginWrite(0, kCellBytes);
    model_.Acknowledge(older_);
  }
  // The first half of what `first` wrote, then the second half of what `second` wrote.
  std::vector<std::byte> Torn(const VolumeModel::Write& first, const VolumeModel::Write& second) {
    std::vector<std::byte> torn(kCellBytes);
    std::vector<std::byte> rest(kCellBytes);
    FillCells(first.stamp, 0, torn);
    FillCells(second.stamp, 0, rest);
    std::copy(rest.begin() + kCellBytes / 2, rest.end(), torn.begin() + kCellBytes / 2);
    return torn;
  }

  Clock clock_;
  VolumeModel model_{clock_, 4096};
  VolumeModel::Write older_;
};

TEST_F(TornCell, MayBeSeenWhileItIsWritten) {
  const VolumeModel::Write newer = model_.BeginWrite(0, kCellBytes);
  const uint64_t read = model_.BeginRead();
  model_.Acknowledge(newer);
  EXPECT_EQ(model_.CheckRead(read, 0, Torn(newer, older_)), "");
  EXPECT_EQ(model_.CheckRead(model_.BeginRead(), 0, Torn(newer, newer)), "");
}

TEST_F(TornCell, IsWrongOnceItsWriteIsOver) {
  const VolumeModel::Write newer = model_.BeginWrite(0, kCellBytes);
  model_.Acknowledge(newer);
  EXPECT_NE(model_.CheckRead(model_.BeginRead(), 0, Torn(newer, older_)), "");
}

TEST_F(TornCell, HoldsNothingThatWasOverwrittenBefore) {
  const VolumeModel::Write between = model_.BeginWrite(0, kCellBytes);
  model_.Acknowledge(between);
  const VolumeModel::Write newer = model_.BeginWrite(0, kCellBytes);
  const uint64_t read = model_.BeginRead();
  EXPECT_NE(model_.CheckRead(read, 0, Torn(newer, older_)), "");
}

// A discard of the target beside the read; without a flush the T0 content may be back after a loss
// of power.
TEST(ModelOfTarget, ZerosOfADiscardSayNothingAboutT0) {
  Clock clock;
  VolumeModel source(clock, kCellBytes), target(clock, kCellBytes);
  source.BeginT0();
  const VolumeModel::Write write = source.BeginWrite(0, kCellBytes);
  source.Acknowledge(write);
  target.Adopt(source.EndT0());
  const uint64_t read = target.BeginRead();
  target.Acknowledge(target.BeginDiscard(0, kCellBytes));
  EXPECT_EQ(target.CheckRead(read, 0, std::vector<std::byte>(kCellBytes)), "");
  std::vector<std::byte> t0(kCellBytes);
  FillCells(write.stamp, 0, t0);
  EXPECT_EQ(target.CheckRecovered(t0, true), "");
}

}  // namespace
}  // namespace baton::model
