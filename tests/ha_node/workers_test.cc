// Threads of a controller that wait for something on behalf of others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ha/node/fence_monitor.h"
#include "ha/node/opens_reporter.h"
#include "ha/node/storage_jobs.h"
#include "tests/base/testing.h"
#include "tests/ha_node/fake_network.h"
#include "tests/sim/sim_runtime.h"

namespace baton::ha {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(StorageJobsTest, AnswersWithWhatTheJobSays) {
  sim::SimRuntime runtime(1);
  StorageJobs jobs(runtime);
  EXPECT_OK(jobs.Do([] { return absl::OkStatus(); }));
  EXPECT_TRUE(absl::IsNotFound(jobs.Do([] { return absl::NotFoundError("gone"); })));
}

TEST(StorageJobsTest, NobodyHangsWithTheStorageAndWhatNobodyWaitsForIsNotBegun) {
  sim::SimRuntime runtime(1);
  StorageJobs jobs(runtime);
  bool has_begun = false;
  const absl::Duration began = runtime.BootTime();
  const absl::Status hung = jobs.Do([&runtime] {
    runtime.SleepFor(absl::Seconds(30));
    return absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsUnavailable(hung));
  EXPECT_LT(runtime.BootTime() - began, absl::Seconds(4));
  const absl::Status second = jobs.Do([&has_begun] {
    has_begun = true;
    return absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsUnavailable(second));
  runtime.SleepFor(absl::Seconds(60));
  EXPECT_FALSE(has_begun);
  EXPECT_OK(jobs.Do([] { return absl::OkStatus(); }));
}

TEST(StorageJobsTest, NobodyWaitsAfterTheEnd) {
  sim::SimRuntime runtime(1);
  StorageJobs jobs(runtime);
  jobs.StopWaiting();
  const absl::Duration began = runtime.BootTime();
  EXPECT_TRUE(absl::IsUnavailable(jobs.Do([&runtime] {
    runtime.SleepFor(absl::Seconds(1));
    return absl::OkStatus();
  })));
  EXPECT_LT(runtime.BootTime() - began, absl::Seconds(1));
}

class FenceMonitorTest : public testing::Test {
 protected:
  // For `time`, each 50 ms; `heard` sends heartbeats meanwhile.
  void Live(absl::Duration time, const std::vector<std::string>& heard) {
    const absl::Duration end = runtime_.BootTime() + time;
    while (runtime_.BootTime() < end) {
      for (const std::string& node : heard) {
        Heartbeat heartbeat;
        heartbeat.set_node(node);
        peers_.Note(heartbeat);
      }
      monitor_.Tick();
      runtime_.SleepFor(absl::Milliseconds(50));
    }
  }
  absl::Status Ask(const std::string& node) {
    asked_.push_back(node);
    EXPECT_EQ(++asking_, 1);
    runtime_.SleepFor(takes_);
    --asking_;
    return answer_;
  }

  sim::SimRuntime runtime_{1};
  PeerTable peers_{runtime_, absl::Milliseconds(500)};
  EventQueue events_{runtime_};
  std::vector<std::string> asked_;
  absl::Status answer_;
  absl::Duration takes_ = absl::Milliseconds(10);
  int asking_ = 0;
  FenceMonitor monitor_{
      runtime_,
      {.ask = [this](const std::string& node) { return Ask(node); }, .every = absl::Seconds(10)},
      peers_,
      events_};
};

TEST_F(FenceMonitorTest, AsksAPeerThatHasComeSoonAndThenNowAndThen) {
  Live(absl::Seconds(1.8), {"b"});
  EXPECT_THAT(asked_, IsEmpty());
  Live(absl::Seconds(0.5), {"b"});
  EXPECT_THAT(asked_, ElementsAre("b"));
  Live(absl::Seconds(9), {"b"});
  EXPECT_THAT(asked_, ElementsAre("b"));
  Live(absl::Seconds(2), {"b"});
  EXPECT_THAT(asked_, ElementsAre("b", "b"));
}

TEST_F(FenceMonitorTest, TellsTheCoordinatorWhatTheCommandSaid) {
  answer_ = absl::UnavailableError("no power switch");
  Live(absl::Seconds(3), {"b"});
  const std::vector<Event> events = events_.Take(runtime_.BootTime());
  ASSERT_EQ(events.size(), 1u);
  const event::FenceMonitored& monitored = std::get<event::FenceMonitored>(events[0]);
  EXPECT_EQ(monitored.node, "b");
  EXPECT_FALSE(monitored.ok);
  EXPECT_THAT(monitored.text, HasSubstr("no power switch"));
}

TEST_F(FenceMonitorTest, OneThatIsNotHeardIsNotAskedAbout) {
  Live(absl::Seconds(1), {"b"});
  Live(absl::Seconds(20), {});
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(FenceMonitorTest, AsksAboutOneAtATime) {
  takes_ = absl::Seconds(3);
  Live(absl::Seconds(4), {"b", "c"});
  EXPECT_THAT(asked_, ElementsAre("b"));
  Live(absl::Seconds(4), {"b", "c"});
  EXPECT_THAT(asked_, ElementsAre("b", "c"));
}

// At the owner, with the peers b and c.
class OpensReporterTest : public testing::Test {
 protected:
  OpensReporterTest() {
    for (const char* peer : {"b", "c"}) {
      remotes_[peer] = std::make_unique<RemoteVolumes>(runtime_, network_, peer, "boot");
    }
  }
  std::vector<std::string> Calls() const {
    std::vector<std::string> calls;
    for (const FakeNetwork::Asked& asked : network_.calls) {
      calls.push_back(asked.peer +
                      (asked.call.has_lock_freed() ? " lock freed "
                       : asked.call.has_open_set() ? " open set "
                                                   : " other ") +
                      std::to_string(asked.call.lock_freed().id()));
    }
    return calls;
  }

  sim::SimRuntime runtime_{1};
  FakeNetwork network_;
  RemotePeers remotes_;
  Router router_{runtime_};
  absl::Status evicted_;
  OpensReporter reporter_{runtime_, router_, remotes_, network_,
                          [this](const absl::Status& why) { evicted_ = why; }};
};

TEST_F(OpensReporterTest, FreeLocksAreToldOnceToThosePeersThatAreThere) {
  network_.connected_peers = {"c"};
  network_.answer = [](const FakeNetwork::Asked&) { return peer_api::Answer(); };
  reporter_.TellLockFreed(7);
  reporter_.TellLockFreed(7);
  reporter_.Start();
  runtime_.SleepFor(absl::Seconds(1));
  EXPECT_THAT(Calls(), ElementsAre("c lock freed 7"));
  reporter_.Stop();
}

TEST_F(OpensReporterTest, AnOwnerIsToldAtOnceAndAgainWhenItsConnectionIsBack) {
  network_.answer = [](const FakeNetwork::Asked&) { return peer_api::Answer(); };
  reporter_.Start();
  runtime_.SleepFor(absl::Seconds(1));
  EXPECT_THAT(Calls(), IsEmpty());
  remotes_["b"]->SetEpoch(1);
  router_.Route(remotes_["b"].get());
  reporter_.Wake();
  runtime_.SleepFor(absl::Milliseconds(10));
  EXPECT_THAT(Calls(), ElementsAre("b open set 0"));
  runtime_.SleepFor(absl::Seconds(1));
  EXPECT_THAT(Calls(), ElementsAre("b open set 0"));
  reporter_.TellAgain("b");
  runtime_.SleepFor(absl::Milliseconds(10));
  EXPECT_THAT(Calls(), ElementsAre("b open set 0", "b open set 0"));
  reporter_.Stop();
}

TEST_F(OpensReporterTest, AnOwnerThatComesWhileAnotherOneIsToldIsToldAtOnceToo) {
  network_.answer = [this](const FakeNetwork::Asked& asked) {
    if (asked.peer == "b") {
      remotes_["c"]->SetEpoch(2);
      router_.Route(remotes_["c"].get());
      reporter_.Wake();
    }
    return peer_api::Answer();
  };
  remotes_["b"]->SetEpoch(1);
  router_.Route(remotes_["b"].get());
  reporter_.Start();
  runtime_.SleepFor(absl::Milliseconds(10));
  EXPECT_THAT(Calls(), ElementsAre("b open set 0", "c open set 0"));
  reporter_.Stop();
}

}  // namespace
}  // namespace baton::ha
