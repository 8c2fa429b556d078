#include "engine/base/proof.h"

#include <gtest/gtest.h>

#include <set>

namespace baton {
namespace {

constexpr Proof kProofs[] = {Proof::kNoneNeeded, Proof::kHandover, Proof::kCertificate,
                             Proof::kFence,      Proof::kOperator, Proof::kWatchdog,
                             Proof::kLease};

TEST(ProofNames, AreReadAsTheyAreWritten) {
  std::set<std::string> names;
  for (const Proof proof : kProofs) {
    EXPECT_EQ(ParseProof(Name(proof)), proof);
    names.insert(Name(proof));
  }
  EXPECT_EQ(names, (std::set<std::string>{"certificate", "fence", "handover", "lease",
                                          "none needed", "operator", "watchdog"}));
}

TEST(ProofNames, OfNoClassAreNone) {
  for (const char* name : {"", "unknown", "Lease", "none"})
    EXPECT_EQ(ParseProof(name), std::nullopt);
}

}  // namespace
}  // namespace baton
