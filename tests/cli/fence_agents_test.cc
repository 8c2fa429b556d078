// The fence agents of packaging/fence: one kills real processes, the others talk to programs that
// are played here.
#include <absl/strings/str_join.h>
#include <absl/time/clock.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/base/status.h"
#include "engine/base/unique_fd.h"
#include "ha/node/fence_command.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

using testing::HasSubstr;

class FenceAgentTest : public testing::Test {
 protected:
  ~FenceAgentTest() override { ::setenv("PATH", path_.c_str(), 1); }

  std::string PathOf(const std::string& name) const { return directory_.path() + "/" + name; }

  void Write(const std::string& name, const std::string& text, mode_t mode = 0644) {
    std::ofstream(PathOf(name)) << text;
    ASSERT_EQ(::chmod(PathOf(name).c_str(), mode), 0);
  }
  std::string Read(const std::string& name) const {
    std::ifstream in(PathOf(name));
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }

  // A program of that name, found before the real one: notes how it is called, then does as the
  // script says.
  void Play(const std::string& program, const std::string& script) {
    Write(program,
          "#!/bin/bash\ncd " + directory_.path() + "\necho \"" + program + " $*\" >>calls\n" +
              script + "\n",
          0755);
    ::setenv("PATH", (directory_.path() + ":" + path_).c_str(), 1);
  }

  absl::StatusOr<std::string> Fence(const std::string& agent,
                                    std::map<std::string, std::string> options) {
    ha::FenceCommand command;
    command.program = std::string(FENCE_AGENTS) + "/" + agent;
    command.options = std::move(options);
    command.timeout = absl::Seconds(30);
    return ha::RunFenceCommand(command, "left");
  }

  TemporaryDirectory directory_;
  const std::string path_ = std::getenv("PATH");
};

// ---- fence-local-process ----------------------------------------------------------------------

// A keeper with a child that holds the lock, as a batond has; both ignore what can be ignored.
class LocalProcessTest : public FenceAgentTest {
 protected:
  LocalProcessTest() {
    std::filesystem::copy_file("/bin/bash", PathOf("batond"));
    Write("left.lock", "");
    Write("keeper.sh", "trap '' TERM INT HUP\ncd " + directory_.path() +
                           "\n"
                           "(exec 9>>left.lock; flock -n 9; trap '' TERM; echo $BASHPID >child; "
                           "while :; do sleep 0.05; done) &\n"
                           "wait\n");
  }
  ~LocalProcessTest() override {
    for (const pid_t pid : {keeper_, child()}) {
      if (pid > 0) ::kill(pid, SIGKILL);
    }
    if (keeper_ > 0) ::waitpid(keeper_, nullptr, 0);
  }

  void StartNode() {
    keeper_ = ::fork();
    if (keeper_ == 0) {
      ::execl(PathOf("batond").c_str(), "batond", PathOf("keeper.sh").c_str(), nullptr);
      ::_exit(1);
    }
    while (Read("child").empty()) absl::SleepFor(absl::Milliseconds(5));
    Write("left.pid", std::to_string(keeper_) + "\n");
  }

  pid_t child() const {
    const std::string text = Read("child");
    return text.empty() ? 0 : std::stoi(text);
  }
  // It was killed: the lock that is free says so of its controller, which may be over before.
  bool KeeperDied() {
    int status = 0;
    pid_t reaped = 0;
    for (int i = 0; i < 1000 && reaped == 0; ++i) {
      if (i > 0) absl::SleepFor(absl::Milliseconds(5));
      reaped = ::waitpid(keeper_, &status, WNOHANG);
    }
    if (reaped == keeper_) keeper_ = 0;
    return reaped > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }
  // A zombie of another parent counts as dead.
  static bool IsAlive(pid_t pid) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string number, name, state;
    return stat >> number >> name >> state && state != "Z" && state != "X";
  }

  std::map<std::string, std::string> Options() const {
    return {{"pidfile", PathOf("{node}.pid")}, {"lock", PathOf("{node}.lock")}, {"wait", "2"}};
  }

  pid_t keeper_ = 0;
};

TEST_F(LocalProcessTest, KillsAKeeperAndItsControllerAndConfirmsIt) {
  StartNode();
  const pid_t controller = child();
  EXPECT_THAT(Must(Fence("fence-local-process", Options())), HasSubstr("left: nobody holds"));
  EXPECT_FALSE(IsAlive(controller));
  EXPECT_TRUE(KeeperDied());
}

