#include "cli/control/control_timeouts.h"

namespace baton::control {
namespace {

// A change may have to allocate or to empty a volume; a question never waits for more than locks,
// and 10 s for an owner (ha::OwnerClient), after which what a standby knows is read.
constexpr absl::Duration kQuestionTimeout = absl::Seconds(15);
constexpr absl::Duration kChangeTimeout = absl::Minutes(10);

}  // namespace

absl::Duration TimeoutOf(Request::CommandCase command) {
  switch (command) {
    case Request::kStatus:
    case Request::kVolumeList:
    case Request::kVolumeShow:
    case Request::kCloneList:
    case Request::kCloneStatus:
    case Request::kCloneResidual:
    case Request::kVerifyStart:
    case Request::kVerifyPoll:
    case Request::kEvents:
    case Request::kDrillBegin:
    case Request::kDrillCrash:
    case Request::kDrillPartition:
    case Request::kDrillEnd:
    case Request::kTraceSlow:
    case Request::COMMAND_NOT_SET:
      return kQuestionTimeout;
    case Request::kVolumeCreate:
    case Request::kVolumeFinishImport:
    case Request::kVolumeDelete:
    case Request::kVolumeAdopt:
    case Request::kVolumeResize:
    case Request::kVolumeRename:
    case Request::kCloneCreate:
    case Request::kCloneActivate:
    case Request::kCloneStart:
    case Request::kClonePause:
    case Request::kCloneResume:
    case Request::kCloneStop:
    case Request::kCloneDelete:
    case Request::kCloneSet:
    case Request::kCloneSetLatency:
    case Request::kVerifyCancel:
    case Request::kUpgrade:
    case Request::kFailover:
    case Request::kNodeEvict:
      return kChangeTimeout;
  }
  return kQuestionTimeout;
}

}  // namespace baton::control
