#include "engine/base/proof.h"

namespace baton {

std::string Name(Proof proof) {
  switch (proof) {
    case Proof::kNoneNeeded:
      return "none needed";
    case Proof::kHandover:
      return "handover";
    case Proof::kCertificate:
      return "certificate";
    case Proof::kFence:
      return "fence";
    case Proof::kOperator:
      return "operator";
    case Proof::kWatchdog:
      return "watchdog";
    case Proof::kLease:
      return "lease";
  }
  return "unknown";
}

std::optional<Proof> ParseProof(const std::string& name) {
  for (const Proof proof : {Proof::kNoneNeeded, Proof::kHandover, Proof::kCertificate,
                            Proof::kFence, Proof::kOperator, Proof::kWatchdog, Proof::kLease}) {
    if (Name(proof) == name) return proof;
  }
  return std::nullopt;
}

}  // namespace baton
