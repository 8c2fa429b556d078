#include "cli/baton/clone_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/baton/arguments.h"
#include "cli/baton/console.h"
#include "engine/base/clone_state.h"
#include "engine/base/names.h"

namespace baton {

bool IsOver(const CloneStatus& clone) {
  const RelationState state = StateOf(clone);
  return state == COMPLETED || state == STOPPED || state == FAILED;
}

std::string PercentCopied(const CloneStatus& clone) {
  const uint64_t total = std::max<uint64_t>(clone.extents_total(), 1);
  return fmt::format("{} %", clone.extents_copied() * 100 / total);
}

uint64_t CopiedBytes(const CloneStatus& clone) {
  return std::min(clone.extents_copied() * clone.extent_bytes(), clone.size_bytes());
}

std::string Title(const CloneStatus& clone) {
  return fmt::format("clone {} ({} -> {})", clone.id(), clone.source(), clone.target());
}

std::string CloneTable(const std::vector<CloneStatus>& clones) {
  std::vector<std::vector<std::string>> rows = {
      {"ID", "SOURCE", "TARGET", "STATE", "COPIED", "SIZE", "EXTENT", "RATE"}};
  for (const CloneStatus& clone : clones) {
    rows.push_back({fmt::format("{}", clone.id()), clone.source(), clone.target(), clone.state(),
                    PercentCopied(clone), FormatSize(clone.size_bytes()),
                    FormatSize(clone.extent_bytes()), FormatRate(clone.rate_bytes_per_second())});
  }
  return FormatTable(rows);
}

std::string CloneFields(const CloneStatus& clone) {
  std::vector<std::pair<std::string, std::string>> fields = {
      {"clone", fmt::format("{}", clone.id())},
      {"source", clone.source()},
      {"target", clone.target()},
      {"state", clone.state()},
      {"copied", fmt::format("{}, {} of {}", PercentCopied(clone), FormatSize(CopiedBytes(clone)),
                             FormatSize(clone.size_bytes()))},
      {"extents",
       fmt::format("{} of {}: {} copied, {} pending, {} copying, {} landing", clone.extents_total(),
                   FormatSize(clone.extent_bytes()), clone.extents_copied(),
                   clone.extents_pending(), clone.extents_copying(), clone.extents_landing())},
      {"copies made", fmt::format("{}", clone.copies_total())},
      {"rate limit", FormatRate(clone.rate_bytes_per_second())},
      {"latency target", FormatLatency(clone.latency_target_us(), "none")},
      {"on error", clone.on_error()},
      {"created", FormatUnixUs(clone.created_unix_us())},
      {"T0", FormatUnixUs(clone.started_unix_us())},
      {"completed", FormatUnixUs(clone.completed_unix_us())},
  };
  if (clone.latency_target_us() != 0 && StateOf(clone) == COPYING) {
    fields.emplace_back("hosts' p99", FormatLatency(clone.host_p99_us(), "no requests"));
    fields.emplace_back("copy limit", FormatRate(clone.copy_limit_bytes_per_second()));
  }
  if (!clone.certificate().empty()) fields.emplace_back("certificate", clone.certificate());
  if (!clone.error().empty()) fields.emplace_back("error", clone.error());
  return FormatFields(fields);
}

std::string ResidualFields(const Residual& residual) {
  return FormatFields({
      {"clone", fmt::format("{}", residual.id())},
      {"residual", fmt::format("{} extents, {}", residual.extents_residual(),
                               FormatSize(residual.bytes_residual()))},
      {"pending", fmt::format("{}", residual.extents_pending())},
      {"copying", fmt::format("{}", residual.extents_copying())},
      {"landing", fmt::format("{}", residual.extents_landing())},
      {"metadata", fmt::format("up to write {}", residual.sequence())},
  });
}

std::string FormatRun(const ExtentRun& run) {
  if (run.count() <= 1) return fmt::format("{}", run.first());
  return fmt::format("{}-{}", run.first(), run.first() + run.count() - 1);
}

}  // namespace baton
