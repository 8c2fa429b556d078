#include "cli/control/issues.h"

namespace baton::control {
namespace {

void AddIssue(IssueKind kind, const std::string& text, bool is_warning, ControllerStatus& status) {
  Issue& issue = *status.add_issues();
  issue.set_kind(NameOf(kind));
  issue.set_text(text);
  issue.set_warning(is_warning);
}

}  // namespace

const std::vector<std::string>& IssueKindNames() {
  static const std::vector<std::string>& names = *new std::vector<std::string>{"no-owner",
                                                                               "owner-silent",
                                                                               "no-proof",
                                                                               "fence-failed",
                                                                               "fence-unready",
                                                                               "times-differ",
                                                                               "recovery-failed",
                                                                               "storage",
                                                                               "write-log",
                                                                               "space",
                                                                               "descriptors",
                                                                               "node",
                                                                               "clone",
                                                                               "no-keeper",
                                                                               "http",
                                                                               "virtual-machine",
                                                                               "paused",
                                                                               "crash-loop",
                                                                               "other"};
  return names;
}

std::string NameOf(IssueKind kind) { return IssueKindNames()[static_cast<size_t>(kind)]; }

void AddProblem(IssueKind kind, const std::string& text, ControllerStatus& status) {
  status.add_problems(text);
  AddIssue(kind, text, /*is_warning=*/false, status);
}

void AddWarning(IssueKind kind, const std::string& text, ControllerStatus& status) {
  status.add_warnings(text);
  AddIssue(kind, text, /*is_warning=*/true, status);
}

}  // namespace baton::control
