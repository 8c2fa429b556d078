// The programs as processes: exit codes and what is printed where.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/base/testing.h"
#include "tests/cli/fake_controller.h"

namespace baton {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr int kRefused = 1;
constexpr int kUsage = 2;
constexpr int kDegraded = 3;
constexpr int kNoController = 4;
constexpr int kTimedOut = 5;

bool IsOneLine(const std::string& text) {
  return !text.empty() && text.find('\n') == text.size() - 1;
}

class ProgramsTest : public testing::Test {
 protected:
  Finished Baton(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--control", controller_.path()});
    return RunProgram("baton", arguments);
  }

  json BatonJson(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "--json");
    const Finished finished = Baton(arguments);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    return json::parse(finished.out, nullptr, false);
  }

  void ExpectRefused(const std::vector<std::string>& arguments, const std::string& says,
                     int code = kRefused) {
    const Finished finished = Baton(arguments);
    EXPECT_EQ(finished.exit_code, code) << finished.err;
    EXPECT_TRUE(IsOneLine(finished.err)) << finished.err;
    EXPECT_THAT(finished.err, StartsWith("baton: "));
    EXPECT_THAT(finished.err, HasSubstr(says));
    EXPECT_EQ(finished.out, "");
  }

  // a, b and a clone of one to the other.
  std::string MakeClone() {
    for (const char* name : {"a", "b"}) {
      EXPECT_EQ(Baton({"volume", "create", name, "--size", "1M"}).exit_code, 0);
    }
    std::string id = Baton({"clone", "create", "a", "b"}).out;
    EXPECT_TRUE(IsOneLine(id)) << id;
    id.pop_back();
    return id;
  }

  // Of a to a new volume.
  std::string MakeCloneTo(const std::string& target) {
    EXPECT_EQ(Baton({"volume", "create", target, "--size", "1M"}).exit_code, 0);
    return std::to_string(BatonJson({"clone", "create", "a", target})["id"].get<int>());
  }

  FakeController controller_;
};

TEST_F(ProgramsTest, UsageErrorsAreOneLineWithAHint) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"frobnicate"},
      {"volume"},
      {"volume", "frobnicate"},
      {"volume", "create"},
      {"volume", "create", "new"},
      {"clone", "create", "a"},
      {"clone", "wait", "1", "--timeout", "soon"},
      {"clone", "create", "a", "b", "--on-error", "panic"},
      {"status", "--frobnicate"}};
  for (const auto& arguments : wrong) ExpectRefused(arguments, "--help", kUsage);
  ExpectRefused({"volume", "create"}, "(see baton volume create --help)", kUsage);
}

TEST_F(ProgramsTest, ACommandThatThereIsNotIsNamed) {
  ExpectRefused({"frobnicate"}, "there is no command frobnicate", kUsage);
  ExpectRefused({"volume", "frobnicate", "--size", "1M"}, "there is no command frobnicate", kUsage);
  ExpectRefused({"statsu"}, "there is no command statsu; did you mean status?", kUsage);
  ExpectRefused({"volume", "creat", "x"}, "no command creat; did you mean create?", kUsage);
  ExpectRefused({"failover", "left"}, "left is one word too many", kUsage);
  ExpectRefused({}, "a command is missing: pool, status,", kUsage);
}

TEST_F(ProgramsTest, ATimeThatMakesNoSenseIsRefusedWithTheRange) {
  for (const char* timeout : {"-1", "nan", "", "1e300"}) {
    ExpectRefused({"clone", "wait", "1", "--timeout", timeout}, "from 0 to 31622400", kUsage);
    ExpectRefused({"failover", "--timeout", timeout}, "from 0.1 to 86400", kUsage);
  }
  ExpectRefused({"events", "--since", ""}, "must be like");
  ExpectRefused({"failover", "--to", ""}, "must be 1 to");
}

TEST_F(ProgramsTest, ANodeIsEvictedByItsName) {
  EXPECT_EQ(BatonJson({"node", "evict", "right"}), (json{{"node", "right"}}));
  const Finished done = Baton({"node", "evict", "right"});
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_THAT(done.out, HasSubstr("node right is evicted"));
  EXPECT_EQ(Baton({"--quiet", "node", "evict", "right"}).out, "");
  ExpectRefused({"node", "evict", "nobody"}, "no node nobody");
  ExpectRefused({"node", "evict", "../x"}, "name");
  ExpectRefused({"node", "evict"}, "--help", kUsage);
  ExpectRefused({"node"}, "a command is missing: evict", kUsage);
}

