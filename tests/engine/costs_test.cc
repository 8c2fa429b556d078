// What does not grow with the size of a clone or the number of volumes.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/engine/sim_engine.h"

namespace baton {
namespace {

constexpr uint64_t kCostExtent = limits::kMinExtentBytes;

void AwaitCompletion(SimEngine& sim, uint64_t id) {
  for (int i = 0; i < 100'000 && Must(sim.engine->ShowClone(id)).state() != "completed"; ++i) {
    sim.machine.runtime().SleepFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(Must(sim.engine->ShowClone(id)).state(), "completed");
}

TEST(Costs, CommandsDoNotWaitForTheCertificateOfAClone) {
  SimEngine sim;
  sim.Run([&] {
    const uint64_t id = sim.StartClone(Pattern(4096 * kCostExtent, 1), kCostExtent);
    ASSERT_OK(sim.engine->CreateVolume({.name = "other", .size_bytes = 4096 * kCostExtent}));
    const uint64_t other = Must(
        sim.engine->CreateClone({.source = "src", .target = "other", .extent_bytes = kCostExtent}));
    sim.engine->StartCopiers();
    absl::Duration longest;
    while (Must(sim.engine->ShowClone(id)).state() == "copying") {
      const absl::Duration begin = sim.machine.runtime().BootTime();
      ASSERT_OK(sim.engine->SetCloneRate(other, 0));
      longest = std::max(longest, sim.machine.runtime().BootTime() - begin);
      sim.machine.runtime().SleepFor(absl::Milliseconds(1));
    }
    AwaitCompletion(sim, id);
    EXPECT_LT(longest, absl::Milliseconds(5));
  });
}

TEST(Costs, VerifyReadsNoHoles) {
  SimEngine sim;
  sim.Run([&] {
    std::vector<std::byte> content(1000 * kCostExtent);
    std::copy_n(Pattern(kCostExtent, 1).begin(), kCostExtent, content.begin() + 7 * kCostExtent);
    const uint64_t id = sim.StartClone(content, kCostExtent);
    sim.engine->StartCopiers();
    AwaitCompletion(sim, id);
    int reads = 0;
    sim.machine.steps().Observe([&](const sim::Operation& operation) {
      if (operation.kind == sim::OperationKind::kRead && operation.path == "volumes/dst") ++reads;
    });
    const VerifyReport report = Must(sim.engine->VerifyClone(id, nullptr));
    sim.machine.steps().Observe(nullptr);
    EXPECT_EQ(report.extents_differing(), 0u);
    EXPECT_EQ(report.extents_checked(), 1000u);
    EXPECT_EQ(report.certificate_now(), report.certificate());
    EXPECT_LE(reads, 16) << "what was copied together";
  });
}

TEST(Costs, VerifySeesDataInWhatWasAHole) {
  SimEngine sim;
  sim.Run([&] {
    const uint64_t id = sim.StartClone(std::vector<std::byte>(1000 * kCostExtent), kCostExtent);
    sim.engine->StartCopiers();
    AwaitCompletion(sim, id);
    ASSERT_OK(sim.OpenVolume("dst")->Write(500 * kCostExtent, Pattern(100, 1)));
    const VerifyReport report = Must(sim.engine->VerifyClone(id, nullptr));
    ASSERT_EQ(report.differing_size(), 1);
    EXPECT_EQ(report.differing(0).first(), 500u);
    EXPECT_EQ(report.extents_differing(), 1u);
  });
}

TEST(Costs, ASealSyncsVolumesSideBySide) {
  SimEngine sim;
  sim.Run([&] {
    for (int i = 0; i < 8; ++i) {
      ASSERT_OK(
          sim.engine->CreateVolume({.name = "v" + std::to_string(i), .size_bytes = kCostExtent}));
    }
    int under_way = 0, most = 0;
    const auto is_sync = sim::Matching(sim::OperationKind::kSync);
    sim.machine.steps().Inject({.matches =
                                    [&](const sim::Operation& operation) {
                                      if (is_sync(operation)) most = std::max(most, ++under_way);
                                      return false;
                                    },
                                .status = {}});
    sim.machine.steps().Observe([&](const sim::Operation& operation) {
      if (is_sync(operation)) --under_way;
    });
    ASSERT_OK(sim.engine->Seal().status());
    sim.machine.steps().Observe(nullptr);
    sim.machine.steps().ClearFaults();
    EXPECT_GT(most, 3);
  });
}

}  // namespace
}  // namespace baton
