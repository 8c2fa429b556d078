// Runs a fence agent: a program that turns a node off and confirms that it is off. By the
// convention of fence-agents: options as name=value lines on standard input, exit status 0 means
// confirmed.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <map>
#include <string>

namespace baton::ha {

struct FenceCommand {
  std::string program;  // an absolute path; no shell is involved. Empty: there is none
  // Further options of the agent. "{node}" in a value stands for the node's name.
  std::map<std::string, std::string> options;
  absl::Duration delay;                        // before it is run: differs between two nodes
  absl::Duration timeout = absl::Seconds(10);  // then it is killed, with all that it started
  // How often it is asked whether it could turn off a peer that is well; infinite: never.
  absl::Duration monitor_every = absl::Minutes(1);
};

enum class FenceAction {
  kOff,      // status 0 confirms that the node is off
  kMonitor,  // status 0 says that it could be turned off; nothing is done to it
};

// Tells the agent action=off or action=monitor, nodename=NODE, plug=NODE and the configured options
// (which may replace those two), and waits for its end. Returns the last line of what it wrote.
// Unavailable: it did not confirm; DeadlineExceeded: it was killed. Both messages end with that
// line. Does not wait for `delay`. Any thread.
absl::StatusOr<std::string> RunFenceCommand(const FenceCommand& command, const std::string& node,
                                            FenceAction action = FenceAction::kOff);

}  // namespace baton::ha
