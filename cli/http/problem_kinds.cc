#include "cli/http/problem_kinds.h"

#include <array>
#include <string_view>

namespace baton::http {
namespace {

struct Beginning {
  std::string_view kind;
  std::string_view line;  // how such lines begin
};

constexpr std::array kBeginnings = {
    Beginning{"no-owner", "no controller owns the pool"},
    Beginning{"owner-silent", "alarm: owner-silent:"},
    Beginning{"no-proof", "alarm: no-proof:"},
    Beginning{"fence-failed", "alarm: fence-failed:"},
    Beginning{"fence-unready", "alarm: fence-unready:"},
    Beginning{"times-differ", "alarm: times-differ:"},
    Beginning{"recovery-failed", "alarm: recovery-failed:"},
    Beginning{"storage", "alarm: storage:"},
    Beginning{"storage", "storage:"},
    Beginning{"write-log", "write log:"},
    Beginning{"space", "space:"},
    Beginning{"descriptors", "descriptors:"},
    Beginning{"node", "node "},
    Beginning{"clone", "clone "},
    Beginning{"no-keeper", "there is no keeper"},
    Beginning{"http", "http:"},
};
constexpr char kOther[] = "other";

std::vector<std::string> KindsOf() {
  std::vector<std::string> kinds;
  for (const Beginning& each : kBeginnings) {
    if (kinds.empty() || kinds.back() != each.kind) kinds.emplace_back(each.kind);
  }
  kinds.emplace_back(kOther);
  return kinds;
}

}  // namespace

const std::vector<std::string>& ProblemKinds() {
  static const std::vector<std::string>& kinds = *new std::vector<std::string>(KindsOf());
  return kinds;
}

std::string KindOfProblem(const std::string& line) {
  for (const Beginning& each : kBeginnings) {
    if (line.starts_with(each.line)) return std::string(each.kind);
  }
  return kOther;
}

}  // namespace baton::http
