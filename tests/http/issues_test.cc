#include "cli/control/issues.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "cli/service/ha_status_reply.h"
#include "cli/service/pool_queries.h"
#include "ha/core/events.h"

namespace baton::control {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

std::set<std::string> KindsIn(const ControllerStatus& status) {
  std::set<std::string> kinds;
  for (const Issue& issue : status.issues()) kinds.insert(issue.kind());
  return kinds;
}

TEST(IssuesTest, WhatAPairSaysHasItsKind) {
  ha::HaStatus pair;
  pair.storage = absl::UnavailableError("it hangs");
  pair.shortage = absl::ResourceExhaustedError("none left");
  ha::PeerStatus& peer = pair.peers.emplace_back();
  peer.name = "right";
  peer.evicted = true;
  peer.trouble = "it has another version";
  ControllerStatus status;
  DescribeHa(pair, status);
  EXPECT_THAT(KindsIn(status), UnorderedElementsAre("storage", "descriptors", "node", "no-owner"));
}

TEST(IssuesTest, EachAlarmHasAKindOfItsName) {
  for (const ha::Alarm alarm :
       {ha::Alarm::kStorage, ha::Alarm::kOwnerSilent, ha::Alarm::kNoProof, ha::Alarm::kFenceFailed,
        ha::Alarm::kFenceUnready, ha::Alarm::kTimesDiffer, ha::Alarm::kRecoveryFailed}) {
    ha::HaStatus pair;
    pair.serves = true;
    pair.alarms = {{.alarm = alarm, .text = "why"}};
    ControllerStatus status;
    DescribeHa(pair, status);
    EXPECT_THAT(KindsIn(status), UnorderedElementsAre(ha::Name(alarm)));
    EXPECT_EQ(status.problems(0), "alarm: " + ha::Name(alarm) + ": why");
  }
}

TEST(IssuesTest, EveryKindHasANameOfItsOwn) {
  const std::vector<std::string>& names = IssueKindNames();
  EXPECT_EQ(names.size(), static_cast<size_t>(IssueKind::kOther) + 1);
  EXPECT_EQ(std::set(names.begin(), names.end()).size(), names.size());
  EXPECT_EQ(NameOf(IssueKind::kNoOwner), "no-owner");
  EXPECT_EQ(NameOf(IssueKind::kOther), "other");
}

TEST(IssuesTest, ALineIsAmongItsOwnAndAmongTheIssues) {
  ControllerStatus status;
  AddWarning(IssueKind::kVirtualMachine, "may be paused", status);
  AddProblem(IssueKind::kSpace, "full", status);
  EXPECT_THAT(status.problems(), ElementsAre("full"));
  EXPECT_THAT(status.warnings(), ElementsAre("may be paused"));
  ASSERT_EQ(status.issues_size(), 2);
  EXPECT_EQ(status.issues(0).kind(), "virtual-machine");
  EXPECT_TRUE(status.issues(0).warning());
  EXPECT_EQ(status.issues(1).text(), "full");
  EXPECT_FALSE(status.issues(1).warning());
}

}  // namespace
}  // namespace baton::control
