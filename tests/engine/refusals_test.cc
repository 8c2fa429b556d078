// What a clone refuses: the right code, one line, and nothing is changed.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "tests/engine/engine_pool.h"

namespace baton {
namespace {

class Refusals : public EngineTest {
 protected:
  Refusals() : EngineTest(MemoryDirectory()) {
    MakeVolume("src");
    MakeVolume("dst");
    Fill("src", 1);
  }
};

TEST_F(Refusals, VolumesThatAreNotThere) {
  EXPECT_REFUSED(pool_->CreateClone(Options("src", "none")), kNotFound, "there is no volume none");
  EXPECT_REFUSED(pool_->CreateClone(Options("none", "dst")), kNotFound, "there is no volume none");
  EXPECT_REFUSED(pool_->CreateClone(Options("src", "NO!")), kInvalidArgument, "name");
}

TEST_F(Refusals, AVolumeOntoItself) {
  EXPECT_REFUSED(pool_->CreateClone(Options("src", "src")), kInvalidArgument,
                 "source and target are the same volume, src");
}

TEST_F(Refusals, VolumesOfDifferentSizes) {
  MakeVolume("small", kSize - limits::kBlockBytes);
  MakeVolume("large", kSize + limits::kBlockBytes);
  EXPECT_REFUSED(pool_->CreateClone(Options("src", "small")), kInvalidArgument, "differ in size");
  EXPECT_REFUSED(pool_->CreateClone(Options("src", "large")), kInvalidArgument, "differ in size");
}

TEST_F(Refusals, ExtentSizes) {
  for (const uint64_t extent_bytes : {uint64_t{0}, uint64_t{1}, uint64_t{2048}, uint64_t{12288},
                                      uint64_t{65537}, 2 * limits::kMaxExtentBytes, UINT64_MAX}) {
    CloneOptions options = Options("src", "dst");
    options.extent_bytes = extent_bytes;
    EXPECT_REFUSED(pool_->CreateClone(options), kInvalidArgument, "extent size");
  }
}

TEST_F(Refusals, LatencyTargets) {
  const uint64_t id = Create("src", "dst");
  for (const uint64_t target_us : {uint64_t{1}, uint64_t{99}, uint64_t{10'000'001}, UINT64_MAX}) {
    CloneOptions options = Options("src", "dst");
    options.latency_target_us = target_us;
    EXPECT_REFUSED(pool_->CreateClone(options), kInvalidArgument, "latency target");
    EXPECT_REFUSED(pool_->SetCloneLatencyTarget(id, target_us), kInvalidArgument, "100us to 10s");
  }
}

TEST_F(Refusals, ClonesThatAreNotThere) {
  EXPECT_REFUSED(pool_->ActivateClones({99}), kNotFound, "there is no clone 99");
  EXPECT_REFUSED(pool_->StartClones({99}), kNotFound, "there is no clone 99");
  EXPECT_REFUSED(pool_->PauseClone(99), kNotFound, "there is no clone 99");
  EXPECT_REFUSED(pool_->ResumeClone(99), kNotFound, "there is no clone 99");
  EXPECT_REFUSED(pool_->StopClone(99), kNotFound, "there is no clone 99");
  EXPECT_REFUSED(pool_->DeleteClone(99), kNotFound, "there is no clone 99");
  EXPECT_REFUSED(pool_->SetCloneRate(99, 1), kNotFound, "there is no clone 99");
  EXPECT_REFUSED(pool_->SetCloneLatencyTarget(99, 1000), kNotFound, "there is no clone 99");
  EXPECT_REFUSED(pool_->ShowClone(99), kNotFound, "there is no clone 99");
  EXPECT_REFUSED(pool_->CloneResidual(99, true), kNotFound, "there is no clone 99");
  EXPECT_REFUSED(pool_->VerifyClone(99, nullptr), kNotFound, "there is no clone 99");
  EXPECT_REFUSED(pool_->FindClone("dst"), kNotFound, "dst");
}

TEST_F(Refusals, CommandsWithoutAClone) {
  EXPECT_REFUSED(pool_->ActivateClones({}), kInvalidArgument, "name a clone");
  EXPECT_REFUSED(pool_->StartClones({}), kInvalidArgument, "name a clone");
}

// Every command in every state: allowed where the manual says so, refused everywhere else.
class InState : public Refusals, public testing::WithParamInterface<std::string> {};

TEST_P(InState, OnlyTheCommandsOfTheManualAreTaken) {
  const std::map<std::string, std::set<std::string>> allowed = {
      {"activate", {"created", "stopped"}},
      {"start", {"activated"}},
      {"pause", {"copying"}},
      {"resume", {"paused"}},
      {"stop", {"activated", "copying", "paused"}},
      {"delete", {"created", "completed", "stopped"}},
      {"verify", {"completed"}},
  };
  const std::string& state = GetParam();
  const uint64_t id = MakeIn(state);
  const std::map<std::string, std::function<absl::Status()>> commands = {
      {"activate", [&] { return pool_->ActivateClones({id}); }},
      {"start", [&] { return pool_->StartClones({id}); }},
      {"pause", [&] { return pool_->PauseClone(id); }},
      {"resume", [&] { return pool_->ResumeClone(id); }},
      {"stop", [&] { return pool_->StopClone(id); }},
      {"delete", [&] { return pool_->DeleteClone(id); }},
      {"verify", [&] { return pool_->VerifyClone(id, nullptr).status(); }},
  };
  for (const auto& [name, command] : commands) {
    if (allowed.at(name).contains(state)) continue;
    EXPECT_REFUSED(command(), kFailedPrecondition, "it is " + state + ", and " + name + " needs:");
  }
  for (const auto& [name, command] : commands) {
    if (!allowed.at(name).contains(state)) continue;
    EXPECT_OK(command()) << name << " when " << state;
    break;  // the state is another one now
  }
}

INSTANTIATE_TEST_SUITE_P(State, InState,
                         testing::Values("created", "activated", "copying", "paused", "completed",
                                         "stopped"),
                         [](const auto& info) { return info.param; });

TEST_F(Refusals, OfAGroupThatCannotStartAsAWholeNothingStarts) {
  MakeVolume("other");
  const uint64_t ready = Activate("src", "dst");
  const uint64_t not_ready = Create("src", "other");
  EXPECT_REFUSED(pool_->StartClones({ready, not_ready}), kFailedPrecondition, "it is created");
  EXPECT_REFUSED(pool_->StartClones({ready, 99}), kNotFound, "there is no clone 99");
  EXPECT_EQ(StateOf(ready), "activated");
}

TEST_F(Refusals, OfAGroupThatCannotBeActivatedAsAWholeNothingIs) {
  const uint64_t first = Create("src", "dst");
  const uint64_t second = Create("src", "dst");
  EXPECT_REFUSED(pool_->ActivateClones({first, second}), kFailedPrecondition,
                 "volume dst is the target of clone");
  EXPECT_EQ(StateOf(first), "created");
}

TEST_F(Refusals, ATargetThatIsOpenIsNotDiscarded) {
  const uint64_t id = Create("src", "dst");
  const std::unique_ptr<VolumeIo> io = OpenByName("dst");
  EXPECT_REFUSED(pool_->ActivateClones({id}), kFailedPrecondition, "volume dst is open");
}

// While a clone holds its volumes, no other may use its target, nor its source as a target.
class Held : public Refusals, public testing::WithParamInterface<std::string> {};

TEST_P(Held, VolumesAreNotUsedOtherwise) {
  MakeVolume("other");
  MakeVolume("more");
  const uint64_t onto_source = Create("other", "src");
  const uint64_t onto_target = Create("other", "dst");
  const uint64_t from_target = Create("dst", "other");
  const uint64_t id = MakeIn(GetParam());
  const std::string held = "volume dst is the target of clone " + std::to_string(id);
  EXPECT_REFUSED(pool_->CreateClone(Options("more", "dst")), kFailedPrecondition, held);
  EXPECT_REFUSED(pool_->CreateClone(Options("dst", "more")), kFailedPrecondition, held);
  EXPECT_REFUSED(pool_->ActivateClones({onto_target}), kFailedPrecondition, held);
  EXPECT_REFUSED(pool_->ActivateClones({from_target}), kFailedPrecondition, held);
  if (GetParam() == "stopped") return;  // it has let go of its source
  const std::string source = "volume src is the source of clone " + std::to_string(id);
  EXPECT_REFUSED(pool_->CreateClone(Options("more", "src")), kFailedPrecondition, source);
  EXPECT_REFUSED(pool_->ActivateClones({onto_source}), kFailedPrecondition, source);
}

INSTANTIATE_TEST_SUITE_P(By, Held, testing::Values("activated", "copying", "paused", "stopped"),
                         [](const auto& info) { return info.param; });

// A stopped clone holds its target only. When it begins anew its source may have become what
// no source may be: the target of a clone that is running.
TEST_F(Refusals, AStoppedCloneIsNotActivatedAgainWhileItsSourceIsATarget) {
  MakeVolume("other");
  Fill("other", 2);
  const uint64_t stopped = MakeIn("stopped");
  const uint64_t onto_source = Start("other", "src", kCrawl);
  ASSERT_OK(pool_->PauseClone(onto_source));  // nothing else changes meanwhile
  EXPECT_REFUSED(pool_->ActivateClones({stopped}), kFailedPrecondition,
                 "volume src is the target of clone " + std::to_string(onto_source));
  ASSERT_OK(pool_->ResumeClone(onto_source));
  Complete(onto_source);
  ASSERT_OK(pool_->ActivateClones({stopped}));
  ASSERT_OK(pool_->StartClones({stopped}));
  Complete(stopped);
  EXPECT_EQ(Content("dst"), Filled(2));
}

TEST_F(Refusals, VerifyingWithoutDigests) {
  CloneOptions options = Options("src", "dst");
  options.no_digests = true;
  const uint64_t id = Must(pool_->CreateClone(options));
  ASSERT_OK(pool_->ActivateClones({id}));
  ASSERT_OK(pool_->StartClones({id}));
  Complete(id);
  EXPECT_REFUSED(pool_->VerifyClone(id, nullptr), kFailedPrecondition, "--no-digests");
}

TEST_F(Refusals, MoreActiveClonesThanTheLimit) {
  for (uint64_t i = 0; i <= limits::kMaxActiveRelations; ++i) {
    const std::string name = "t" + std::to_string(i);
    MakeVolume(name);
    const uint64_t id = Create("src", name);
    if (i < limits::kMaxActiveRelations) {
      ASSERT_OK(pool_->ActivateClones({id}));
    } else {
      EXPECT_REFUSED(pool_->ActivateClones({id}), kResourceExhausted, "256 clones are active");
    }
  }
}

}  // namespace
}  // namespace baton
