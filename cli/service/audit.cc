#include "cli/service/audit.h"

#include <absl/strings/str_join.h>

#include <optional>
#include <utility>

#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton::control {
namespace {

constexpr int kRefusedEvents = 20;
constexpr absl::Duration kRefusedEventsIn = absl::Minutes(1);

std::string DescribeVolumeChange(const Request& request) {
  switch (request.command_case()) {
    case Request::kVolumeCreate: {
      const VolumeCreate& create = request.volume_create();
      return fmt::format("volume {} {} of {}{}", create.importing() ? "import" : "create",
                         create.name(), FormatSize(create.size_bytes()),
                         create.thick() ? ", thick" : "");
    }
    case Request::kVolumeFinishImport:
      return "end of the import of volume " + request.volume_finish_import().name();
    case Request::kVolumeDelete:
      return "volume delete " + request.volume_delete().name();
    case Request::kVolumeAdopt:
      return "volume adopt " + request.volume_adopt().name();
    case Request::kVolumeResize:
      return fmt::format("volume resize {} {}", request.volume_resize().name(),
                         FormatSize(request.volume_resize().size_bytes()));
    case Request::kVolumeRename:
      return fmt::format("volume rename {} {}", request.volume_rename().name(),
                         request.volume_rename().to());
    default:  // the caller's
      return "";
  }
}

std::string DescribeCloneChange(const Request& request) {
  switch (request.command_case()) {
    case Request::kCloneCreate:
      return fmt::format("clone create {} {}", request.clone_create().source(),
                         request.clone_create().target());
    case Request::kCloneActivate:
      return "clone activate " + absl::StrJoin(request.clone_activate().clones(), " ");
    case Request::kCloneStart:
      return "clone start " + absl::StrJoin(request.clone_start().clones(), " ");
    case Request::kClonePause:
      return "clone pause " + request.clone_pause().clone();
    case Request::kCloneResume:
      return "clone resume " + request.clone_resume().clone();
    case Request::kCloneStop:
      return "clone stop " + request.clone_stop().clone();
    case Request::kCloneDelete:
      return "clone delete " + request.clone_delete().clone();
    case Request::kCloneSet:
      return "clone set " + request.clone_set().clone();
    case Request::kCloneSetLatency:
      return "clone set " + request.clone_set_latency().clone();
    default:  // the caller's
      return "";
  }
}

// The end of a drill is an event itself.
std::string DescribeDrill(const Request& request) {
  switch (request.command_case()) {
    case Request::kDrillBegin:
      return fmt::format("drill {} with volume {}", request.drill_begin().drill(),
                         request.drill_begin().volume());
    case Request::kDrillCrash:
      return "kill of the owner's process for " + request.drill_crash().volume();
    case Request::kDrillPartition:
      return fmt::format("partition of {} ms for {}", request.drill_partition().milliseconds(),
                         request.drill_partition().volume());
    default:  // the caller's
      return "";
  }
}

}  // namespace

std::string DescribeChange(const Request& request) {
  if (request.has_upgrade()) return "upgrade";
  if (request.has_failover()) {
    const FailoverRequest& failover = request.failover();
    return fmt::format("failover{}{}", failover.to().empty() ? "" : " --to " + failover.to(),
                       failover.owner_is_dead() ? " --owner-is-dead" : "");
  }
  if (request.has_node_evict()) return "node evict " + request.node_evict().name();
  const std::string volume = DescribeVolumeChange(request);
  if (!volume.empty()) return volume;
  const std::string drill = DescribeDrill(request);
  return drill.empty() ? DescribeCloneChange(request) : drill;
}

std::string DescribeCaller(const Caller& caller) {
  const std::string node = caller.node().empty() ? "" : " on node " + caller.node();
  if (!caller.has_uid()) return "somebody" + node;
  return fmt::format("user {} (process {}{})", caller.uid(), caller.pid(), node);
}

Audit::Audit(Runtime& runtime, Sink sink)
    : sink_(std::move(sink)), refusals_(runtime, kRefusedEvents, kRefusedEventsIn) {}

void Audit::Note(const Request& request, const absl::Status& outcome) {
  const std::string what = DescribeChange(request);
  if (!sink_ || what.empty()) return;
  const std::string line =
      fmt::format("{} was asked for by {}: ", what, DescribeCaller(request.caller()));
  if (outcome.ok()) return sink_(line + "done", true);
  sink_(fmt::format("{}refused: {}", line, Message(outcome)), refusals_.Admit().has_value());
}

}  // namespace baton::control
