#include "ha/core/events.h"

namespace baton::ha {

std::string Name(State state) {
  switch (state) {
    case State::kFollower:
      return "follower";
    case State::kSuspecting:
      return "suspecting";
    case State::kStopping:
      return "stopping";
    case State::kFencing:
      return "fencing";
    case State::kClaiming:
      return "claiming";
    case State::kRecovering:
      return "recovering";
    case State::kOwner:
      return "owner";
    case State::kDraining:
      return "draining";
  }
  return "unknown";
}

std::string Name(Takeover takeover) {
  switch (takeover) {
    case Takeover::kAuto:
      return "auto";
    case Takeover::kFencedOnly:
      return "fenced-only";
    case Takeover::kManual:
      return "manual";
  }
  return "unknown";
}

std::string Name(Alarm alarm) {
  switch (alarm) {
    case Alarm::kStorage:
      return "storage";
    case Alarm::kOwnerSilent:
      return "owner-silent";
    case Alarm::kNoProof:
      return "no-proof";
    case Alarm::kFenceFailed:
      return "fence-failed";
    case Alarm::kFenceUnready:
      return "fence-unready";
    case Alarm::kTimesDiffer:
      return "times-differ";
    case Alarm::kRecoveryFailed:
      return "recovery-failed";
  }
  return "unknown";
}

}  // namespace baton::ha
