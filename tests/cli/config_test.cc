// The configuration file, and how the command line goes over it.
#include "cli/config/config.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include "cli/config/unit_dropin.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

using testing::HasSubstr;
using testing::Pair;
using testing::StartsWith;

class ConfigTest : public testing::Test {
 protected:
  std::string Write(const std::string& text) {
    const std::string path = directory_.path() + "/batond.toml";
    std::ofstream(path) << text;
    return path;
  }
  // What is said of a file with that text; "" when it is taken.
  std::string Refusal(const std::string& text) {
    Config config;
    absl::Status status = ReadConfig(Write(text), config);
    DaemonOptions options;
    if (status.ok()) status = Interpret(config, options);
    const std::string path = directory_.path() + "/";
    std::string message(status.message());
    return message.starts_with(path) ? message.substr(path.size()) : message;
  }
  // The same, after the lines that every file needs.
  std::string RefusalAfter(const std::string& text) {
    return Refusal("pool = \"p\"\nnode = \"left\"\nmount = \"m\"\n" + text);
  }

  DaemonOptions Parse(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "batond");
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    auto parsed = ParseDaemonOptions(static_cast<int>(pointers.size()), pointers.data());
    if (auto* options = std::get_if<DaemonOptions>(&parsed)) return *options;
    ADD_FAILURE() << "refused";
    return {};
  }
  // What is said of that command line.
  std::string RefusalOf(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "batond");
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    testing::internal::CaptureStderr();
    const auto parsed = ParseDaemonOptions(static_cast<int>(pointers.size()), pointers.data());
    const std::string said = testing::internal::GetCapturedStderr();
    const auto* usage = std::get_if<DaemonUsage>(&parsed);
    EXPECT_TRUE(usage != nullptr && usage->exit_code == 2) << said;
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
    return said;
  }

  const std::vector<std::string> needed_ = {"--pool", "p", "--node", "left", "--mount", "m"};
  std::vector<std::string> Needed(const std::vector<std::string>& more) const {
    std::vector<std::string> all = needed_;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  TemporaryDirectory directory_;
};

std::string Text(const std::string* value) { return *value; }
std::string Text(const double* value) { return std::to_string(*value); }
std::string Text(const int64_t* value) { return std::to_string(*value); }
std::string Text(const bool* value) { return *value ? "true" : "false"; }
std::string Text(const std::vector<std::string>* value) {
  std::string text;
  for (const std::string& element : *value) text += element + ",";
  return text;
}
std::string Text(const std::map<std::string, std::string>* value) {
  std::string text;
  for (const auto& [name, element] : *value) text += name + "=" + element + ",";
  return text;
}

std::map<std::string, std::string> TextsOf(Config& config) {
  std::map<std::string, std::string> texts;
  for (const Setting& setting : SettingsOf(config)) {
    texts[setting.path] = std::visit([](auto* value) { return Text(value); }, setting.value);
  }
  return texts;
}

TEST_F(ConfigTest, TheExampleFileHasEverySettingAtItsDefault) {
  Config defaults;
  Config written;
  for (const Setting& setting : SettingsOf(written)) {  // nothing is there by chance
    if (auto* const* number = std::get_if<double*>(&setting.value)) **number = -1;
    if (auto* const* whole = std::get_if<int64_t*>(&setting.value)) **whole = -1;
    if (auto* const* text = std::get_if<std::string*>(&setting.value)) **text = "?";
    if (auto* const* flag = std::get_if<bool*>(&setting.value)) **flag = true;
  }
  ASSERT_OK(ReadConfig(EXAMPLE_CONFIG, written));
  EXPECT_EQ(TextsOf(written), TextsOf(defaults));
  for (const Setting& setting : SettingsOf(written)) {
    EXPECT_TRUE(written.lines.contains(setting.path)) << setting.path << " is not in the file";
  }
}

