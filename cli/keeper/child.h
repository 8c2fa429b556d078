// The controller's process, as its keeper sees it.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/keeper/channel.h"
#include "engine/base/unique_fd.h"

namespace baton::keeper {

// Names the descriptor by which a controller reaches its keeper.
inline constexpr char kChannelVariable[] = "BATON_KEEPER_FD";

// CLOCK_MONOTONIC: what a process waited for while it could run.
absl::Duration Monotonic();
// CLOCK_BOOTTIME, in nanoseconds: the same in every process.
int64_t BootNanoseconds();

// Tells one file at `path` from another that has been put in its place; empty: there is none.
std::string IdentifyProgram(const std::string& path);

struct Ending {
  std::string text;              // "was killed by signal 9", "exited with 1: why"
  std::optional<int> exit_code;  // where it exited
  bool killed = false;           // by SIGKILL
};

// A process that is there and, once it has ended, is reaped by Reap. What happens to it is noted
// here by the keeper.
class Child {
 public:
  // Starts `program`, an absolute path, with the arguments of this process.
  static absl::StatusOr<std::unique_ptr<Child>> Spawn(const std::string& program,
                                                      const std::vector<std::string>& arguments);
  // One that is not our child: it was its last keeper's. `socket` is connected to it.
  static absl::StatusOr<std::unique_ptr<Child>> Attach(pid_t pid, UniqueFd socket);
  // A child of ours that is still alive is killed, and reaped if it has ended by then: one that
  // hangs in the kernel is not waited for, by nobody.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  const Channel& channel() const { return channel_; }
  // IdentifyProgram of what it was started from; empty where that is not known.
  const std::string& program() const { return program_; }

  // The process is dead with all its threads and has let go of all its descriptors when pidfd() is
  // readable; this collects it. Call it once, then.
  Ending Reap();
  bool HasEnded() const;  // and can be reaped
  void Kill();            // SIGKILL; the end comes when it comes

  absl::Duration started = Monotonic();
  absl::Duration last_beat = started;
  bool has_spoken = false;
  std::optional<absl::Duration> serving_since;
  std::string version;  // once it has told
  bool warm = false;
  bool hung = false;                  // and killed for it
  int64_t waiting_since_boot_ns = 0;  // while draining
  std::optional<absl::Duration> drain_began;
  std::optional<Goodbye> goodbye;

 private:
  Child(pid_t pid, bool ours, UniqueFd pidfd, UniqueFd socket)
      : pid_(pid), ours_(ours), pidfd_(std::move(pidfd)), channel_(std::move(socket)) {}

  Ending Describe(int wait_status) const;

  std::string program_;
  const pid_t pid_;
  const bool ours_;
  bool reaped_ = false;
  const UniqueFd pidfd_;
  const Channel channel_;
};

}  // namespace baton::keeper
