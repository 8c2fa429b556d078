// Clones as people see them.
#pragma once

#include <string>
#include <vector>

#include "engine/base/model.pb.h"

namespace baton {

// completed, stopped or failed: nothing changes by itself any more.
bool IsOver(const CloneStatus& clone);

// "37 %", rounded down: 100 % means all.
std::string PercentCopied(const CloneStatus& clone);
uint64_t CopiedBytes(const CloneStatus& clone);

// "clone 3 (web -> web2)".
std::string Title(const CloneStatus& clone);

std::string CloneTable(const std::vector<CloneStatus>& clones);
std::string CloneFields(const CloneStatus& clone);
std::string ResidualFields(const Residual& residual);

// "7" or "7-9".
std::string FormatRun(const ExtentRun& run);

}  // namespace baton
