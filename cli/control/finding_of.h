// What a check has found, as it is told.
#pragma once

#include "cli/control/control.pb.h"
#include "engine/base/finding.h"

namespace baton::control {

inline Finding FindingOf(const baton::Finding& finding) {
  Finding told;
  told.set_check(finding.check);
  told.set_verdict(Name(finding.verdict));
  told.set_text(finding.text);
  return told;
}

}  // namespace baton::control
