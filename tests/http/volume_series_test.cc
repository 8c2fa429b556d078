// Which volumes have series of their own, over the life of a process.
#include "cli/http/volume_series.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/http/http_settings.h"

namespace baton::http {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

class VolumeSeriesTest : public testing::Test {
 protected:
  void Use(uint64_t id, uint64_t reads) {
    for (fs::VolumeIoCounts& volume : volumes_) {
      if (volume.volume_id == id) {
        volume.kinds[0].requests += reads;
        return;
      }
    }
    volumes_.emplace_back().volume_id = id;
    volumes_.back().kinds[0].requests = reads;
  }
  // Reads by series.
  std::map<std::string, uint64_t> Look(const std::optional<VolumeNames>& names) {
    std::map<std::string, uint64_t> reads;
    for (const auto& [name, kinds] : series_.Note(volumes_, names)) reads[name] = kinds[0].requests;
    return reads;
  }

  VolumeSeries series_;
  std::vector<fs::VolumeIoCounts> volumes_;
};

TEST_F(VolumeSeriesTest, WhatDeletedVolumesHadStays) {
  Use(1, 10);
  Use(2, 20);
  EXPECT_THAT(Look(VolumeNames{{1, "a"}, {2, "b"}}), ElementsAre(Pair("a", 10), Pair("b", 20)));
  EXPECT_THAT(Look(VolumeNames{{2, "b"}}), ElementsAre(Pair("(other)", 10), Pair("b", 20)));
  Use(3, 5);
  EXPECT_THAT(Look(VolumeNames{{2, "b"}, {3, "a"}}),
              ElementsAre(Pair("(other)", 10), Pair("a", 5), Pair("b", 20)));
}

TEST_F(VolumeSeriesTest, NothingChangesWhileNothingIsKnown) {
  Use(1, 10);
  EXPECT_THAT(Look(VolumeNames{{1, "a"}}), ElementsAre(Pair("a", 10)));
  Use(2, 20);
  EXPECT_THAT(Look(std::nullopt), ElementsAre(Pair("a", 10)));
  EXPECT_THAT(Look(VolumeNames{{1, "a"}}), ElementsAre(Pair("a", 10))) << "2 is not known yet";
  EXPECT_THAT(Look(VolumeNames{{1, "a"}, {2, "b"}}), ElementsAre(Pair("a", 10), Pair("b", 20)));
}

TEST_F(VolumeSeriesTest, OneThatSharesASeriesDoesSoForGood) {
  VolumeNames names;
  for (uint64_t id = 1; id <= kVolumesShown + 1; ++id) {
    names[id] = fmt::format("v{}", id);
    Use(id, 1);
  }
  EXPECT_EQ(Look(names)["(other)"], 1u);
  names.erase(1);
  EXPECT_EQ(Look(names)["(other)"], 2u) << "the deleted one, and the last one still";
  Use(kVolumesShown + 2, 1);
  names[kVolumesShown + 2] = "new";
  EXPECT_EQ(Look(names)["new"], 1u) << "in the place of the deleted one";
}

}  // namespace
}  // namespace baton::http