TEST_F(ConfigTest, TheDefaultsAreThoseOfTheOptions) {
  const DaemonOptions parsed = Parse(needed_);
  const DaemonOptions defaults;
  EXPECT_EQ(parsed.liveness_timeout, defaults.liveness_timeout);
  EXPECT_EQ(parsed.give_up_after, defaults.give_up_after);
  EXPECT_EQ(parsed.ownership.file_mode, defaults.ownership.file_mode);
  EXPECT_EQ(parsed.log_level, defaults.log_level);
  EXPECT_EQ(parsed.lease.renew, defaults.lease.renew);
  EXPECT_EQ(parsed.lease.stop, defaults.lease.stop);
  EXPECT_EQ(parsed.lease.valid, defaults.lease.valid);
  EXPECT_EQ(parsed.lease.takeover, defaults.lease.takeover);
  EXPECT_EQ(parsed.lease.poll, defaults.lease.poll);
  EXPECT_EQ(parsed.pair.heartbeat, defaults.pair.heartbeat);
  EXPECT_EQ(parsed.pair.network.heartbeat_port, defaults.pair.network.heartbeat_port);
  EXPECT_EQ(parsed.pair.network.data_port, defaults.pair.network.data_port);
  EXPECT_EQ(parsed.pair.coordinator.suspect_after, defaults.pair.coordinator.suspect_after);
  EXPECT_EQ(parsed.pair.io_timeout, defaults.pair.io_timeout);
  EXPECT_EQ(parsed.pair.fence.timeout, defaults.pair.fence.timeout);
  EXPECT_EQ(parsed.pair.fence.monitor_every, defaults.pair.fence.monitor_every);
  EXPECT_EQ(parsed.pair.watchdog.time, defaults.pair.watchdog.time);
  EXPECT_TRUE(parsed.pair.alone());
}

// Each setting has another value than by default.
constexpr char kEverySetting[] = R"(
pool = "/srv/pool"
node = "left"
mount = "/mnt"
control = "/run/other.sock"
log_level = "debug"
[volumes]
mode = "0600"
owner = "7"
group = "8"
[keeper]
liveness_timeout_seconds = 2
give_up_after_seconds = 60
[pair]
listen = "tcp://10.0.0.1:7400"
heartbeat_port = 7401
data_port = 7402
peers = ["right=tcp://10.0.0.2:7400", "third=tcp://[fd00::3]:7400"]
key = "/etc/baton/left.key"
allowed_keys = "/etc/baton/allowed"
takeover = "fenced-only"
heartbeat_seconds = 0.2
suspect_after_seconds = 1
io_timeout_seconds = 30
watchdog_device = "/dev/watchdog"
watchdog_seconds = 6
[http]
listen = "10.0.0.1:9420"
[lease]
renew_seconds = 1
stop_seconds = 4
valid_seconds = 5.5
takeover_seconds = 7
poll_seconds = 0.25
[fence]
command = "/usr/sbin/fence_ipmilan"
delay_seconds = 0.5
timeout_seconds = 20
monitor_seconds = 5
[fence.options]
ip = "bmc-{node}"
)";

TEST_F(ConfigTest, EverySettingOfTheFileArrives) {
  const DaemonOptions options = Parse({"--config", Write(kEverySetting)});
  EXPECT_EQ(options.pool, "/srv/pool");
  EXPECT_EQ(options.node, "left");
  EXPECT_EQ(options.mount, "/mnt");
  EXPECT_EQ(options.control, "/run/other.sock");
  EXPECT_EQ(options.log_level, spdlog::level::debug);
  EXPECT_EQ(options.ownership.file_mode, 0600u);
  EXPECT_EQ(options.ownership.uid, 7u);
  EXPECT_EQ(options.ownership.gid, 8u);
  EXPECT_EQ(options.liveness_timeout, absl::Seconds(2));
  EXPECT_EQ(options.give_up_after, absl::Seconds(60));
  const PairOptions& pair = options.pair;
  EXPECT_EQ(pair.network.listen, "tcp://10.0.0.1:7400");
  EXPECT_THAT(pair.network.peers, testing::ElementsAre(Pair("right", "tcp://10.0.0.2:7400"),
                                                       Pair("third", "tcp://[fd00::3]:7400")));
  EXPECT_EQ(pair.network.heartbeat_port, 7401);
  EXPECT_EQ(pair.network.data_port, 7402);
  EXPECT_EQ(pair.key, "/etc/baton/left.key");
  EXPECT_EQ(pair.allowed_keys, "/etc/baton/allowed");
  EXPECT_EQ(pair.coordinator.takeover, ha::Takeover::kFencedOnly);
  EXPECT_EQ(pair.heartbeat, absl::Milliseconds(200));
  EXPECT_EQ(pair.coordinator.suspect_after, absl::Seconds(1));
  EXPECT_EQ(pair.io_timeout, absl::Seconds(30));
  EXPECT_EQ(pair.watchdog.device, "/dev/watchdog");
  EXPECT_EQ(pair.watchdog.time, absl::Seconds(6));
  EXPECT_EQ(options.http, (ha::PeerAddress{.host = "10.0.0.1", .port = 9420}));
  EXPECT_EQ(options.lease.renew, absl::Seconds(1));
  EXPECT_EQ(options.lease.stop, absl::Seconds(4));
  EXPECT_EQ(options.lease.valid, absl::Seconds(5.5));
  EXPECT_EQ(options.lease.takeover, absl::Seconds(7));
  EXPECT_EQ(options.lease.poll, absl::Milliseconds(250));
  EXPECT_EQ(pair.fence.program, "/usr/sbin/fence_ipmilan");
  EXPECT_EQ(pair.fence.delay, absl::Milliseconds(500));
  EXPECT_EQ(pair.fence.timeout, absl::Seconds(20));
  EXPECT_EQ(pair.fence.monitor_every, absl::Seconds(5));
  EXPECT_EQ(pair.fence.options.at("ip"), "bmc-{node}");
}

