#include "cli/service/drill_service.h"

#include <absl/time/clock.h>

#include "engine/base/system_runtime.h"
#include "tests/base/testing.h"
#include "tests/cli/fake_engine.h"

namespace baton::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kVolume[] = "drill-0123abcd";
constexpr uint64_t kBytes = 4 << 20;

class DrillServiceTest : public testing::Test {
 protected:
  DrillServiceTest() {
    status_.set_node("left");
    status_.set_epoch(7);
    status_.set_pid(4711);
    status_.set_healthy(true);
    status_.set_pool_free_bytes(100 << 20);
    status_.set_pool_total_bytes(200 << 20);
    status_.add_nodes()->set_name("left");
    status_.add_nodes()->set_name("right");
    Caller& caller = caller_;
    caller.set_node("right");
    caller.set_uid(0);
    caller.set_pid(12);
  }

  absl::Status Begin(const std::string& drill = "crash", const std::string& volume = kVolume,
                     uint64_t size_bytes = kBytes) {
    DrillBegin request;
    request.set_drill(drill);
    request.set_volume(volume);
    request.set_size_bytes(size_bytes);
    const absl::StatusOr<DrillBegun> begun = service_.Begin(request, caller_);
    if (begun.ok()) leftovers_.assign(begun->leftovers().begin(), begun->leftovers().end());
    return begun.status();
  }
  absl::StatusOr<Done> End(const std::string& result) {
    DrillEnd request;
    request.set_drill("crash");
    request.set_volume(kVolume);
    request.set_result(result);
    request.set_longest_wait_ms(164);
    return service_.End(request, caller_);
  }
  void MakeVolume(const std::string& name) {
    EXPECT_OK(engine_.CreateVolume({.name = name, .size_bytes = kBytes}).status());
  }
  std::vector<std::string> Told() {
    std::vector<std::string> told;
    for (const Event& event : Must(engine_.ListEvents(0, 100))) {
      told.push_back(event.kind() + ": " + event.text());
    }
    return told;
  }
  DrillOrder Order() {
    DrillOrder order;
    order.set_volume(kVolume);
    return order;
  }

  SystemRuntime runtime_;
  FakeEngine engine_;
  ControllerStatus status_;
  Caller caller_;
  absl::Status may_crash_;
  absl::Duration crashes_in_;
  absl::Duration isolated_;
  size_t events_before_crash_ = 0;
  std::vector<std::string> leftovers_;
  DrillService service_{{.engine = engine_,
                         .runtime = runtime_,
                         .status = [this] { return status_; },
                         .await_opens = {},
                         .crash = {.check = [this] { return may_crash_; },
                                   .give =
                                       [this](absl::Duration delay) {
                                         crashes_in_ = delay;
                                         events_before_crash_ = Told().size();
                                         return absl::OkStatus();
                                       }},
                         .isolate =
                             [this](absl::Duration time) {
                               isolated_ = time;
                               return absl::OkStatus();
                             }}};
};

TEST_F(DrillServiceTest, TheEventsHaveWhoBeganItAndHowItEnded) {
  EXPECT_OK(Begin());
  EXPECT_OK(End("passed"));
  EXPECT_THAT(Told(),
              ElementsAre("drill-began: drill crash with volume drill-0123abcd of 4 MiB was "
                          "begun by user 0 (process 12 on node right)",
                          "drill-ended: drill crash with volume drill-0123abcd: passed; "
                          "longest wait 164 ms; by user 0 (process 12 on node right)"));
}

// An event with half of a character could not be read any more, nor those after it.
TEST_F(DrillServiceTest, ALongResultIsCutBetweenCharacters) {
  EXPECT_OK(Begin());
  EXPECT_OK(End(std::string(299, 'x') + "\u00fc and so on"));
  EXPECT_THAT(Told()[1], HasSubstr(std::string(299, 'x') + "; longest wait"));
}

