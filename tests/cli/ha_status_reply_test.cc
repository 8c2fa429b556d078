#include "cli/service/ha_status_reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton {
namespace {

using ::testing::Contains;

TEST(HaStatusReplyTest, WhatKeepsAPeerFromForwardingIsAProblemOfIt) {
  ha::HaStatus pair;
  ha::PeerStatus& peer = pair.peers.emplace_back();
  peer.name = "right";
  peer.connected = true;
  peer.heard = absl::ZeroDuration();
  peer.is_heard = true;
  control::ControllerStatus well;
  DescribeHa(pair, well);
  peer.trouble = "it has another version";
  control::ControllerStatus status;
  DescribeHa(pair, status);
  EXPECT_THAT(status.problems(), Contains("node right: it has another version"));
  EXPECT_EQ(status.problems_size(), well.problems_size() + 1);
}

TEST(HaStatusReplyTest, AForecastWithoutAProofHasNoEnd) {
  ha::HaStatus pair;
  pair.forecasts = {
      {.loss = ha::Loss::kProcess, .proof = Proof::kCertificate, .wait = absl::Milliseconds(350)},
      {.loss = ha::Loss::kNode, .proof = std::nullopt}};
  control::ControllerStatus status;
  DescribeHa(pair, status);
  ASSERT_EQ(status.takeover_forecast_size(), 2);
  EXPECT_EQ(status.takeover_forecast(0).proof(), "certificate");
  EXPECT_EQ(status.takeover_forecast(0).wait_ms(), 350u);
  EXPECT_EQ(status.takeover_forecast(1).loss(), "node");
  EXPECT_EQ(status.takeover_forecast(1).proof(), "");
}

}  // namespace
}  // namespace baton
