#include "engine/volume/io_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/volume/hooked_volume.h"
#include "tests/volume/support.h"

namespace baton {
namespace {

using testing::ElementsAre;

// Adds its mark to the offset of writes; everything else passes through.
class MarkingPlugin : public IoPlugin {
 public:
  explicit MarkingPlugin(uint64_t mark) : mark_(mark) {}
  absl::Status Write(VolumeIo& next, uint64_t offset, Bytes data) override {
    return next.Write(offset * 10 + mark_, data);
  }

 private:
  const uint64_t mark_;
};

class IoPathTest : public testing::Test {
 protected:
  CountingRuntime runtime_;
  HookedVolume volume_;
  IoPath path_{runtime_, volume_};
};

TEST_F(IoPathTest, WithoutPluginsEverythingReachesTheVolume) {
  std::vector<std::string> calls;
  volume_.set_hook([&](const std::string& call, uint64_t) { calls.push_back(call); });
  EXPECT_TRUE(path_.Read(0, {}).ok());
  EXPECT_TRUE(path_.Write(0, {}).ok());
  EXPECT_TRUE(path_.Flush().ok());
  EXPECT_TRUE(path_.Discard(0, 0).ok());
  EXPECT_EQ(path_.size_bytes(), volume_.size_bytes());
  EXPECT_THAT(calls, ElementsAre("read", "write", "flush", "discard"));
}

TEST_F(IoPathTest, WhileSomebodyTimesItIsNotedHowLongRequestsTake) {
  volume_.set_hook([&](const std::string& call, uint64_t) {
    if (call == "write") absl::SleepFor(absl::Milliseconds(3));
  });
  {
    const PathTiming timing(path_);
    EXPECT_TRUE(path_.Write(0, {}).ok());
    EXPECT_EQ(timing.Load().CountAbove(absl::Milliseconds(2)), 1u);
    { const PathTiming another(path_); }
    EXPECT_TRUE(path_.Read(0, {}).ok());
    EXPECT_TRUE(path_.Flush().ok());
    EXPECT_EQ(timing.Load().total(), 3u);
    EXPECT_TRUE(path_.Discard(0, 0).ok());
    EXPECT_EQ(timing.Load().total(), 3u) << "a discard takes as long as it is";
  }
  EXPECT_TRUE(path_.Write(0, {}).ok());
  EXPECT_EQ(path_.Latencies().total(), 3u);
}

TEST_F(IoPathTest, TheNewestPluginComesFirstAndUnsetCallsPassThrough) {
  std::vector<std::pair<std::string, uint64_t>> calls;
  volume_.set_hook([&](const std::string& call, uint64_t at) { calls.emplace_back(call, at); });
  const auto first = std::make_shared<MarkingPlugin>(1);
  const auto second = std::make_shared<MarkingPlugin>(2);
  path_.Install(first);
  path_.Install(second);
  EXPECT_TRUE(path_.Write(0, {}).ok());
  EXPECT_TRUE(path_.Read(7, {}).ok());
  path_.Remove(second);
  EXPECT_TRUE(path_.Write(0, {}).ok());
  path_.Remove(second);  // not installed any more
  path_.Remove(first);
  EXPECT_TRUE(path_.Write(0, {}).ok());
  EXPECT_THAT(calls, ElementsAre(std::pair("write", 21), std::pair("read", 7),
                                 std::pair("write", 1), std::pair("write", 0)));
}

TEST_F(IoPathTest, ARemovedPluginIsNotKept) {
  auto plugin = std::make_shared<MarkingPlugin>(1);
  path_.Install(plugin);
  path_.Remove(plugin);
  EXPECT_EQ(plugin.use_count(), 1);
}

TEST_F(IoPathTest, AClosedGateHoldsWritesAndDiscardsOnly) {
  std::atomic<int> changed = 0;
  volume_.set_hook([&](const std::string& call, uint64_t) {
    if (call == "write" || call == "discard") changed.fetch_add(1);
  });
  std::jthread writer;
  std::jthread discarder;
  {
    WriteFreeze freeze(path_);
    writer = std::jthread([&] { EXPECT_TRUE(path_.Write(0, {}).ok()); });
    discarder = std::jthread([&] { EXPECT_TRUE(path_.Discard(0, 1).ok()); });
    runtime_.AwaitWaits(2);
    EXPECT_TRUE(path_.Read(0, {}).ok());
    EXPECT_TRUE(path_.Flush().ok());
    EXPECT_EQ(changed.load(), 0);
    EXPECT_EQ(path_.Activity().in_flight, 0U) << "who waits at the gate is not in flight";
  }
  writer.join();
  discarder.join();
  EXPECT_EQ(changed.load(), 2);
}

TEST_F(IoPathTest, GatesNest) {
  auto outer = std::make_unique<WriteFreeze>(path_);
  auto inner = std::make_unique<WriteFreeze>(path_);
  std::atomic<bool> written = false;
  std::jthread writer([&] {
    EXPECT_TRUE(path_.Write(0, {}).ok());
    written.store(true);
  });
  runtime_.AwaitWaits(1);
  outer.reset();
  absl::SleepFor(absl::Milliseconds(5));
  EXPECT_FALSE(written.load());
  inner.reset();
  writer.join();
  EXPECT_TRUE(written.load());
}

// An I/O that stays in the volume until it is released; later ones pass. Outlives all I/O.
class HeldIo {
 public:
  HeldIo(IoPath& path, HookedVolume& volume, bool write) {
    volume.set_hook([this](const std::string&, uint64_t) {
      if (held_.exchange(true)) return;
      inside_.Notify();
      release_.WaitForNotification();
    });
    thread_ = std::jthread(
        [&path, write] { EXPECT_TRUE((write ? path.Write(0, {}) : path.Read(0, {})).ok()); });
    inside_.WaitForNotification();
  }
  void Release() {
    release_.Notify();
    thread_.join();
  }

