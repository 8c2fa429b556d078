// What batond can be told: its settings as one table, from which come the command line, the
// configuration file (TOML; packaging/batond.toml is one with every default), and their defaults.
// The command line wins over the file.
#pragma once

#include <absl/status/status.h>

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "cli/config/daemon_options.h"

namespace baton {

// As written in the file or on the command line, before it is interpreted. Made with the defaults
// of DaemonOptions.
struct Config {
  Config();

  std::string pool, node, mount, control, control_group, log_level;
  struct Volumes {
    std::string mode, owner, group;
  } volumes;
  struct Keeper {
    double liveness_timeout_seconds, give_up_after_seconds;  // 0: never
  } keeper;
  struct Space {
    double warning_percent, critical_percent;  // of the file system, that are free
  } space;
  struct Lease {
    double renew_seconds, stop_seconds, valid_seconds, takeover_seconds, poll_seconds;
  } lease;
  struct Pair {
    std::string listen;
    int64_t heartbeat_port, data_port;  // 0: any
    std::vector<std::string> peers;     // NAME=tcp://ADDRESS:PORT
    bool insecure;
    std::string key, allowed_keys, takeover;
    double heartbeat_seconds, suspect_after_seconds, io_timeout_seconds;  // io_timeout 0: none
    std::string watchdog_device;
    double watchdog_seconds;
  } pair;
  struct Http {
    std::string listen;  // empty: off
  } http;
  struct Trace {
    double slow_seconds;
  } trace;
  struct Fence {
    std::string command;
    double delay_seconds, timeout_seconds;
    double monitor_seconds;  // 0: never
    std::map<std::string, std::string> options;
  } fence;

  // Where it came from: the file, and the line of each setting that the file has and the command
  // line has not.
  std::string file;
  std::map<std::string, size_t> lines;
  // The settings that were written by an old name, and that name.
  std::map<std::string, std::string> old_names;
};

struct Setting {
  std::string path;          // in the file: "lease.renew_seconds"
  std::string option, help;  // on the command line; empty: only in the file
  std::variant<std::string*, double*, int64_t*, bool*, std::vector<std::string>*,
               std::map<std::string, std::string>*>
      value;
  // As it was called in earlier versions, which is still taken; empty: it always had this name.
  std::string old_path = {}, old_option = {};
};

// All there are, in the order of the file. Their values are those of `config`, which they borrow.
std::vector<Setting> SettingsOf(Config& config);

// Takes what the file says into `config`; what it does not mention stays. InvalidArgument, as one
// line "FILE:LINE: why": no TOML, an unknown key, a value of the wrong type. NotFound.
absl::Status ReadConfig(const std::string& path, Config& config);

// InvalidArgument with one line that begins with the setting, as it was written, and where: a
// value that makes no sense, or two that contradict each other.
absl::Status Interpret(const Config& config, DaemonOptions& options);

// Such a line about the setting with that path.
absl::Status RefuseSetting(const Config& config, const std::string& path, const std::string& why);

// Part of Interpret: the sections pair and fence.
absl::Status InterpretPair(const Config& config, DaemonOptions& options);

}  // namespace baton