TEST_F(ConfigTest, TheCommandLineWins) {
  const std::string file = Write(R"(
pool = "/srv/pool"
node = "left"
mount = "/mnt"
log_level = "debug"
[keeper]
liveness_timeout_seconds = 2
[pair]
listen = "tcp://127.0.0.1:7400"
peers = ["right=tcp://127.0.0.1:7401", "third=tcp://127.0.0.1:7402"]
insecure = true
)");
  const DaemonOptions options =
      Parse({"--node", "other", "--config", file, "--liveness-timeout", "9", "--peer",
             "left=tcp://127.0.0.2:1", "--takeover", "manual"});
  EXPECT_EQ(options.pool, "/srv/pool");
  EXPECT_EQ(options.node, "other");
  EXPECT_EQ(options.log_level, spdlog::level::debug);
  EXPECT_EQ(options.liveness_timeout, absl::Seconds(9));
  EXPECT_EQ(options.pair.coordinator.takeover, ha::Takeover::kManual);
  EXPECT_THAT(options.pair.network.peers, testing::ElementsAre(Pair("left", "tcp://127.0.0.2:1")));
  EXPECT_TRUE(options.pair.insecure);
}

TEST_F(ConfigTest, ARefusalNamesWhereTheValueWasWritten) {
  const std::string file = Write("pool = \"p\"\nnode = \"left\"\nmount = \"m\"\n");
  EXPECT_THAT(RefusalOf({"--config", file, "--node", "BAD"}), HasSubstr("batond: --node: "));
  Write("pool = \"p\"\nnode = \"BAD\"\nmount = \"m\"\n");
  EXPECT_THAT(RefusalOf({"--config", file}), HasSubstr("batond.toml:2: node: "));
}

TEST_F(ConfigTest, TheGroupOfTheControlSocketMustExistUnlessItIsTheDefault) {
  EXPECT_EQ(Parse(Needed({"--control-group", "7"})).control_group, std::optional<gid_t>(7));
  EXPECT_EQ(Parse(Needed({"--control-group", ""})).control_group, std::nullopt);
  EXPECT_THAT(RefusalOf(Needed({"--control-group", "no-such-group"})),
              HasSubstr("--control-group: there is no group no-such-group"));
  const group* made = ::getgrnam("baton");  // by the package, maybe
  const auto expected = made == nullptr ? std::nullopt : std::optional<gid_t>(made->gr_gid);
  EXPECT_EQ(Parse(needed_).control_group, expected);
}

TEST_F(ConfigTest, TheDropinOfTheUnitQuotesWhatSystemdWouldRead) {
  DaemonOptions options;
  options.pool = "/srv/my pool/100%/";
  options.mount = "/mnt/\"a\"/../b";
  EXPECT_EQ(UnitDropin(options), "[Unit]\nRequiresMountsFor=\"/srv/my pool/100%%/\" \"/mnt/b\"\n");
}

TEST_F(ConfigTest, PeersMayBeRepeatedOnTheCommandLine) {
  const DaemonOptions options =
      Parse(Needed({"--insecure", "--listen", "tcp://127.0.0.1:1", "--peer", "b=tcp://127.0.0.1:2",
                    "--peer", "c=tcp://[::1]:3"}));
  EXPECT_THAT(options.pair.network.peers,
              testing::ElementsAre(Pair("b", "tcp://127.0.0.1:2"), Pair("c", "tcp://[::1]:3")));
}

