#include "cli/service/control_service.h"

#include <absl/time/clock.h>

#include <random>
#include <set>

#include "cli/control/control.h"
#include "tests/base/testing.h"
#include "tests/cli/fake_controller.h"

namespace baton::control {
namespace {

using testing::HasSubstr;

Response AskOf(FakeController& controller, Request request) {
  request.set_version(kControlVersion);
  const auto bytes = controller.Handle(Encode(request), std::nullopt);
  Response response;
  EXPECT_TRUE(bytes.has_value() && Decode(*bytes, response));
  return response;
}

class ControlServiceTest : public testing::Test {
 protected:
  Response Ask(const Request& request) { return AskOf(controller_, request); }

  void CreateVolume(const std::string& name, uint64_t size_bytes = 1 << 20) {
    Request request;
    request.mutable_volume_create()->set_name(name);
    request.mutable_volume_create()->set_size_bytes(size_bytes);
    EXPECT_EQ(Ask(request).code(), 0U);
  }

  std::string CreateClone(const std::string& source, const std::string& target) {
    Request request;
    request.mutable_clone_create()->set_source(source);
    request.mutable_clone_create()->set_target(target);
    request.mutable_clone_create()->set_extent_bytes(65536);
    return std::to_string(Ask(request).clone_id().id());
  }

  Response PollVerification(uint64_t job) {
    Request request;
    request.mutable_verify_poll()->set_job(job);
    Response response = Ask(request);
    while (response.code() == 0 && !response.verify().finished()) {
      absl::SleepFor(absl::Milliseconds(1));
      response = Ask(request);
    }
    return response;
  }

  uint64_t StartVerification(const std::string& clone) {
    Request request;
    request.mutable_verify_start()->set_clone(clone);
    return Ask(request).verify().job();
  }