TEST_F(ProgramsTest, VolumesAreResizedAndRenamed) {
  EXPECT_EQ(Baton({"volume", "create", "a", "--size", "1M"}).exit_code, 0);
  EXPECT_EQ(BatonJson({"volume", "resize", "a", "2M"})["size_bytes"].get<int>(), 2 << 20);
  EXPECT_THAT(Baton({"volume", "resize", "a", "3M"}).out,
              StartsWith("volume a resized: 3 MiB at "));
  EXPECT_EQ(BatonJson({"volume", "rename", "a", "b"})["name"], "b");
  EXPECT_THAT(Baton({"volume", "rename", "b", "c"}).out, StartsWith("volume b renamed: c at "));
  EXPECT_EQ(Baton({"--quiet", "volume", "rename", "c", "d"}).out, "");
  ExpectRefused({"volume", "resize", "d", "big"}, "size \"big\"");
  ExpectRefused({"volume", "rename", "d", "7"}, "a number names a clone");
  ExpectRefused({"volume", "rename", "none", "e"}, "there is no volume none");
  ExpectRefused({"volume", "resize", "d"}, "--help", kUsage);
}

TEST_F(ProgramsTest, AnAnswerThatCannotBeWrittenIsAFailure) {
  const std::string command = ProgramPath("baton") + " --control " + controller_.path();
  for (const char* arguments :
       {" volume create a --size 1M", " --json volume list", " status", " --help", " --version"}) {
    const Finished full = RunProgram("/bin/sh", {"-c", command + arguments + " > /dev/full"});
    EXPECT_EQ(full.exit_code, kRefused) << arguments;
    const Finished closed = RunProgram("/bin/sh", {"-c", command + arguments + " >&-"});
    EXPECT_EQ(closed.exit_code, kRefused) << arguments;
  }
  EXPECT_THAT(RunProgram("/bin/sh", {"-c", command + " volume list > /dev/full"}).err,
              HasSubstr("could not be written to standard output: No space left"));
}

TEST_F(ProgramsTest, ARefusalThatCannotBeWrittenIsStillOne) {
  const std::string command = ProgramPath("baton") + " --control " + controller_.path();
  for (const char* where : {" 2> /dev/full", " 2>&-", " >&- 2>&-", " <&- >&- 2>&-"}) {
    EXPECT_EQ(RunProgram("/bin/sh", {"-c", command + " volume show none" + where}).exit_code,
              kRefused)
        << where;
    EXPECT_EQ(RunProgram("/bin/sh", {"-c", command + " frobnicate" + where}).exit_code, kUsage)
        << where;
    EXPECT_EQ(RunProgram("/bin/sh", {"-c", ProgramPath("batond") +
                                               " --pool /none --node n --mount /none" + where})
                  .exit_code,
              kRefused)
        << where;
  }
}

TEST_F(ProgramsTest, DaemonsUsageErrorsAreOneLineWithAHint) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"--pool", "p", "--node", "n"},
      {"--pool", "p", "--node", "BAD", "--mount", "m"},
      {"--pool", "p", "--node", "n", "--mount", "m", "--log-level", "loud"},
      {"--pool", "p", "--node", "n", "--mount", "m", "--volume-mode", "9"},
      {"--pool", "p", "--node", "n", "--mount", "m", "--volume-owner", "no-such-user-here"}};
  for (const auto& arguments : wrong) {
    const Finished finished = RunProgram("batond", arguments);
    EXPECT_EQ(finished.exit_code, kUsage) << finished.err;
    EXPECT_TRUE(IsOneLine(finished.err)) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr("see batond --help"));
  }
}

TEST_F(ProgramsTest, DaemonRefusesWhatIsNoPool) {
  const Finished finished = RunProgram(
      "batond", {"--pool", controller_.directory(), "--node", "left", "--mount",
                 controller_.directory(), "--control", controller_.directory() + "/other"});
  EXPECT_EQ(finished.exit_code, kRefused) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr(controller_.directory()));
}