TEST_F(DrillServiceTest, ACrashIsRecordedBeforeItHappensAndAnsweredBefore) {
  MakeVolume(kVolume);
  const DrillStruck struck = Must(service_.Crash(Order(), caller_));
  EXPECT_EQ(struck.node(), "left");
  EXPECT_EQ(struck.epoch(), 7U);
  EXPECT_EQ(struck.pid(), 4711U);
  EXPECT_GT(crashes_in_, absl::ZeroDuration());
  EXPECT_EQ(events_before_crash_, 1U);
  EXPECT_THAT(Told()[0], HasSubstr("node left, process 4711: its process is killed"));
}

TEST_F(DrillServiceTest, NothingIsStruckWithoutADrillsVolume) {
  DrillPartition cut;
  cut.set_volume(kVolume);
  cut.set_milliseconds(1000);
  EXPECT_CODE(service_.Crash(Order(), caller_), kFailedPrecondition);
  EXPECT_CODE(service_.Partition(cut, caller_), kFailedPrecondition);
  MakeVolume("disk");
  cut.set_volume("disk");
  EXPECT_CODE(service_.Partition(cut, caller_), kFailedPrecondition);
  EXPECT_EQ(crashes_in_ + isolated_, absl::ZeroDuration());
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(DrillServiceTest, NothingIsStruckThatHasBecomeDegraded) {
  MakeVolume(kVolume);
  status_.set_healthy(false);
  status_.add_problems("node right is not reachable");
  EXPECT_CODE(service_.Crash(Order(), caller_), kFailedPrecondition);
  EXPECT_EQ(crashes_in_, absl::ZeroDuration());
}

TEST_F(DrillServiceTest, APartitionIsBounded) {
  MakeVolume(kVolume);
  DrillPartition cut;
  cut.set_volume(kVolume);
  for (const uint64_t ms : {uint64_t{0}, uint64_t{30'001}, ~uint64_t{0}}) {
    cut.set_milliseconds(ms);
    EXPECT_CODE(service_.Partition(cut, caller_), kInvalidArgument);
  }
  EXPECT_EQ(isolated_, absl::ZeroDuration());
  cut.set_milliseconds(30'000);
  EXPECT_OK(service_.Partition(cut, caller_).status());
  EXPECT_EQ(isolated_, absl::Seconds(30));
}

TEST_F(DrillServiceTest, RefusesWhatThePairCouldNotStand) {
  status_.set_takeover("manual");
  EXPECT_CODE(Begin("crash"), kFailedPrecondition);
  status_.set_takeover("auto");
  may_crash_ = absl::FailedPreconditionError("no keeper");
  EXPECT_CODE(Begin("crash"), kFailedPrecondition);
  may_crash_ = absl::OkStatus();
  EXPECT_CODE(Begin("crash", kVolume, 64 << 20), kResourceExhausted);
  EXPECT_CODE(Begin("crash", kVolume, 4097), kInvalidArgument);
  EXPECT_CODE(Begin("crash", "disk"), kInvalidArgument);
  EXPECT_CODE(Begin("flood"), kInvalidArgument);
  status_.set_healthy(false);
  EXPECT_CODE(Begin("handover"), kFailedPrecondition);
  status_.set_healthy(true);
  status_.mutable_nodes()->RemoveLast();
  EXPECT_CODE(Begin("handover"), kFailedPrecondition);
  EXPECT_CODE(Begin("partition"), kFailedPrecondition);
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_OK(Begin("crash"));
}

TEST_F(DrillServiceTest, OneRunsAtATime) {
  EXPECT_OK(Begin());
  EXPECT_CODE(Begin("handover", "drill-00000000"), kFailedPrecondition);
  EXPECT_OK(End("passed"));
  EXPECT_OK(Begin("handover", "drill-00000000"));
}

TEST_F(DrillServiceTest, OnlyWhatADrillHasMadeIsALeftover) {
  MakeVolume("drill-ffffffff");
  EXPECT_OK(Begin());
  EXPECT_THAT(leftovers_, IsEmpty());
  MakeVolume("drill-0123abcd-copy");
  EXPECT_OK(End("failed: the network"));
  EXPECT_OK(Begin("handover", "drill-00000000"));
  EXPECT_THAT(leftovers_, ElementsAre(kVolume));
}

}  // namespace
}  // namespace baton::control