TEST_F(LocalProcessTest, ConfirmsANodeThatIsDeadAlready) {
  StartNode();
  ASSERT_OK(Fence("fence-local-process", Options()));
  EXPECT_OK(Fence("fence-local-process", Options()));
  // As an empty group, but for the lock.
  auto by_group = Options();
  by_group.erase("pidfile");
  by_group["cgroup"] = PathOf("no.group");
  EXPECT_OK(Fence("fence-local-process", by_group));
  std::filesystem::remove(PathOf("left.pid"));
  EXPECT_OK(Fence("fence-local-process", Options()));
}

TEST_F(LocalProcessTest, AControllerThatItDoesNotFindIsNoConfirmation) {
  StartNode();
  const pid_t controller = child();
  // The keeper is gone, its controller is nobody's child any more.
  ::kill(keeper_, SIGKILL);
  ::waitpid(keeper_, nullptr, 0);
  keeper_ = 0;
  const auto result = Fence("fence-local-process", Options());
  EXPECT_THAT(Message(result.status()), HasSubstr("somebody still holds"));
  EXPECT_TRUE(IsAlive(controller));
}

TEST_F(LocalProcessTest, ANumberThatIsSomebodyElsesByNowIsNotKilled) {
  const pid_t other = ::fork();
  if (other == 0) {
    ::execl("/bin/sleep", "sleep", "60", nullptr);
    ::_exit(1);
  }
  Write("left.pid", std::to_string(other) + "\n");
  EXPECT_OK(Fence("fence-local-process", Options()));  // nobody holds the lock
  EXPECT_TRUE(IsAlive(other));
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
}

TEST_F(LocalProcessTest, WhatCannotBeConfirmedIsRefused) {
  EXPECT_FALSE(Fence("fence-local-process", {}).ok());
  EXPECT_FALSE(Fence("fence-local-process", {{"pidfile", PathOf("left.pid")}}).ok());
  EXPECT_FALSE(
      Fence("fence-local-process", {{"pidfile", PathOf("left.pid")}, {"lock", PathOf("no.lock")}})
          .ok());
  EXPECT_FALSE(Fence("fence-local-process", {{"cgroup", directory_.path()}}).ok());
  auto options = Options();
  options["action"] = "reboot";
  EXPECT_THAT(Message(Fence("fence-local-process", options).status()), HasSubstr("neither off"));
}

TEST_F(LocalProcessTest, AGroupThatIsNotThereConfirmsNothing) {
  EXPECT_THAT(
      Message(Fence("fence-local-process", {{"cgroup", PathOf("a.typing.error")}}).status()),
      HasSubstr("may be the wrong one"));
  StartNode();
  EXPECT_THAT(Message(Fence("fence-local-process", {{"cgroup", PathOf("a.typing.error")},
                                                    {"lock", PathOf("left.lock")},
                                                    {"wait", "1"}})
                          .status()),
              HasSubstr("somebody still holds"));
  EXPECT_TRUE(IsAlive(child()));
}

TEST_F(LocalProcessTest, TheMonitorFindsANodeThatIsAliveAndLeavesItAlone) {
  auto options = Options();
  options["action"] = "monitor";
  EXPECT_FALSE(Fence("fence-local-process", options).ok());
  StartNode();
  EXPECT_OK(Fence("fence-local-process", options));
  options["lock"] = PathOf("other.lock");
  Write("other.lock", "");
  EXPECT_THAT(Message(Fence("fence-local-process", options).status()), HasSubstr("nobody holds"));
  EXPECT_FALSE(
      Fence("fence-local-process", {{"action", "monitor"}, {"cgroup", PathOf("no.group")}}).ok());
  EXPECT_TRUE(IsAlive(child()));
}

// Where control groups (version 2) are mounted; empty: nowhere.
std::string ControlGroups() {
  std::ifstream mounts("/proc/mounts");
  std::string device, path, type, rest;
  while (mounts >> device >> path >> type && std::getline(mounts, rest)) {
    if (type == "cgroup2") return path;
  }
  return "";
}

