// A view that polls without a pause while owners work hard, seal and follow each other.
#include <absl/time/clock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "engine/meta/pool_file.h"
#include "tests/engine/engine_pool.h"
#include "tests/engine/pool_node.h"

namespace baton {
namespace {

constexpr uint64_t kWatchedExtents = 4096;
constexpr int kEpochs = 8;
constexpr int kFloods = 5;
constexpr uint64_t kFloodBytes = 2 * limits::kMiB;

std::set<uint64_t> CopiedOf(const Residual& residual) {
  std::set<uint64_t> copied;
  for (uint64_t extent = 0; extent < kWatchedExtents; ++extent) copied.insert(extent);
  for (const auto* runs : {&residual.pending(), &residual.landing(), &residual.copying()}) {
    for (const ExtentRun& run : *runs) {
      for (uint64_t i = 0; i < run.count(); ++i) copied.erase(run.first() + i);
    }
  }
  return copied;
}

// Polls and asks all the time, and keeps what it has seen.
class Watcher {
 public:
  Watcher(PoolNode& standby, uint64_t id)
      : standby_(standby), id_(id), thread_([this] { Watch(); }) {}
  ~Watcher() { Stop(); }
  void Stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  const std::set<uint64_t>& seen() const { return seen_; }
  int good_polls() const { return good_polls_; }

 private:
  void Watch() {
    StandbyView& view = standby_.view();
    while (!stopping_) {
      if (view.Poll().ok()) ++good_polls_;
      view.ListVolumes();
      view.ListClones();
      view.ListWarm();
      static_cast<void>(view.ListEvents(0, 10));
      const absl::StatusOr<Residual> residual = view.CloneResidual(id_, true);
      if (residual.ok()) seen_.merge(CopiedOf(*residual));
    }
  }

  PoolNode& standby_;
  const uint64_t id_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> good_polls_ = 0;
  std::set<uint64_t> seen_;
  std::thread thread_;
};

class StandbyRace : public testing::Test {
 protected:
  static constexpr uint64_t kExtent = limits::kMinExtentBytes;
  static constexpr uint64_t kExtents = kWatchedExtents;
  static constexpr uint64_t kSize = kExtents * kExtent;

  StandbyRace() : directory_(MemoryDirectory()) {
    SystemRuntime runtime;
    const std::unique_ptr<PosixStorage> storage = Must(PosixStorage::Open(directory_.path()));
    EXPECT_OK(InitPool(*storage, DURABILITY_NODE, runtime));
  }
  static uint64_t StartClone(PoolNode& node) {
    for (const char* name : {"src", "dst"}) {
      EXPECT_OK(node.engine().CreateVolume({.name = name, .size_bytes = kSize}));
    }
    EXPECT_OK(node.OpenByName("src")->Write(0, Pattern(kSize, 1)));
    CloneOptions options;
    options.source = "src";
    options.target = "dst";
    options.extent_bytes = kExtent;
    options.rate_bytes_per_second = kSize / 40;
    const uint64_t id = Must(node.engine().CreateClone(options));
    EXPECT_OK(node.engine().ActivateClones({id}));
    EXPECT_OK(node.engine().StartClones({id}));
    return id;
  }
  // Marks all over the bitmap, and so much metadata that it is flushed and compacted.
  static void WorkHard(PoolNode& node, int epoch) {
    const std::unique_ptr<VolumeIo> source = node.OpenByName("src");
    for (uint64_t i = 0; i < 150; ++i) {
      const uint64_t extent = (static_cast<uint64_t>(epoch) * 131 + i * 577) % kExtents;
      EXPECT_OK(source->Write(extent * kExtent, Pattern(kExtent, 2)));
    }
    for (int i = 0; i < kFloods; ++i) {
      Event event;
      event.set_kind("flood");
      event.set_text(std::string(kFloodBytes, 'x'));
      EXPECT_OK(node.engine().RecordEvent(std::move(event)));
    }
  }

  const TemporaryDirectory directory_;
};

TEST_F(StandbyRace, TheViewShowsNoBitThatIsNotSetAndCatchesUp) {
  PoolNode a(directory_.path(), "a");
  PoolNode b(directory_.path(), "b");
  a.Own();
  a.engine().StartCopiers();
  const uint64_t id = StartClone(a);
  b.Follow();
  Watcher watcher(b, id);
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    WorkHard(a, epoch);
    a.GiveUp();
    a.Own(a.gone());
    a.engine().StartCopiers();
  }
  EXPECT_OK(a.engine().PauseClone(id));
  watcher.Stop();
  EXPECT_GT(watcher.good_polls(), kEpochs);
  const std::set<uint64_t> truth = CopiedOf(Must(a.engine().CloneResidual(id, true)));
  EXPECT_GT(truth.size(), 500u);
  EXPECT_LT(truth.size(), kExtents) << "the clone must not be complete for this to mean much";
  EXPECT_GT(watcher.seen().size(), 100u);
  for (const uint64_t extent : watcher.seen()) EXPECT_TRUE(truth.contains(extent)) << extent;
  ExpectSameView(a, b);
}

}  // namespace
}  // namespace baton
