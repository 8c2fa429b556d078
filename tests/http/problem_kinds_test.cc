#include "cli/http/problem_kinds.h"

#include <absl/algorithm/container.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "cli/service/ha_status_reply.h"
#include "cli/service/pool_queries.h"
#include "ha/core/events.h"

namespace baton::http {
namespace {

using ::testing::UnorderedElementsAre;

std::set<std::string> KindsIn(const control::ControllerStatus& status) {
  std::set<std::string> kinds;
  for (const std::string& line : status.problems()) kinds.insert(KindOfProblem(line));
  return kinds;
}

// The lines as they are really made: whoever words one anew finds this.
TEST(ProblemKindsTest, WhatAPairSaysHasItsKind) {
  ha::HaStatus pair;
  pair.storage = absl::UnavailableError("it hangs");
  pair.shortage = absl::ResourceExhaustedError("none left");
  ha::PeerStatus& peer = pair.peers.emplace_back();
  peer.name = "right";
  peer.evicted = true;
  peer.trouble = "it has another version";
  control::ControllerStatus status;
  DescribeHa(pair, status);
  EXPECT_THAT(KindsIn(status), UnorderedElementsAre("storage", "descriptors", "node", "no-owner"));
}

TEST(ProblemKindsTest, EachAlarmHasAKindOfItsName) {
  for (const ha::Alarm alarm :
       {ha::Alarm::kStorage, ha::Alarm::kOwnerSilent, ha::Alarm::kNoProof, ha::Alarm::kFenceFailed,
        ha::Alarm::kFenceUnready, ha::Alarm::kTimesDiffer, ha::Alarm::kRecoveryFailed}) {
    ha::HaStatus pair;
    pair.serves = true;
    pair.alarms = {ha::Name(alarm) + ": why"};
    control::ControllerStatus status;
    DescribeHa(pair, status);
    EXPECT_THAT(KindsIn(status), UnorderedElementsAre(ha::Name(alarm)));
  }
}

TEST(ProblemKindsTest, EveryKindIsListedOnceAndOthersAreOther) {
  const std::vector<std::string>& kinds = ProblemKinds();
  EXPECT_EQ(std::set(kinds.begin(), kinds.end()).size(), kinds.size());
  EXPECT_EQ(KindOfProblem("something that nobody knows"), "other");
  EXPECT_TRUE(absl::c_linear_search(kinds, "other"));
  EXPECT_EQ(KindOfProblem("clone 7 (a -> b) failed: why"), "clone");
  EXPECT_EQ(KindOfProblem("write log: storage does not take what hosts wrote: why"), "write-log");
  EXPECT_EQ(KindOfProblem("there is no keeper: start batond again"), "no-keeper");
}

}  // namespace
}  // namespace baton::http