TEST_F(LocalProcessTest, KillsAWholeControlGroup) {
  const std::string root = ControlGroups();
  const std::string cgroup = root + "/baton-fence-test-" + std::to_string(::getpid());
  if (root.empty() || ::mkdir(cgroup.c_str(), 0755) != 0) {
    GTEST_SKIP() << "no control groups (version 2) can be made here";
  }
  StartNode();
  const pid_t controller = child();
  for (const pid_t pid : {keeper_, controller}) {
    std::ofstream(cgroup + "/cgroup.procs") << pid << std::flush;
  }
  EXPECT_OK(Fence("fence-local-process", {{"cgroup", cgroup}}));
  EXPECT_FALSE(IsAlive(controller));
  EXPECT_TRUE(KeeperDied());
  for (int i = 0; i < 200 && ::rmdir(cgroup.c_str()) != 0; ++i) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_FALSE(std::filesystem::exists(cgroup));
  EXPECT_FALSE(Fence("fence-local-process", {{"cgroup", cgroup}}).ok());
  EXPECT_OK(Fence("fence-local-process", {{"cgroup", cgroup}, {"lock", PathOf("left.lock")}}));
}

// ---- fence-libvirt ----------------------------------------------------------------------------

// Hosts are directories; the file of a domain holds its state.
class LibvirtTest : public FenceAgentTest {
 protected:
  LibvirtTest() {
    Play("virsh",
         "shift; host=here\n"
         "[[ $1 != --connect ]] || { host=$2; shift 2; }\n"
         "cd $host || exit 1\n"
         "case $* in\n"
         "  'list --all --name') ls; echo ;;\n"
         "  'domstate '*' --reason') cat $2; echo ;;\n"
         "  'destroy '*) echo -n \"${destroyed:-shut off (destroyed)}\" >$2 ;;\n"
         "  *) echo \"unexpected: $*\" >&2; exit 22 ;;\n"
         "esac");
  }
  ~LibvirtTest() override { ::unsetenv("destroyed"); }

  void Domain(const std::string& host, const std::string& name, const std::string& state) {
    std::filesystem::create_directory(PathOf(host));
    Write(host + "/" + name, state);
  }
  std::string Refusal(const std::map<std::string, std::string>& options) {
    return Message(Fence("fence-libvirt", options).status());
  }
};

TEST_F(LibvirtTest, DestroysTheDomainAndAsksForItsState) {
  Domain("one", "vm-left", "running (booted)");
  EXPECT_EQ(Must(Fence("fence-libvirt", {{"plug", "vm-{node}"}, {"uri", "one"}})),
            "vm-left is off");
  EXPECT_THAT(Read("calls"), HasSubstr("virsh --quiet --connect one destroy vm-left\n"
                                       "virsh --quiet --connect one list --all --name\n"
                                       "virsh --quiet --connect one domstate vm-left --reason\n"));
}

TEST_F(LibvirtTest, LeavesADomainAloneThatIsOff) {
  for (const char* reason : {"destroyed", "shutdown", "crashed"}) {
    Domain("here", "left", std::string("shut off (") + reason + ")");
    EXPECT_EQ(Must(Fence("fence-libvirt", {})), "left is off");
  }
  EXPECT_THAT(Read("calls"), testing::Not(HasSubstr("destroy left")));
}

TEST_F(LibvirtTest, ConfirmsNothingButADomainThatIsOff) {
  for (const char* state : {"running (booted)", "paused (user)", "in shutdown (user)",
                            "crashed (panicked)", "pmsuspended"}) {
    Domain("here", "left", state);
    ::setenv("destroyed", state, 1);
    EXPECT_THAT(Refusal({}), HasSubstr(state));
  }
  EXPECT_FALSE(Fence("fence-libvirt", {{"plug", "--all"}}).ok());
  EXPECT_FALSE(Fence("fence-libvirt", {{"action", "status"}}).ok());
}

TEST_F(LibvirtTest, AHostThatADomainHasLeftDoesNotConfirmThatItIsOff) {
  for (const char* reason : {"migrated", "saved", "unknown", "daemon"}) {
    Domain("old", "left", std::string("shut off (") + reason + ")");
    EXPECT_THAT(Refusal({{"uri", "old"}}), HasSubstr("may run on another host"));
  }
  Domain("new", "left", "running (migrated)");
  EXPECT_EQ(Must(Fence("fence-libvirt", {{"uri", "old new"}})), "left is off");
  EXPECT_EQ(Read("new/left"), "shut off (destroyed)");
}