TEST_F(ProgramsTest, HelpAndVersionAreNoErrors) {
  for (const char* program : {"baton", "batond"}) {
    const Finished help = RunProgram(program, {"--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.out, HasSubstr("--control"));
    EXPECT_THAT(help.out, Not(HasSubstr("Excludes")));
    EXPECT_EQ(RunProgram(program, {"--version"}).exit_code, 0);
  }
  EXPECT_THAT(Baton({"clone", "create", "--help"}).out, HasSubstr("--extent"));
}

TEST_F(ProgramsTest, WithoutAControllerSaysWhereItLooked) {
  controller_.Die();
  ExpectRefused({"status"}, controller_.path(), kNoController);
  std::filesystem::remove(controller_.path());
  ExpectRefused({"status"}, controller_.path(), kNoController);
}

TEST_F(ProgramsTest, StatusSaysWhetherItIsHealthy) {
  const json healthy = BatonJson({"status"});
  EXPECT_EQ(healthy["node"], "left");
  EXPECT_EQ(healthy["epoch"], 7);
  EXPECT_EQ(healthy["healthy"], true);
  controller_.engine().SetCloneState(std::stoull(MakeClone()), "failed", "why");
  const Finished degraded = Baton({"status"});
  EXPECT_EQ(degraded.exit_code, kDegraded);
  EXPECT_THAT(degraded.out, HasSubstr("degraded"));
  EXPECT_THAT(degraded.out, HasSubstr("why"));
}

TEST_F(ProgramsTest, JsonMayStandBehindTheCommand) {
  const Finished finished = Baton({"volume", "list", "--json"});
  EXPECT_EQ(json::parse(finished.out)["volumes"], json::array());
}

TEST_F(ProgramsTest, VolumesComeAndGo) {
  const json created = BatonJson({"volume", "create", "web", "--size", "10G"});
  EXPECT_EQ(created["size_bytes"], 10737418240);
  EXPECT_EQ(BatonJson({"volume", "list"})["volumes"][0]["name"], "web");
  EXPECT_THAT(Baton({"volume", "show", "web"}).out, HasSubstr("10 GiB"));
  EXPECT_EQ(Baton({"--quiet", "volume", "delete", "web"}).out, "");
  EXPECT_EQ(BatonJson({"volume", "list"})["volumes"], json::array());
}

TEST_F(ProgramsTest, BadValuesAreRefusedAndNothingIsSent) {
  ExpectRefused({"volume", "create", "Web", "--size", "1M"}, "Web");
  ExpectRefused({"volume", "create", "--size", "1M", "--", "-web"}, "-web");
  ExpectRefused({"volume", "create", "--size", "1M", "--", "a\nb"}, "name");
  ExpectRefused({"volume", "create", "--size", "1M", "--", "\xff"}, "name");
  ExpectRefused({"volume", "create", "web", "--size", "-4096"}, "-4096");
  ExpectRefused({"volume", "create", "web", "--size", "big"}, "big");
  ExpectRefused({"clone", "create", "a", "b", "--rate", "fast"}, "fast");
  ExpectRefused({"clone", "create", "a", "b", "--latency-target", "5"}, "\"5\"");
  ExpectRefused({"clone", "create", "a", "b", "--latency-target", "-5ms"}, "-5ms");
  ExpectRefused({"clone", "set", "1", "--latency-target", "1us"}, "from 100us to 10s");
  ExpectRefused({"clone", "set", "1", "--latency-target", "inf"}, "inf");
  ExpectRefused({"clone", "set", "1"}, "--rate or --latency-target");
  ExpectRefused({"clone", "status", "--", "-1"}, "-1");
  ExpectRefused({"clone", "start", "--", "-1"}, "-1");
  EXPECT_EQ(controller_.engine().changes(), 0);
  EXPECT_EQ(controller_.garbled(), 0U);
}

TEST_F(ProgramsTest, ARefusalOfTheControllerIsOneLine) {
  ExpectRefused({"volume", "show", "none"}, "there is no volume none");
  ExpectRefused({"volume", "create", "web", "--size", "4097"}, "multiple");
  ExpectRefused({"clone", "pause", "none"}, "there is no clone with the id or the target none");
}

TEST_F(ProgramsTest, CloneCreatePrintsTheIdAndNothingElse) {
  const std::string id = MakeClone();
  EXPECT_EQ(BatonJson({"clone", "create", "a", "b"}), json({{"id", std::stoull(id) + 1}}));
  EXPECT_EQ(BatonJson({"clone", "list"})["clones"].size(), 2U);
}

TEST_F(ProgramsTest, ClonesAreChangedByIdOrTarget) {
  const std::string id = MakeClone();
  EXPECT_EQ(BatonJson({"clone", "activate", id})["clones"][0]["state"], "activated");
  EXPECT_EQ(BatonJson({"clone", "start", "b"})["clones"][0]["state"], "copying");
  EXPECT_EQ(BatonJson({"clone", "pause", "b"})["state"], "paused");
  EXPECT_EQ(BatonJson({"clone", "resume", id})["state"], "copying");
  EXPECT_EQ(BatonJson({"clone", "set", id, "--rate", "1M/s"})["rate_bytes_per_second"], 1048576);
  EXPECT_EQ(BatonJson({"clone", "set", id, "--latency-target", "5ms"})["latency_target_us"], 5000);
  EXPECT_EQ(BatonJson({"clone", "status", id})["rate_bytes_per_second"], 1048576) << "stays";
  const json both = BatonJson({"clone", "set", id, "--rate", "2M", "--latency-target", "off"});
  EXPECT_EQ(both["rate_bytes_per_second"], 2097152);
  EXPECT_EQ(both["latency_target_us"], 0);
  EXPECT_EQ(BatonJson({"clone", "stop", id})["state"], "stopped");
  EXPECT_EQ(BatonJson({"clone", "delete", id})["id"], std::stoull(id));
  EXPECT_EQ(BatonJson({"clone", "list"})["clones"], json::array());
}

TEST_F(ProgramsTest, ResidualListsExtentsInRuns) {
  const std::string id = MakeClone();
  controller_.engine().SetPendingRuns(3);
  EXPECT_EQ(BatonJson({"clone", "residual", id})["pending"], json::array());
  const json residual = BatonJson({"clone", "residual", id, "--extents"});
  EXPECT_EQ(residual["pending"][1], json({{"first", 2}, {"count", 1}}));
  EXPECT_THAT(Baton({"clone", "residual", id, "--extents"}).out, HasSubstr("pending  4"));
}

TEST_F(ProgramsTest, WaitTellsHowTheCloneEnded) {
  const std::string id = MakeClone();
  const uint64_t number = std::stoull(id);
  controller_.engine().SetCloneState(number, "copying");
  ExpectRefused({"clone", "wait", id, "--timeout", "0.1"}, "copying", kTimedOut);
  controller_.engine().SetCloneState(number, "completed");
  EXPECT_EQ(Baton({"clone", "wait", id}).exit_code, 0);
  EXPECT_EQ(BatonJson({"clone", "wait", id})["certificate"], "c0ffee");
  controller_.engine().SetCloneState(number, "failed", "the target is full");
  ExpectRefused({"clone", "wait", id}, "the target is full");
  controller_.engine().SetCloneState(number, "stopped");
  ExpectRefused({"clone", "wait", id}, "stopped");
}

TEST_F(ProgramsTest, WatchPrintsAJsonLineForEachChange) {
  const std::string id = MakeClone();
  controller_.engine().SetCloneState(std::stoull(id), "completed");
  const Finished finished = Baton({"--json", "clone", "watch", id});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_TRUE(IsOneLine(finished.out)) << finished.out;
  EXPECT_EQ(json::parse(finished.out)["state"], "completed");
}

// Older pools have volumes with such names.
TEST_F(ProgramsTest, ANumberThatIsATargetToo) {
  MakeClone();
  const std::string number = MakeCloneTo("c");
  ASSERT_OK(controller_.engine().CreateVolume({.name = number, .size_bytes = 1 << 20}));
  const auto other =
      controller_.engine().CreateClone({.source = "a", .target = number, .extent_bytes = 65536});
  ASSERT_OK(other);
  const int changes = controller_.engine().changes();
  for (const char* verb : {"activate", "start", "stop", "delete", "status", "verify"}) {
    ExpectRefused({"clone", verb, number}, fmt::format("say +{} or +{}", number, *other));
  }
  EXPECT_EQ(controller_.engine().changes(), changes);
  EXPECT_EQ(BatonJson({"clone", "status", "+" + number})["target"], "c");
  EXPECT_EQ(BatonJson({"clone", "status", fmt::format("+{}", *other)})["target"], number);
}

TEST_F(ProgramsTest, NumbersAreNoNamesOfNewVolumes) {
  for (const char* name : {"7", "07", "123456789012345678901"}) {
    ExpectRefused({"volume", "create", name, "--size", "1M"}, "a number names a clone");
    ExpectRefused({"volume", "import", name, "/dev/null"}, "a number names a clone");
  }
  for (const char* name : {"7a", "v7", "7.0"}) {
    EXPECT_EQ(Baton({"volume", "create", name, "--size", "1M"}).exit_code, 0);
  }
}

TEST_F(ProgramsTest, AFileThatLiesInThePoolIsAdopted) {
  controller_.engine().SetFile("restored");
  EXPECT_EQ(BatonJson({"volume", "adopt", "restored"})["name"], "restored");
  ExpectRefused({"volume", "adopt", "restored"}, "there is no file");
  ExpectRefused({"volume", "adopt", "7"}, "a number names a clone");
}

TEST_F(ProgramsTest, TheKernelTellsWhoAsked) {
  EXPECT_EQ(Baton({"volume", "create", "a", "--size", "1M"}).exit_code, 0);
  EXPECT_THAT(
      controller_.commands(),
      testing::ElementsAre(testing::ContainsRegex(fmt::format(
          "volume create a .*user {} .process [1-9][0-9]* on node left.: done", ::getuid()))));
}

TEST_F(ProgramsTest, VerifyListsWhatDiffersAndFails) {
  const std::string id = MakeClone();
  EXPECT_EQ(Baton({"clone", "verify", id}).exit_code, 0);
  controller_.engine().SetDiffering(2);
  const Finished differs = Baton({"clone", "verify", id});
  EXPECT_EQ(differs.exit_code, kRefused);
  EXPECT_THAT(differs.out, HasSubstr("differs  10\ndiffers  12\n"));
  EXPECT_THAT(differs.err, HasSubstr("2 of 100 extents differ"));
  const Finished as_json = Baton({"--json", "clone", "verify", id});
  EXPECT_EQ(as_json.exit_code, kRefused);
  EXPECT_EQ(json::parse(as_json.out)["extents_differing"], 2);
}

TEST_F(ProgramsTest, EventsAreListedFromATimeOn) {
  Event event;
  event.set_kind("clone-started");
  event.set_text("clone 3 was started");
  ASSERT_OK(controller_.engine().RecordEvent(event));
  EXPECT_THAT(Baton({"events"}).out, HasSubstr("clone-started  clone 3 was started"));
  EXPECT_EQ(BatonJson({"events"})["events"][0]["sequence"], 1);
  EXPECT_EQ(BatonJson({"events", "--since", "2999-01-01"})["events"], json::array());
  ExpectRefused({"events", "--since", "yesterday"}, "yesterday");
}

TEST_F(ProgramsTest, AnImportThatFailsLeavesNoVolume) {
  const std::string image = controller_.directory() + "/image";
  std::ofstream(image) << std::string(8192, 'x');
  // The fake's volumes are nowhere to be found in the mount.
  ExpectRefused({"volume", "import", "new", image}, "the partial volume new was deleted");
  EXPECT_EQ(BatonJson({"volume", "list"})["volumes"], json::array());
  ExpectRefused({"volume", "import", "new", image + ".none"}, image);
}

TEST_F(ProgramsTest, PoolInitNeedsNoController) {
  const std::string pool = controller_.directory() + "/pool";
  const Finished made = RunProgram("baton", {"pool", "init", pool, "--durability", "sync"});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_TRUE(std::filesystem::exists(pool + "/pool.pb"));
  ExpectRefused({"pool", "init", pool}, pool);
  ExpectRefused({"pool", "init", controller_.directory() + "/no/pool"}, "no/pool");
  EXPECT_FALSE(std::filesystem::exists(controller_.directory() + "/no"));
}

}  // namespace
}  // namespace baton