 private:
  std::atomic<bool> held_ = false;
  absl::Notification inside_;
  absl::Notification release_;
  std::jthread thread_;
};

TEST_F(IoPathTest, ClosingTheGateWaitsForWritesInFlight) {
  HeldIo write(path_, volume_, true);
  EXPECT_EQ(path_.Activity().in_flight, 1U);
  std::atomic<bool> closed = false;
  std::jthread closer([&] {
    path_.CloseWrites();
    closed.store(true);
  });
  runtime_.AwaitWaits(1);
  EXPECT_FALSE(closed.load());
  write.Release();
  closer.join();
  EXPECT_EQ(path_.Activity().in_flight, 0U);
  path_.OpenWrites();
  EXPECT_TRUE(path_.Write(0, {}).ok());
}

TEST_F(IoPathTest, ClosingTheGateDoesNotWaitForReads) {
  HeldIo read(path_, volume_, false);
  path_.CloseWrites();
  path_.OpenWrites();
  EXPECT_EQ(path_.Activity().in_flight, 1U);
  read.Release();
}

TEST_F(IoPathTest, PluginsCanBeChangedWhileTheGateIsClosed) {
  uint64_t seen = 0;
  volume_.set_hook([&](const std::string&, uint64_t offset) { seen = offset; });
  std::jthread writer;
  {
    WriteFreeze freeze(path_);
    writer = std::jthread([&] { EXPECT_TRUE(path_.Write(5, {}).ok()); });
    runtime_.AwaitWaits(1);
    path_.Install(std::make_shared<MarkingPlugin>(3));
  }
  writer.join();
  EXPECT_EQ(seen, 53U) << "the write that waited passes the plugin";
}

TEST_F(IoPathTest, InstallingWaitsForIoThatDoesNotPassThePlugin) {
  HeldIo read(path_, volume_, false);
  std::atomic<bool> installed = false;
  std::jthread installer([&] {
    path_.Install(std::make_shared<MarkingPlugin>(3));
    installed.store(true);
  });
  runtime_.AwaitWaits(1);
  EXPECT_FALSE(installed.load());
  EXPECT_TRUE(path_.Write(0, {}).ok()) << "I/O flows meanwhile";
  read.Release();
  installer.join();
  EXPECT_TRUE(installed.load());
}

TEST_F(IoPathTest, ShutdownReleasesWhoWaitsAndRefusesWhoComes) {
  path_.CloseWrites();
  absl::Status written;
  std::jthread writer([&] { written = path_.Write(0, {}); });
  runtime_.AwaitWaits(1);
  path_.Shutdown(absl::AbortedError("sealed"));
  writer.join();
  EXPECT_EQ(written, absl::AbortedError("sealed"));
  EXPECT_EQ(path_.Read(0, {}), absl::AbortedError("sealed"));
  EXPECT_EQ(path_.Flush(), absl::AbortedError("sealed"));
  path_.OpenWrites();
  EXPECT_EQ(path_.Discard(0, 0), absl::AbortedError("sealed"));
  path_.Shutdown(absl::InternalError("again"));
  EXPECT_EQ(path_.Write(0, {}), absl::AbortedError("sealed"));
}

TEST_F(IoPathTest, ShutdownLetsGoOfThePlugins) {
  auto plugin = std::make_shared<MarkingPlugin>(1);
  const std::weak_ptr<MarkingPlugin> watch = plugin;
  path_.Install(std::move(plugin));
  ASSERT_FALSE(watch.expired());
  path_.Shutdown(absl::AbortedError("sealed"));
  EXPECT_TRUE(watch.expired());
}

TEST_F(IoPathTest, ShutdownWaitsForEverythingInFlight) {
  HeldIo read(path_, volume_, false);
  std::atomic<int> down = 0;
  std::vector<std::jthread> closers;
  for (int i = 0; i < 2; ++i) {
    closers.emplace_back([&] {
      path_.Shutdown(absl::AbortedError("sealed"));
      down.fetch_add(1);
    });
  }
  runtime_.AwaitWaits(2);
  EXPECT_EQ(down.load(), 0);
  EXPECT_TRUE(absl::IsAborted(path_.Read(0, {})));
  read.Release();
  closers.clear();
  EXPECT_EQ(down.load(), 2);
}

}  // namespace
}  // namespace baton