TEST_F(LibvirtTest, EveryHostOfTheListMustAnswerAndOneKnowTheDomain) {
  Domain("one", "left", "shut off (destroyed)");
  EXPECT_THAT(Refusal({{"uri", "one unreachable"}}), HasSubstr("cannot ask the host unreachable"));
  Domain("two", "other", "running (booted)");
  EXPECT_OK(Fence("fence-libvirt", {{"uri", "one two"}}));
  EXPECT_THAT(Refusal({{"uri", "two"}}), HasSubstr("no host knows left"));
  EXPECT_EQ(Read("two/other"), "running (booted)");
}

TEST_F(LibvirtTest, TheMonitorFindsADomainThatRunsAndLeavesItAlone) {
  Domain("one", "left", "shut off (migrated)");
  Domain("two", "left", "running (booted)");
  EXPECT_OK(Fence("fence-libvirt", {{"action", "monitor"}, {"uri", "one two"}}));
  EXPECT_THAT(Refusal({{"action", "monitor"}, {"uri", "one"}}), HasSubstr("runs on none"));
  EXPECT_EQ(Read("two/left"), "running (booted)");
}

// ---- fence-ceph-evict -------------------------------------------------------------------------

class CephTest : public FenceAgentTest {
 protected:
  static std::string Client(int id, const std::string& host, const std::string& address) {
    return R"({"id": )" + std::to_string(id) +
           R"(, "entity": {"name": {"type": "client", "num": )" + std::to_string(id) +
           R"(}, "addr": {"type": "v1", "addr": ")" + address + R"(:0", "nonce": )" +
           std::to_string(100 + id) + R"(}}, "state": "open", "client_metadata": {"hostname": ")" +
           host + R"("}})";
  }

  // A cluster with two active MDS. An eviction takes the client out of that MDS' list and puts it
  // on the blocklist.
  void PlayCluster(
      const std::string& evict = "echo $client >>evicted; rm -f clients.$mds.$client") {
    Write("fsmap", R"({"filesystems": [{"mdsmap": {"info": {
      "gid_1": {"name": "a", "rank": 0, "state": "up:active"},
      "gid_2": {"name": "b", "rank": 1, "state": "up:active"},
      "gid_3": {"name": "c", "rank": -1, "state": "up:standby"}}}}]})");
    Play(
        "ceph",
        "mds=${4#mds.}; mds2=${2#mds.}\n"
        "list() { local sep=; echo -n '['; for f in \"$@\"; do [[ -e $f ]] || continue; "
        "echo -n \"$sep\"; cat $f; sep=,; done; echo ']'; }\n"
        "case $* in\n"
        "  '--format json fs dump') cat fsmap ;;\n"
        "  '--format json tell mds.'?' client ls') list clients.$mds.* ;;\n"
        "  'tell mds.'?' client evict id='*) mds=$mds2; client=${5#id=}; " +
            evict +
            " ;;\n"
            "  'osd blocklist add '*) echo $4 >>evicted; "
            "echo \"{\\\"addr\\\": \\\"$4\\\"}\" >blocked.${4%%/*} ;;\n"
            "  '--format json osd blocklist ls') echo; list $(sed 's/^/blocked./; s/.0$//' evicted "
            "2>/dev/null); echo '[]' ;;\n"
            "  *) echo \"unexpected: $*\" >&2; exit 22 ;;\n"
            "esac");
    for (const char* mds : {"a", "b"}) {
      Write(std::string("clients.") + mds + ".7", Client(7, "left", "10.0.0.1"));
      Write(std::string("clients.") + mds + ".8", Client(8, "right", "10.0.0.2"));
    }
    Write("clients.a.9", Client(9, "left", "10.0.0.1"));
    Write("blocked.7", R"({"addr": "10.0.0.1:0/107", "until": "2030-01-01T00:00:00"})");
    Write("blocked.9", R"({"addr": "10.0.0.1:0/109", "until": "2030-01-01T00:00:00"})");
  }
};

TEST_F(CephTest, EvictsEveryClientOfTheNodeFromEveryActiveMds) {
  PlayCluster();
  EXPECT_EQ(Must(Fence("fence-ceph-evict", {})),
            "left: evicted and blocked: 10.0.0.1:0/107, 10.0.0.1:0/109");
  EXPECT_EQ(Read("calls"),
            "ceph --format json fs dump\n"
            "ceph --format json tell mds.a client ls\n"
            "ceph tell mds.a client evict id=7\n"
            "ceph tell mds.a client evict id=9\n"
            "ceph --format json tell mds.b client ls\n"
            "ceph tell mds.b client evict id=7\n"
            "ceph --format json fs dump\n"
            "ceph --format json tell mds.a client ls\n"
            "ceph --format json tell mds.b client ls\n"
            "ceph --format json osd blocklist ls\n");
}

