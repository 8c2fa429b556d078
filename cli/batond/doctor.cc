#include "cli/batond/doctor.h"

#include <absl/time/time.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "cli/batond/config_checks.h"
#include "cli/batond/machine_checks.h"
#include "cli/control/control.pb.h"
#include "cli/control/finding_of.h"
#include "cli/control/json.h"
#include "engine/base/boot_time.h"
#include "engine/base/status.h"
#include "engine/base/unique_fd.h"
#include "engine/base/write_all.h"

namespace baton {
namespace {

using Check = std::function<std::vector<Finding>(const DaemonOptions&)>;

constexpr int kFit = 0;
constexpr int kUnfit = 1;
constexpr absl::Duration kPatience = absl::Seconds(10);

void Add(const std::vector<Finding>& findings, control::Diagnosis& diagnosis) {
  for (const Finding& finding : findings) *diagnosis.add_findings() = control::FindingOf(finding);
}

// A check in a process of its own, which is killed when its time is over; one that hangs in the
// kernel is not waited for.
class ConfinedCheck {
 public:
  ConfinedCheck(std::string name, absl::Duration patience, const Check& check,
                const DaemonOptions& options)
      : name_(std::move(name)), patience_(patience), deadline_(BootTime() + patience) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    output_ = UniqueFd(ends[0]);
    const UniqueFd input(ends[1]);
    pid_ = ::fork();
    if (pid_ == 0) Run(check, options, input.get());
  }
  ~ConfinedCheck() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, WNOHANG);
  }
  ConfinedCheck(const ConfinedCheck&) = delete;
  ConfinedCheck& operator=(const ConfinedCheck&) = delete;

  // Waits for it, or for the end of its time.
  void AddFindings(control::Diagnosis& diagnosis) {
    std::string bytes;
    const bool ended = ReadAll(bytes);
    control::Diagnosis part;
    if (ended && part.ParseFromString(bytes) && part.fit()) return diagnosis.MergeFrom(part);
    Add({Bad(name_, ended ? "the check ended without a result"
                          : fmt::format("no answer within {}: what it asks hangs",
                                        absl::FormatDuration(patience_)))},
        diagnosis);
  }

 private:
  [[noreturn]] static void Run(const Check& check, const DaemonOptions& options, int output) {
    control::Diagnosis part;
    Add(check(options), part);
    part.set_fit(true);  // it is complete
    (void)WriteAll(output, part.SerializeAsString());
    ::_exit(0);
  }

  // False: its time is over.
  bool ReadAll(std::string& bytes) {
    std::array<char, 4096> part;
    while (output_.valid()) {
      pollfd polled{output_.get(), POLLIN, 0};
      const timespec rest =
          absl::ToTimespec(std::max(deadline_ - BootTime(), absl::ZeroDuration()));
      const int ready = ::ppoll(&polled, 1, &rest, nullptr);
      if (ready == 0) return false;
      if (ready < 0 && errno == EINTR) continue;
      const ssize_t count = ::read(output_.get(), part.data(), part.size());
      if (count <= 0) return true;
      bytes.append(part.data(), static_cast<size_t>(count));
    }
    return true;
  }

  const std::string name_;
  const absl::Duration patience_;
  const absl::Duration deadline_;
  UniqueFd output_;
  pid_t pid_ = -1;
};

// The agent is asked for each peer, and killed by its own limit.
absl::Duration PatienceForFence(const DaemonOptions& options) {
  return kPatience + options.pair.fence.timeout * options.pair.network.peers.size();
}

void CheckSettings(const DaemonOptions& options, control::Diagnosis& diagnosis) {
  if (options.config_file.empty()) {
    Add({Doubtful("config", "no settings were looked at: name the file with --config")}, diagnosis);
    return;
  }
  if (!options.config_problem.empty()) {
    Add({Bad("config", options.config_problem)}, diagnosis);
    return;
  }
  Add({Good("config", options.config_file)}, diagnosis);
  // All at one time, told in this order.
  ConfinedCheck pool("pool", kPatience, CheckPool, options);
  ConfinedCheck mount("mount", kPatience, CheckMountPoint, options);
  ConfinedCheck keys("keys", kPatience, CheckKeys, options);
  ConfinedCheck ports("ports", kPatience, CheckPorts, options);
  ConfinedCheck fence("fence", PatienceForFence(options), CheckFence, options);
  for (ConfinedCheck* check : {&pool, &mount, &keys, &ports, &fence}) check->AddFindings(diagnosis);
}

void Print(const control::Diagnosis& diagnosis, bool as_json) {
  if (as_json) {
    fmt::print("{}\n", ToJson(diagnosis));
    return;
  }
  for (const control::Finding& finding : diagnosis.findings()) {
    fmt::print("{:<5} {:<10}  {}\n", finding.verdict(), finding.check(), finding.text());
  }
}

}  // namespace

int ExamineMachine(const DaemonOptions& options) {
  control::Diagnosis diagnosis;
  Add(CheckMachine(options), diagnosis);
  CheckSettings(options, diagnosis);
  diagnosis.set_fit(std::ranges::none_of(diagnosis.findings(), [](const control::Finding& finding) {
    return finding.verdict() == Name(Verdict::kFail);
  }));
  Print(diagnosis, options.doctor == "json");
  return diagnosis.fit() ? kFit : kUnfit;
}

}  // namespace baton
