// The small things that several threads know together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/stop_signal.h"
#include "ha/node/alarm_list.h"
#include "ha/node/confined.h"
#include "ha/node/event_queue.h"
#include "ha/node/latest_lease.h"
#include "ha/node/pending_notes.h"
#include "ha/node/seal_feedback.h"
#include "ha/node/served_epoch.h"
#include "tests/sim/sim_runtime.h"

namespace baton::ha {
namespace {

using testing::ElementsAre;

TEST(PendingNotesTest, KeepsTheNewestAndNoMoreThanItMay) {
  PendingNotes notes;
  const size_t added = PendingNotes::kMost + 50;
  for (size_t i = 0; i < added; ++i) notes.Add({.kind = "k", .text = std::to_string(i)});
  const auto taken = notes.Take();
  ASSERT_EQ(taken.size(), PendingNotes::kMost);
  EXPECT_EQ(taken.front().text, "50");
  EXPECT_EQ(taken.back().text, std::to_string(added - 1));
  EXPECT_TRUE(notes.Take().empty());
}

TEST(LatestLeaseTest, TellsANewEpochFromARenewal) {
  LatestLease lease;
  EXPECT_FALSE(lease.Read().has_value());
  LeaseRecord record;
  record.epoch = 3;
  record.counter = 1;
  EXPECT_TRUE(lease.Note(record));
  record.counter = 2;
  EXPECT_FALSE(lease.Note(record));
  ASSERT_TRUE(lease.Of(3).has_value());
  EXPECT_EQ(lease.Of(3)->counter, 2u);
  record.epoch = 4;
  EXPECT_TRUE(lease.Note(record));
  EXPECT_FALSE(lease.Of(3).has_value());
}

TEST(SealFeedbackTest, AnswersForTheEpochThatWasToldOf) {
  SealFeedback feedback;
  EXPECT_FALSE(feedback.ReceivedOf(0).has_value());
  peer_api::Feedback said;
  said.set_epoch(7);
  said.add_residuals()->set_id(1);
  feedback.KeepReceived(said);
  EXPECT_FALSE(feedback.ReceivedOf(6).has_value());
  ASSERT_TRUE(feedback.ReceivedOf(7).has_value());
  EXPECT_EQ(feedback.ReceivedOf(7)->residuals_size(), 1);
  EXPECT_EQ(feedback.Own().epoch(), 0u);
}

TEST(SealFeedbackTest, ItsOwnIsThatOfTheLastSealAlone) {
  SealFeedback feedback;
  feedback.KeepOwn(3, {Residual(), Residual()});
  feedback.KeepOwn(5, {Residual()});
  EXPECT_EQ(feedback.Own().epoch(), 5u);
  EXPECT_EQ(feedback.Own().residuals_size(), 1);
}

TEST(AlarmListTest, HasALineForEachUntilItIsOver) {
  AlarmList alarms;
  alarms.Raise({.alarm = Alarm::kStorage, .text = "gone"});
  alarms.Raise({.alarm = Alarm::kNoProof, .text = "nobody knows"});
  const auto lines = [&alarms] {
    std::vector<std::string> all;
    for (const auto& raised : alarms.Raised())
      all.push_back(Name(raised.alarm) + ": " + raised.text);
    return all;
  };
  EXPECT_THAT(lines(), ElementsAre("storage: gone", "no-proof: nobody knows"));
  alarms.Clear({.alarm = Alarm::kStorage});
  EXPECT_THAT(lines(), ElementsAre("no-proof: nobody knows"));
}

TEST(EventQueueTest, GivesEventsInTheirOrderAndOnce) {
  sim::SimRuntime runtime(1);
  EventQueue events(runtime);
  events.Post(event::Handover{"a"});
  events.Post(event::NoLease{});
  const std::vector<Event> taken = events.Take(runtime.BootTime());
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<event::Handover>(taken[0]));
  EXPECT_TRUE(std::holds_alternative<event::NoLease>(taken[1]));
  EXPECT_TRUE(events.Take(runtime.BootTime()).empty());
}

TEST(EventQueueTest, WaitsForOneUntilTheDeadlineOrTheEnd) {
  sim::SimRuntime runtime(1);
  EventQueue events(runtime);
  const absl::Duration began = runtime.BootTime();
  EXPECT_TRUE(events.Take(began + absl::Milliseconds(50)).empty());
  EXPECT_GE(runtime.BootTime() - began, absl::Milliseconds(50));
  const auto thread = runtime.StartThread("poster", [&] {
    runtime.SleepFor(absl::Milliseconds(10));
    events.Post(event::NoLease{});
  });
  EXPECT_EQ(events.Take(runtime.BootTime() + absl::Seconds(60)).size(), 1u);
  EXPECT_LT(runtime.BootTime() - began, absl::Seconds(1));
  events.Stop();
  EXPECT_TRUE(events.Take(runtime.BootTime() + absl::Seconds(60)).empty());
  EXPECT_LT(runtime.BootTime() - began, absl::Seconds(1));
}

TEST(StopSignalTest, ARestLastsItsTimeUnlessItIsStopped) {
  sim::SimRuntime runtime(1);
  StopSignal stop(runtime);
  const absl::Duration began = runtime.BootTime();
  EXPECT_TRUE(stop.Rest(absl::Seconds(1)));
  EXPECT_GE(runtime.BootTime() - began, absl::Seconds(1));
  const auto thread = runtime.StartThread("stopper", [&] {
    runtime.SleepFor(absl::Seconds(1));
    stop.Stop();
  });
  EXPECT_FALSE(stop.Rest(absl::Seconds(60)));
  EXPECT_LT(runtime.BootTime() - began, absl::Seconds(3));
  EXPECT_TRUE(stop.stopped());
  EXPECT_FALSE(stop.Rest(absl::Seconds(60)));
}

TEST(ServedEpochTest, MayRepeatAFailureWhileItIsYoung) {
  sim::SimRuntime runtime(1);
  ServedEpoch epoch(runtime);
  EXPECT_FALSE(epoch.MayRepeatFailure());
  epoch.Begin({.follows_failure = false});
  EXPECT_FALSE(epoch.MayRepeatFailure());
  epoch.Begin({.follows_failure = true});
  EXPECT_TRUE(epoch.MayRepeatFailure());
  runtime.SleepFor(absl::Milliseconds(1900));
  EXPECT_TRUE(epoch.MayRepeatFailure());
  runtime.SleepFor(absl::Milliseconds(200));
  EXPECT_FALSE(epoch.MayRepeatFailure());
}

TEST(ServedEpochTest, WhoWaitsGoesOnWhenItEndsAndNotInTheNextOne) {
  sim::SimRuntime runtime(1);
  ServedEpoch epoch(runtime);
  epoch.Begin({});
  const auto thread = runtime.StartThread("sealer", [&] {
    runtime.SleepFor(absl::Seconds(1));
    epoch.End();
  });
  const absl::Duration began = runtime.BootTime();
  EXPECT_FALSE(epoch.Rest(absl::Seconds(60)));
  EXPECT_LT(runtime.BootTime() - began, absl::Seconds(2));
  EXPECT_TRUE(epoch.ending());
  epoch.Begin({});
  EXPECT_FALSE(epoch.ending());
  EXPECT_TRUE(epoch.Rest(absl::Milliseconds(1)));
}

TEST(ServedEpochTest, NoneBeginsAfterTheEndOfAll) {
  sim::SimRuntime runtime(1);
  ServedEpoch epoch(runtime);
  epoch.Stop();
  epoch.Begin({});
  EXPECT_TRUE(epoch.ending());
  EXPECT_FALSE(epoch.Rest(absl::Seconds(60)));
}

TEST(ConfinedTest, JobsAreDoneInTheirOrderAndNoneAfterTheEnd) {
  sim::SimRuntime runtime(1);
  std::vector<int> done;
  Confined<std::vector<int>> numbers(runtime, "numbers");
  for (int i = 0; i < 3; ++i) {
    numbers.Do([&done, i](std::vector<int>& mine) {
      mine.push_back(i);
      done = mine;
    });
  }
  runtime.SleepFor(absl::Seconds(1));
  EXPECT_THAT(done, ElementsAre(0, 1, 2));
  numbers.Stop();
  numbers.Do([&done](std::vector<int>&) { done.clear(); });
  runtime.SleepFor(absl::Seconds(1));
  EXPECT_THAT(done, ElementsAre(0, 1, 2));
}

}  // namespace
}  // namespace baton::ha