  FakeController controller_;
  FakeEngine& engine_ = controller_.engine();
};

TEST_F(ControlServiceTest, HasEveryCommandOfTheProtocol) {
  const auto* commands = Request::descriptor()->FindOneofByName("command");
  ASSERT_GT(commands->field_count(), 0);
  for (int i = 0; i < commands->field_count(); ++i) {
    Request request;
    Request::GetReflection()->MutableMessage(&request, commands->field(i));
    EXPECT_NE(Ask(request).code(), static_cast<uint32_t>(absl::StatusCode::kUnimplemented))
        << commands->field(i)->name();
  }
}

TEST_F(ControlServiceTest, DropsAGarbledRequestAndChangesNothing) {
  Request request;
  request.set_version(kControlVersion);
  request.mutable_volume_create()->set_name("new");
  request.mutable_volume_create()->set_size_bytes(4096);
  const std::string good = Encode(request);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string garbled = good;
    garbled[bit / 8] = static_cast<char>(garbled[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(controller_.Handle(garbled, std::nullopt).has_value()) << bit;
  }
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(controller_.Handle(good.substr(0, length), std::nullopt).has_value()) << length;
  }
  EXPECT_EQ(engine_.changes(), 0);
}

TEST_F(ControlServiceTest, DropsRandomBytes) {
  std::mt19937 random(1);
  for (int i = 0; i < 10000; ++i) {
    std::string bytes(random() % 64, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    EXPECT_FALSE(controller_.Handle(bytes, std::nullopt).has_value());
  }
  EXPECT_EQ(engine_.changes(), 0);
}

TEST_F(ControlServiceTest, RefusesAnotherVersionOfTheProtocolAndSaysWhich) {
  Request request;
  request.set_version(kControlVersion + 1);
  request.mutable_volume_create()->set_name("new");
  Response response;
  ASSERT_TRUE(Decode(controller_.Handle(Encode(request), std::nullopt).value_or(""), response));
  EXPECT_EQ(response.code(), static_cast<uint32_t>(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(response.message(), HasSubstr("version"));
  EXPECT_EQ(engine_.changes(), 0);
}

TEST_F(ControlServiceTest, PassesTheEnginesRefusalOn) {
  Request request;
  request.mutable_volume_show()->set_name("none");
  const Response response = Ask(request);
  EXPECT_EQ(response.code(), static_cast<uint32_t>(absl::StatusCode::kNotFound));
  EXPECT_EQ(response.message(), "there is no volume none; `baton volume list` shows all");
  EXPECT_EQ(response.result_case(), Response::RESULT_NOT_SET);
}

TEST_F(ControlServiceTest, ShowsAVolumeAsAFileOfTheMount) {
  CreateVolume("web");
  Request request;
  request.mutable_volume_show()->set_name("web");
  EXPECT_EQ(Ask(request).volume().path(), "/mnt/volumes/web");
}

TEST_F(ControlServiceTest, ListsMoreVolumesThanFitInAMessagePageByPage) {
  constexpr int kVolumes = 12'000;
  const std::string suffix(50, 'x');
  for (int i = 0; i < kVolumes; ++i) {
    ASSERT_OK(engine_.CreateVolume({.name = fmt::format("v{}-{}", i, suffix), .size_bytes = 4096}));
  }
  std::set<std::string> names;
  Request request;
  request.mutable_volume_list();
  Response response = Ask(request);
  ASSERT_LT(response.volumes().volumes_size(), kVolumes);
  while (response.volumes().volumes_size() > 0) {
    EXPECT_LE(response.ByteSizeLong(), limits::kMaxMessageBytes);
    for (const VolumeStatus& volume : response.volumes().volumes()) names.insert(volume.name());
    request.mutable_volume_list()->set_after(*names.rbegin());
    response = Ask(request);
  }
  EXPECT_EQ(names.size(), size_t{kVolumes});
}

TEST_F(ControlServiceTest, ListsClonesInTheOrderOfTheirNumbers) {
  CreateVolume("a");
  for (int i = 0; i < 12; ++i) {
    CreateVolume(fmt::format("t{}", i));
    CreateClone("a", fmt::format("t{}", i));
  }
  Request request;
  request.mutable_clone_list();
  const CloneList all = Ask(request).clones();
  ASSERT_EQ(all.clones_size(), 12);
  request.mutable_clone_list()->set_after(std::to_string(all.clones(9).id()));
  const CloneList rest = Ask(request).clones();
  ASSERT_EQ(rest.clones_size(), 2);
  EXPECT_EQ(rest.clones(1).id(), all.clones(11).id());
}

TEST_F(ControlServiceTest, StartsAGroupOnceHoweverOftenAMemberIsNamed) {
  CreateVolume("a");
  CreateVolume("b");
  const std::string id = CreateClone("a", "b");
  Request request;
  request.mutable_clone_start()->add_clones(id);
  request.mutable_clone_start()->add_clones("b");
  const Response response = Ask(request);
  ASSERT_EQ(response.clones().clones_size(), 1);
  EXPECT_EQ(response.clones().clones(0).state(), "copying");
}

TEST_F(ControlServiceTest, TellsOfTargetsWhoseContentACommandChanges) {
  CreateVolume("a");
  CreateVolume("b");
  const uint64_t target = Must(engine_.ShowVolume("b")).id();
  Request activate;
  activate.mutable_clone_activate()->add_clones(CreateClone("a", "b"));
  Ask(activate);
  EXPECT_EQ(controller_.changed_volumes(), std::vector<uint64_t>{target});
}

TEST_F(ControlServiceTest, CutsAResidualToAMessageAndSaysSo) {
  CreateVolume("a");
  CreateVolume("b");
  constexpr uint64_t kRuns = 500'000;
  engine_.SetPendingRuns(kRuns);
  Request request;
  request.mutable_clone_residual()->set_clone(CreateClone("a", "b"));
  request.mutable_clone_residual()->set_extents(true);
  const ResidualAnswer answer = Ask(request).residual();
  EXPECT_LE(answer.ByteSizeLong(), limits::kMaxMessageBytes);
  EXPECT_GT(answer.residual().pending_size(), 0);
  EXPECT_EQ(static_cast<uint64_t>(answer.residual().pending_size()) + answer.runs_left_out(),
            kRuns);
  EXPECT_EQ(answer.residual().runs_left_out(), answer.runs_left_out());
  EXPECT_EQ(answer.residual().extents_pending(), kRuns);
}

TEST_F(ControlServiceTest, IsDegradedByAFailedClone) {
  CreateVolume("a");
  CreateVolume("b");
  Request request;
  request.mutable_status();
  EXPECT_TRUE(Ask(request).status().healthy());
  engine_.SetCloneState(std::stoull(CreateClone("a", "b")), "failed", "the target is full");
  const ControllerStatus status = Ask(request).status();
  EXPECT_FALSE(status.healthy());
  ASSERT_EQ(status.problems_size(), 1);
  EXPECT_THAT(status.problems(0), HasSubstr("the target is full"));
}

TEST_F(ControlServiceTest, GivesEventsAfterASequenceUpToALimit) {
  for (int i = 0; i < 10; ++i) ASSERT_OK(engine_.RecordEvent(Event()));
  Request request;
  request.mutable_events()->set_after_sequence(4);
  request.mutable_events()->set_limit(3);
  const EventList list = Ask(request).events();
  ASSERT_EQ(list.events_size(), 3);
  EXPECT_EQ(list.events(0).sequence(), 5U);
}

TEST_F(ControlServiceTest, VerifiesInAJobThatIsPolled) {
  CreateVolume("a");
  CreateVolume("b");
  engine_.SetDiffering(2);
  const uint64_t job = StartVerification(CreateClone("a", "b"));
  const Response response = PollVerification(job);
  ASSERT_TRUE(response.verify().finished());
  EXPECT_EQ(response.verify().report().differing_size(), 2);
  EXPECT_EQ(PollVerification(job).code(), static_cast<uint32_t>(absl::StatusCode::kNotFound));
}

// The client goes on asking after a restart or a takeover.
TEST_F(ControlServiceTest, AVerificationIsNothingToAnotherController) {
  FakeController successor;
  const auto verify = [](FakeController& controller) {
    for (const char* name : {"a", "b"}) {
      EXPECT_OK(controller.engine().CreateVolume({.name = name, .size_bytes = 1 << 20}));
    }
    EXPECT_OK(controller.engine().CreateClone({.source = "a", .target = "b"}));
    Request request;
    request.mutable_verify_start()->set_clone("b");
    return AskOf(controller, request).verify().job();
  };
  const uint64_t job = verify(controller_);
  verify(successor);
  Request request;
  request.mutable_verify_poll()->set_job(job);
  const Response response = AskOf(successor, request);
  EXPECT_EQ(response.code(), static_cast<uint32_t>(absl::StatusCode::kNotFound));
  EXPECT_THAT(response.message(), HasSubstr("start it again"));
}

TEST_F(ControlServiceTest, NotesWhoAskedForWhatAndWhetherItWasDone) {
  const auto ask = [this](Request request) {
    request.set_version(kControlVersion);
    request.mutable_caller()->set_node("forged");
    controller_.Handle(Encode(request), ha::LocalPeer{.uid = 1000, .pid = 77});
  };
  Request create;
  create.mutable_volume_create()->set_name("a");
  create.mutable_volume_create()->set_size_bytes(1 << 20);
  ask(create);
  Request stop;
  stop.mutable_clone_stop()->set_clone("none");
  ask(stop);
  Request question;
  question.mutable_volume_list();
  ask(question);
  EXPECT_THAT(
      controller_.commands(),
      testing::ElementsAre(
          "volume create a of 1 MiB was asked for by user 1000 (process 77 on node left): done",
          HasSubstr("clone stop none was asked for by user 1000 (process 77 on node left): "
                    "refused: there is no clone")));
}

TEST_F(ControlServiceTest, AnEvictionIsNotedAndAnsweredWithItsNode) {
  Request request;
  request.mutable_node_evict()->set_name("right");
  EXPECT_EQ(Ask(request).evicted().node(), "right");
  request.mutable_node_evict()->set_name("nobody");
  EXPECT_EQ(Ask(request).code(), static_cast<uint32_t>(absl::StatusCode::kNotFound));
  request.mutable_node_evict()->set_name("NO/NE");
  EXPECT_EQ(Ask(request).code(), static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(controller_.commands(),
              testing::ElementsAre(testing::AllOf(HasSubstr("node evict right was asked for by"),
                                                  HasSubstr(": done")),
                                   HasSubstr("refused: no node nobody"), HasSubstr("refused: ")));
}

TEST_F(ControlServiceTest, WhatAPeerPassesOnIsNotedAsAskedForThere) {
  Request request;
  request.set_version(kControlVersion);
  request.mutable_volume_create()->set_name("a");
  request.mutable_volume_create()->set_size_bytes(1 << 20);
  request.mutable_caller()->set_node("forged");
  request.mutable_caller()->set_uid(5);
  request.mutable_caller()->set_pid(6);
  ASSERT_OK(controller_.service().HandleAsOwner("right", Encode(request)));
  request.clear_caller();  // of an older program
  ASSERT_OK(controller_.service().HandleAsOwner("right", Encode(request)));
  EXPECT_THAT(controller_.commands(),
              testing::ElementsAre(HasSubstr("user 5 (process 6 on node right): done"),
                                   HasSubstr("somebody on node right: refused: ")));
}

TEST_F(ControlServiceTest, RefusalsDoNotFloodTheEvents) {
  Request request;
  request.mutable_volume_delete()->set_name("none");
  for (int i = 0; i < 100; ++i) EXPECT_NE(Ask(request).code(), 0U);
  EXPECT_EQ(controller_.commands().size(), 20u);
}

TEST_F(ControlServiceTest, CancelsAVerification) {
  CreateVolume("a");
  CreateVolume("b");
  engine_.HoldVerifications();
  Request request;
  request.mutable_verify_cancel()->set_job(StartVerification(CreateClone("a", "b")));
  EXPECT_EQ(Ask(request).code(), 0U);
  EXPECT_EQ(engine_.verifications_given_up(), 1);
}

TEST_F(ControlServiceTest, RunsAFewVerificationsAtOneTimeAndNotMore) {
  CreateVolume("a");
  CreateVolume("b");
  const std::string clone = CreateClone("a", "b");
  engine_.HoldVerifications();
  for (size_t i = 0; i < VerifyJobs::kMaxJobs; ++i) EXPECT_GT(StartVerification(clone), 0U);
  Request request;
  request.mutable_verify_start()->set_clone(clone);
  EXPECT_EQ(Ask(request).code(), static_cast<uint32_t>(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace baton::control