TEST_F(CephTest, AClientThatIsNotBlockedIsNoConfirmation) {
  PlayCluster("rm -f clients.$mds.$client");
  EXPECT_THAT(Message(Fence("fence-ceph-evict", {}).status()), HasSubstr("not on the blocklist"));
}

TEST_F(CephTest, AClientThatStaysIsNoConfirmation) {
  PlayCluster("echo $client >>evicted");
  EXPECT_THAT(Message(Fence("fence-ceph-evict", {}).status()), HasSubstr("still has a client"));
}

TEST_F(CephTest, AnEvictionThatFailsIsNoConfirmation) {
  PlayCluster("echo 'error: no permission' >&2; exit 13");
  EXPECT_THAT(Message(Fence("fence-ceph-evict", {}).status()), HasSubstr("no permission"));
}

TEST_F(CephTest, ANodeWithoutClientsIsConfirmedOnlyByBlockingItsAddressNow) {
  PlayCluster();
  EXPECT_THAT(Message(Fence("fence-ceph-evict", {{"hostname", "other"}}).status()),
              HasSubstr("has no client"));
  ASSERT_OK(Fence("fence-ceph-evict", {}));
  // The second time: the entries that are there are of clients of then.
  EXPECT_FALSE(Fence("fence-ceph-evict", {}).ok());
  EXPECT_THAT(Must(Fence("fence-ceph-evict", {{"address", "10.0.0.1"}})),
              HasSubstr("its address is blocked: 10.0.0.1:0/0"));
  EXPECT_THAT(Read("calls"), HasSubstr("ceph osd blocklist add 10.0.0.1:0/0\n"));
  EXPECT_FALSE(Fence("fence-ceph-evict", {{"address", "0.0.1"}}).ok());
}

TEST_F(CephTest, AnAddressThatIsNotBlockedIsNoConfirmation) {
  PlayCluster();
  ASSERT_OK(Fence("fence-ceph-evict", {}));
  Play("ceph", Read("ceph").substr(Read("ceph").find("mds=")) + "rm -f 'blocked.10.0.0.1:0'");
  EXPECT_THAT(Message(Fence("fence-ceph-evict", {{"address", "10.0.0.1"}}).status()),
              HasSubstr("10.0.0.1:0/0 of left is not on the blocklist"));
}

TEST_F(CephTest, TheMonitorFindsTheClientsOfANodeAndLeavesThemAlone) {
  PlayCluster();
  EXPECT_OK(Fence("fence-ceph-evict", {{"action", "monitor"}}));
  EXPECT_THAT(
      Message(Fence("fence-ceph-evict", {{"action", "monitor"}, {"hostname", "no"}}).status()),
      HasSubstr("see the option hostname"));
  EXPECT_THAT(Read("calls"), testing::Not(HasSubstr("evict")));
}

TEST_F(CephTest, WhatCephDoesNotAnswerIsNoConfirmation) {
  PlayCluster();
  EXPECT_FALSE(Fence("fence-ceph-evict", {{"action", "on"}}).ok());
  Write("fsmap", R"({"filesystems": []})");
  EXPECT_THAT(Message(Fence("fence-ceph-evict", {}).status()), HasSubstr("no active MDS"));
  Write("fsmap", "Error");
  EXPECT_THAT(Message(Fence("fence-ceph-evict", {}).status()), HasSubstr("no JSON"));
  Write("fsmap", "[]");
  EXPECT_THAT(Message(Fence("fence-ceph-evict", {}).status()), HasSubstr("not understood"));
  Play("ceph", "exit 1");
  EXPECT_FALSE(Fence("fence-ceph-evict", {}).ok());
}

TEST_F(CephTest, PassesItsOwnOptionsToCeph) {
  Play("ceph", "exit 1");
  EXPECT_FALSE(Fence("fence-ceph-evict", {{"conf", "/etc/c.conf"}, {"id", "fencer"}}).ok());
  EXPECT_EQ(Read("calls"), "ceph --conf /etc/c.conf --id fencer --format json fs dump\n");
}

}  // namespace
}  // namespace baton