TEST_F(ConfigTest, HttpIsOffOrAtAnAddressOfNumbers) {
  EXPECT_EQ(Parse(Needed({})).http, std::nullopt);
  EXPECT_EQ(Parse(Needed({"--http-listen", "9420"})).http,
            (ha::PeerAddress{.host = "127.0.0.1", .port = 9420}));
  EXPECT_EQ(Parse(Needed({"--http-listen", "[::1]:9420"})).http,
            (ha::PeerAddress{.host = "[::1]", .port = 9420}));
  for (const char* bad : {"localhost:9420", "127.0.0.1", "127.0.0.1:0", "0", "127.0.0.1:65536",
                          "::1:9420", "tcp://127.0.0.1:9420", ":9420", "any"}) {
    EXPECT_THAT(RefusalOf(Needed({"--http-listen", bad})),
                HasSubstr(std::string("batond: --http-listen: \"") + bad + "\" is no PORT"));
  }
  EXPECT_THAT(RefusalAfter("[http]\nlisten = \"host:1\""),
              StartsWith("batond.toml:5: http.listen: \"host:1\" is no PORT"));
}

TEST_F(ConfigTest, WhatIsNoConfigurationIsRefusedWithItsLine) {
  EXPECT_THAT(Refusal("pool = \"p\"\nnode ="), StartsWith("batond.toml:2: "));
  EXPECT_EQ(RefusalAfter("pol = \"q\""), "batond.toml:4: pol: there is no such setting");
  EXPECT_EQ(RefusalAfter("[lease]\nrenew = 1"),
            "batond.toml:5: lease.renew: there is no such setting");
  EXPECT_EQ(RefusalAfter("[leases]\n"), "batond.toml:4: leases: there is no such setting");
  EXPECT_EQ(RefusalAfter("lease = 3"), "batond.toml:4: lease: must be a table");
  EXPECT_EQ(RefusalAfter("log_level = 1"), "batond.toml:4: log_level: must be a text in quotes");
  EXPECT_EQ(RefusalAfter("[keeper]\nliveness_timeout_seconds = \"3\""),
            "batond.toml:5: keeper.liveness_timeout_seconds: must be a number");
  EXPECT_EQ(RefusalAfter("[pair]\ninsecure = 1"),
            "batond.toml:5: pair.insecure: must be true or false");
  EXPECT_EQ(RefusalAfter("[pair]\npeers = \"a\""),
            "batond.toml:5: pair.peers: must be a list of texts in quotes");
  EXPECT_EQ(RefusalAfter("[pair]\npeers = [1]"),
            "batond.toml:5: pair.peers: must be a list of texts in quotes");
  EXPECT_EQ(RefusalAfter("[fence.options]\nport = 1"),
            "batond.toml:4: fence.options: must be a table of texts in quotes");
  EXPECT_EQ(RefusalAfter(""), "");
  Config config;
  EXPECT_CODE(ReadConfig("/nowhere.toml", config), kNotFound);
}

TEST_F(ConfigTest, TimesThatContradictEachOtherAreRefused) {
  EXPECT_EQ(RefusalAfter("[lease]\nstop_seconds = 1"),
            "batond.toml:5: lease.stop_seconds: lease times are unsafe: stop must be at least 3 x "
            "renew");
  // The one that was written is named, where the rule speaks of one that was not.
  EXPECT_EQ(RefusalAfter("[lease]\nvalid_seconds = 4.9"),
            "batond.toml:5: lease.valid_seconds: lease times are unsafe: takeover must be greater "
            "than valid + 2 % + poll");
  EXPECT_THAT(RefusalAfter("[lease]\nrenew_seconds = -1"), HasSubstr("renew must be positive"));
  EXPECT_THAT(RefusalAfter("[pair]\nheartbeat_seconds = 0"), HasSubstr("must be positive"));
  EXPECT_THAT(RefusalAfter("[pair]\nheartbeat_seconds = 0.4"), HasSubstr("at least 3 x heartbeat"));
  EXPECT_THAT(RefusalAfter("[pair]\ndata_port = 65536"), HasSubstr("must be a port, or 0"));
  EXPECT_THAT(RefusalAfter("[pair]\ndata_port = -1"), HasSubstr("must be a port, or 0"));
  EXPECT_THAT(RefusalAfter("[pair]\nheartbeat_port = 7401.5"), HasSubstr("must be a whole number"));
  EXPECT_THAT(RefusalAfter("[pair]\nheartbeat_port = 7401\ndata_port = 7401"),
              HasSubstr("must not be the port of the heartbeats"));
  EXPECT_THAT(RefusalAfter("[pair]\nsuspect_after_seconds = 5"),
              HasSubstr("less than the lease's takeover"));
  EXPECT_THAT(RefusalAfter("[pair]\nio_timeout_seconds = 5"),
              HasSubstr("must be 0 or greater than the lease's takeover"));
  EXPECT_THAT(RefusalAfter("[pair]\nio_timeout_seconds = -1"), HasSubstr("must be 0 or greater"));
  EXPECT_THAT(RefusalAfter("[pair]\nwatchdog_seconds = 1"), HasSubstr("3 x the lease's renew"));
  EXPECT_THAT(RefusalAfter("[pair]\nwatchdog_seconds = 5.5"), HasSubstr("whole seconds"));
  EXPECT_THAT(RefusalAfter("[pair]\nheartbeat_seconds = nan"), HasSubstr("must be positive"));
  EXPECT_THAT(RefusalAfter("[keeper]\nliveness_timeout_seconds = 0.5"), HasSubstr("at least 1s"));
  EXPECT_THAT(RefusalAfter("[keeper]\ngive_up_after_seconds = -1"), HasSubstr("negative"));
  EXPECT_THAT(RefusalAfter("[fence]\ndelay_seconds = -1"), HasSubstr("negative"));
  EXPECT_THAT(RefusalAfter("[fence]\ntimeout_seconds = 0"), HasSubstr("positive"));
  EXPECT_THAT(RefusalAfter("[fence]\nmonitor_seconds = -1"), HasSubstr("positive, or 0"));
  EXPECT_EQ(RefusalAfter("[fence]\nmonitor_seconds = 0"), "");
}

