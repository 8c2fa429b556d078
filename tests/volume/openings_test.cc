// Who has a volume open, and who may discard its content.
#include "engine/volume/openings.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace baton {
namespace {

TEST(OpeningsTest, AnOpenVolumeIsNotReserved) {
  Openings openings;
  EXPECT_TRUE(openings.Add());
  EXPECT_FALSE(Openings::Reservation(openings).holds());
  EXPECT_EQ(openings.count(), 1u);
  openings.Drop();
  EXPECT_TRUE(Openings::Reservation(openings).holds());
}

TEST(OpeningsTest, AReservedVolumeIsNotOpenedUntilItIsReleased) {
  Openings openings;
  Openings::Reservation reservation(openings);
  EXPECT_FALSE(openings.Add());
  EXPECT_FALSE(Openings::Reservation(openings).holds());
  EXPECT_EQ(openings.count(), 0u);
  reservation.Release();
  EXPECT_TRUE(openings.Add());
  EXPECT_EQ(openings.count(), 1u);
}

TEST(OpeningsTest, AReservationMayBeKeptForGood) {
  Openings openings;
  {
    Openings::Reservation reservation(openings);
    reservation.Keep();
  }
  EXPECT_FALSE(openings.Add());
  EXPECT_EQ(openings.count(), 0u);
}

TEST(OpeningsTest, NobodyHasItOpenWhileItIsReserved) {
  Openings openings;
  std::atomic<int> open = 0;
  std::atomic<bool> done = false;
  std::vector<std::thread> hosts;
  for (int i = 0; i < 3; ++i) {
    hosts.emplace_back([&] {
      while (!done) {
        if (!openings.Add()) continue;
        ++open;
        --open;
        openings.Drop();
      }
    });
  }
  for (int reserved = 0; reserved < 1000;) {
    const Openings::Reservation reservation(openings);
    if (!reservation.holds()) continue;
    ++reserved;
    EXPECT_EQ(open, 0);
  }
  done = true;
  for (std::thread& host : hosts) host.join();
  EXPECT_EQ(openings.count(), 0u);
}

}  // namespace
}  // namespace baton
