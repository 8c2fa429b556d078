// What makes a controller degraded, or will: a line of text and its kind.
#pragma once

#include <string>
#include <vector>

#include "cli/control/control.pb.h"

namespace baton::control {

// By the kind programs tell what a line is about, and the page what is to be done.
enum class IssueKind {
  kNoOwner,
  kOwnerSilent,
  kNoProof,
  kFenceFailed,
  kFenceUnready,
  kTimesDiffer,
  kRecoveryFailed,
  kStorage,
  kWriteLog,
  kSpace,
  kDescriptors,
  kNode,
  kClone,
  kNoKeeper,
  kHttp,
  kVirtualMachine,
  kPaused,
  kCrashLoop,
  kOther,  // a fault in its own words
};

// "no-owner", …
std::string NameOf(IssueKind kind);
// Of all of them, in that order.
const std::vector<std::string>& IssueKindNames();

// The line is among the problems, or the warnings, of `status`, and among its issues.
void AddProblem(IssueKind kind, const std::string& text, ControllerStatus& status);
void AddWarning(IssueKind kind, const std::string& text, ControllerStatus& status);

}  // namespace baton::control