TEST_F(ConfigTest, WithoutKeysOnlyLoopbackAddressesAreTaken) {
  const std::vector<std::string> peer = {"--peer", "right=tcp://127.0.0.1:2"};
  const auto refusal = [&](std::vector<std::string> more) {
    more.insert(more.end(), peer.begin(), peer.end());
    return RefusalOf(Needed(more));
  };
  EXPECT_THAT(refusal({"--listen", "tcp://127.0.0.1:1"}), HasSubstr("--key: is needed"));
  EXPECT_THAT(refusal({"--listen", "tcp://127.0.0.1:1", "--key", "k"}),
              HasSubstr("--allowed-keys: is needed"));
  for (const char* address : {"tcp://10.0.0.1:1", "tcp://0.0.0.0:1", "tcp://*:1",
                              "tcp://localhost:1", "tcp://[::]:1", "tcp://127.0.0.1.evil:1"}) {
    EXPECT_THAT(refusal({"--insecure", "--listen", address}), HasSubstr("no loopback address"));
  }
  EXPECT_THAT(RefusalOf(Needed({"--insecure", "--listen", "tcp://127.0.0.1:1", "--peer",
                                "right=tcp://10.0.0.2:1"})),
              HasSubstr("--peer: tcp://10.0.0.2:1 is no loopback address"));
  EXPECT_THAT(refusal({"--insecure", "--listen", "tcp://127.0.0.1:1", "--key", "k"}),
              HasSubstr("contradicts the keys"));
}

TEST_F(ConfigTest, PeersThatMakeNoSenseAreRefused) {
  const auto refusal = [&](const std::string& peers) {
    return RefusalAfter("[pair]\ninsecure = true\nlisten = \"tcp://127.0.0.1:1\"\npeers = [" +
                        peers + "]");
  };
  EXPECT_THAT(refusal("\"right\""), HasSubstr("no NAME=tcp://ADDRESS:PORT"));
  EXPECT_THAT(refusal("\"Right=tcp://127.0.0.1:2\""), StartsWith("batond.toml:7: pair.peers: "));
  EXPECT_THAT(refusal("\"left=tcp://127.0.0.1:2\""), HasSubstr("own name"));
  EXPECT_THAT(refusal("\"b=tcp://127.0.0.1:2\", \"b=tcp://127.0.0.1:3\""), HasSubstr("two peers"));
  for (const char* address :
       {"127.0.0.1:2", "tcp://127.0.0.1", "tcp://127.0.0.1:0", "tcp://127.0.0.1:65536",
        "tcp://127.0.0.1:x", "tcp://:2", "ipc:///tmp/x:2"}) {
    EXPECT_THAT(refusal("\"b=" + std::string(address) + "\""), HasSubstr("ADDRESS:PORT"))
        << address;
  }
  EXPECT_THAT(RefusalOf(Needed({"--insecure", "--peer", "b=tcp://127.0.0.1:2"})),
              HasSubstr("needs an address to listen on"));
}

