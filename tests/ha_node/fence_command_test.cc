// A fence agent is run as the convention says, and what it says is believed only with status 0.
#include "ha/node/fence_command.h"

#include <absl/time/clock.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "engine/base/status.h"
#include "engine/base/unique_fd.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"

namespace baton::ha {
namespace {

using testing::HasSubstr;

class FenceCommandTest : public testing::Test {
 protected:
  // A shell script as the agent.
  FenceCommand Agent(const std::string& script) {
    const std::string path = directory_.path() + "/agent";
    std::ofstream(path) << "#!/bin/bash\ncd " << directory_.path() << "\n" << script << "\n";
    EXPECT_EQ(::chmod(path.c_str(), 0755), 0);
    FenceCommand command;
    command.program = path;
    return command;
  }
  std::string Read(const std::string& name) {
    std::ifstream in(directory_.path() + "/" + name);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }

  TemporaryDirectory directory_;
};

TEST_F(FenceCommandTest, TellsTheAgentItsOptionsOnStandardInput) {
  FenceCommand command = Agent("cat >input; echo \"$#\" >arguments");
  command.options = {
      {"ip", "bmc-{node}.example"}, {"port", "{node}/{node}"}, {"tricky", "a=b $(x)"}};
  ASSERT_OK(RunFenceCommand(command, "left"));
  EXPECT_EQ(Read("input"),
            "action=off\nip=bmc-left.example\nnodename=left\nplug=left\nport=left/left\n"
            "tricky=a=b $(x)\n");
  EXPECT_EQ(Read("arguments"), "0\n");
}

TEST_F(FenceCommandTest, ConfiguredOptionsReplaceTheNodesName) {
  FenceCommand command = Agent("cat >input");
  command.options = {{"plug", "outlet-7"}};
  ASSERT_OK(RunFenceCommand(command, "left"));
  EXPECT_EQ(Read("input"), "action=off\nnodename=left\nplug=outlet-7\n");
}

TEST_F(FenceCommandTest, TheMonitorIsToldSoAndAsksTheSame) {
  FenceCommand command = Agent("cat >input; echo would be found");
  command.options = {{"ip", "bmc-{node}"}};
  EXPECT_EQ(Must(RunFenceCommand(command, "left", FenceAction::kMonitor)), "would be found");
  EXPECT_EQ(Read("input"), "action=monitor\nip=bmc-left\nnodename=left\nplug=left\n");
}

TEST_F(FenceCommandTest, StatusZeroConfirmsAndTheLastLineIsKept) {
  EXPECT_EQ(Must(RunFenceCommand(Agent("echo first; echo left is off >&2; echo"), "left")),
            "left is off");
  EXPECT_EQ(Must(RunFenceCommand(Agent("exit 0"), "left")), "");
}

TEST_F(FenceCommandTest, AnyOtherEndIsNoConfirmation) {
  const auto failed = RunFenceCommand(Agent("echo left is off; exit 3"), "left");
  EXPECT_CODE(failed, kUnavailable);
  EXPECT_THAT(Message(failed.status()), HasSubstr("exited with status 3: left is off"));
  const auto killed = RunFenceCommand(Agent("echo left is off; kill -TERM $$"), "left");
  EXPECT_CODE(killed, kUnavailable);
  EXPECT_THAT(Message(killed.status()), HasSubstr("killed by signal 15"));
  FenceCommand missing;
  missing.program = directory_.path() + "/missing";
  EXPECT_FALSE(RunFenceCommand(missing, "left").ok());
}

TEST_F(FenceCommandTest, AtTheTimeoutTheAgentIsKilledWithAllThatItStarted) {
  FenceCommand command = Agent(
      "trap '' TERM\n"
      "(trap '' TERM; echo $BASHPID >child; sleep 60) &\n"
      "while [[ ! -s child ]]; do sleep 0.01; done; echo waiting; wait");
  command.timeout = absl::Seconds(1.5);
  const absl::Time begun = absl::Now();
  const auto result = RunFenceCommand(command, "left");
  EXPECT_CODE(result, kDeadlineExceeded);
  EXPECT_THAT(Message(result.status()), HasSubstr("killed after 1.5s: waiting"));
  EXPECT_LT(absl::Now() - begun, absl::Seconds(10));
  const pid_t child = std::stoi(Read("child"));
  for (int i = 0; i < 500 && ::kill(child, 0) == 0; ++i) absl::SleepFor(absl::Milliseconds(10));
  std::ifstream status("/proc/" + std::to_string(child) + "/stat");
  std::string number, name, state;
  status >> number >> name >> state;
  EXPECT_TRUE(!status || state == "Z" || state == "X") << "the child is " << state;
}

TEST_F(FenceCommandTest, AChildThatKeepsTheOutputOpenIsNotWaitedFor) {
  FenceCommand command = Agent("sleep 20 & echo $! >child; echo left is off");
  const absl::Time begun = absl::Now();
  EXPECT_EQ(Must(RunFenceCommand(command, "left")), "left is off");
  EXPECT_LT(absl::Now() - begun, absl::Seconds(8));
  ::kill(std::stoi(Read("child")), SIGKILL);
}

TEST_F(FenceCommandTest, MuchOutputIsReadAndOnlyTheEndKept) {
  EXPECT_EQ(Must(RunFenceCommand(
                Agent("for i in {1..20000}; do echo some more words; done; echo the end"), "left")),
            "the end");
}

TEST_F(FenceCommandTest, TheAgentInheritsNoDescriptorAndNoSignalSetting) {
  const UniqueFd leak(::open("/dev/null", O_RDONLY));  // not close-on-exec
  ASSERT_TRUE(leak.valid());
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto old_handler = ::signal(SIGPIPE, SIG_IGN);
  const auto result = RunFenceCommand(
      Agent("exec python3 -c \"import os;"
            "fds=[f for f in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/'+f)"
            " and int(f) > 2];"
            "s=dict(l.split(':\\t') for l in open('/proc/self/status').read().splitlines());"
            "print(fds, s['SigBlk'])\""),
      "left");
  ::signal(SIGPIPE, old_handler);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_OK(result);
  EXPECT_EQ(*result, "[] 0000000000000000");
}

}  // namespace
}  // namespace baton::ha