TEST_F(ConfigTest, FencingThatCannotWorkIsRefused) {
  EXPECT_THAT(RefusalOf(Needed({"--fence-command", "fence"})), HasSubstr("absolute path"));
  EXPECT_THAT(RefusalOf(Needed({"--takeover", "fenced-only"})),
              HasSubstr("needs a fence command or a watchdog"));
  EXPECT_THAT(RefusalOf(Needed({"--takeover", "always"})), HasSubstr("auto, fenced-only or"));
  EXPECT_THAT(RefusalAfter("[fence.options]\n\"a=b\" = \"c\""), HasSubstr("NAME=VALUE"));
  EXPECT_THAT(RefusalAfter("[fence.options]\na = \"b\\nc\""), HasSubstr("NAME=VALUE"));
  EXPECT_EQ(RefusalAfter("[pair]\ntakeover = \"fenced-only\"\nwatchdog_device = \"/dev/watchdog\""),
            "");
}

TEST_F(ConfigTest, TheCoordinatorIsSetByTheOptions) {
  const std::vector<std::string> pair = {"--insecure", "--listen", "tcp://127.0.0.1:1", "--peer",
                                         "b=tcp://127.0.0.1:2"};
  const ha::CoordinatorOptions plain = Parse(Needed(pair)).pair.coordinator;
  EXPECT_OK(CheckCoordinatorOptions(plain));
  const ha::CoordinatorOptions defaults;
  EXPECT_EQ(plain.node, "left");
  ha::CoordinatorOptions reserved = plain;
  reserved.peers = {ha::kDrainName};
  EXPECT_CODE(CheckCoordinatorOptions(reserved), kInvalidArgument);
  EXPECT_THAT(plain.peers, testing::ElementsAre("b"));
  EXPECT_EQ(plain.times.stale_after, defaults.times.stale_after);
  EXPECT_EQ(plain.times.takeover_after, defaults.times.takeover_after);
  EXPECT_EQ(plain.suspect_after, defaults.suspect_after);
  EXPECT_EQ(plain.look_limit, defaults.look_limit);
  EXPECT_EQ(plain.times.watchdog, absl::ZeroDuration());
  EXPECT_FALSE(plain.has_fence);

  std::vector<std::string> more = Needed(pair);
  more.insert(more.end(), {"--config", Write(R"(
[pair]
watchdog_device = "/dev/watchdog"
watchdog_seconds = 7
[lease]
takeover_seconds = 20
poll_seconds = 2
[fence]
command = "/fence"
delay_seconds = 3
)")});
  const ha::CoordinatorOptions all = Parse(more).pair.coordinator;
  EXPECT_OK(CheckCoordinatorOptions(all));
  EXPECT_EQ(all.times.watchdog, absl::Seconds(7));
  EXPECT_TRUE(all.has_fence);
  EXPECT_EQ(all.fence_delay, absl::Seconds(3));
  EXPECT_EQ(all.times.stale_after, absl::Seconds(8));
  EXPECT_EQ(all.look_limit, absl::Seconds(6));
}

TEST_F(ConfigTest, OldNamesOfSettingsAreTaken) {
  const std::string file = Write("[keeper]\nwatchdog_seconds = 2\n");
  EXPECT_EQ(Parse(Needed({"--config", file})).liveness_timeout, absl::Seconds(2));
  EXPECT_EQ(Parse(Needed({"--watchdog", "9"})).liveness_timeout, absl::Seconds(9));
  EXPECT_EQ(Parse(Needed({"--config", file, "--watchdog", "9"})).liveness_timeout,
            absl::Seconds(9));
  EXPECT_EQ(RefusalAfter("[keeper]\nliveness_timeout_seconds = 3\nwatchdog_seconds = 2"),
            "batond.toml:6: keeper.watchdog_seconds: is another name of a setting above");
  EXPECT_EQ(RefusalAfter("[keeper]\nwatchdog_seconds = 0.5"),
            "batond.toml:5: keeper.watchdog_seconds: must be 0, or at least 1s");
  EXPECT_THAT(RefusalOf(Needed({"--watchdog", "0.5"})), HasSubstr("batond: --watchdog: must be"));
  EXPECT_THAT(RefusalOf(Needed({"--config", file, "--liveness-timeout", "0.5"})),
              HasSubstr("batond: --liveness-timeout: must be"));
  EXPECT_THAT(RefusalOf(Needed({"--watchdog", "9", "--liveness-timeout", "9"})),
              HasSubstr("--watchdog excludes --liveness-timeout"));
}

}  // namespace
}  // namespace baton
