// What an I/O path promises, while threads read and write through it.
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <ctime>
#include <thread>

#include "engine/volume/io_path.h"
#include "tests/volume/hooked_volume.h"
#include "tests/volume/support.h"

namespace baton {
namespace {

constexpr uint64_t kMark = 1 << 30;

// Checks the two promises from both ends: what is installed misses nothing, what is removed sees
// nothing.
class WatchedPlugin : public IoPlugin {
 public:
  absl::Status Write(VolumeIo& next, uint64_t offset, Bytes data) override {
    return Watch([&] { return next.Write(offset + mark, data); });
  }
  absl::Status Read(VolumeIo& next, uint64_t offset, MutableBytes out) override {
    return Watch([&] { return next.Read(offset + mark, out); });
  }

  template <typename Call>
  absl::Status Watch(const Call& call) {
    if (removed.load()) violations.fetch_add(1);
    const absl::Status status = call();
    if (removed.load()) violations.fetch_add(1);
    return status;
  }

  uint64_t mark = 0;
  std::atomic<bool> removed = true;
  std::atomic<bool> installed = false;
  std::atomic<int> violations = 0;
};

// Threads that read and write until the end of the scope. With `stopped_at_random` each is stopped
// for a while every now and then, at whatever instruction it happens to be: so the few that lie
// between looking at the path's state and counting in are met as well.
class Hosts {
 public:
  static constexpr int kThreads = 8;

  Hosts(IoPath& path, bool stopped_at_random) {
    for (int t = 0; t < kThreads; ++t) {
      threads_.emplace_back([this, &path, t] { Run(path, t); });
    }
    if (stopped_at_random) stopper_ = std::jthread([this] { StopSomebody(); });
  }
  ~Hosts() {
    stop_.store(true);
    if (stopper_.joinable()) stopper_.join();
    threads_.clear();
  }
  // Changes the path again and again while they run.
  void Repeat(const std::function<void()>& change) {
    while (done_.load() < kThreads) std::this_thread::yield();
    const absl::Time end = absl::Now() + absl::Milliseconds(700);
    while (absl::Now() < end) change();
  }
  int errors() const { return errors_.load(); }

 private:
  void Run(IoPath& path, uint64_t first) {
    for (uint64_t i = first; !stop_.load(); ++i, done_.fetch_add(1)) {
      const absl::Status status = i % 2 == 0 ? path.Write(i % 64, {}) : path.Read(i % 64, {});
      if (!status.ok()) errors_.fetch_add(1);
    }
  }

  void StopSomebody() {
    std::signal(SIGUSR1, [](int) {
      const timespec pause = {0, 300'000};
      nanosleep(&pause, nullptr);
    });
    Random random(1);
    while (!stop_.load()) {
      pthread_kill(threads_[Below(random, kThreads)].native_handle(), SIGUSR1);
      absl::SleepFor(absl::Microseconds(50));
    }
  }

  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> done_ = 0;
  std::atomic<int> errors_ = 0;
  std::vector<std::jthread> threads_;
  std::jthread stopper_;
};

class IoPathLoadTest : public testing::TestWithParam<bool> {
 protected:
  // As long as a host is stopped, when hosts are.
  static void Pause() {
    if (GetParam()) absl::SleepFor(absl::Microseconds(400));
    std::this_thread::yield();
  }

  SystemRuntime runtime_;
  HookedVolume volume_;
  IoPath path_{runtime_, volume_};
};

INSTANTIATE_TEST_SUITE_P(Hosts, IoPathLoadTest, testing::Bool(), [](const auto& info) {
  return info.param ? "StoppedAtRandom" : "Running";
});

TEST_P(IoPathLoadTest, PluginsComeAndGo) {
  std::array<std::shared_ptr<WatchedPlugin>, 2> plugins;
  for (uint64_t i = 0; i < plugins.size(); ++i) {
    plugins[i] = std::make_shared<WatchedPlugin>();
    plugins[i]->mark = kMark << i;
  }
  std::atomic<int> missed = 0;
  volume_.set_hook([&](const std::string&, uint64_t offset) {
    for (int look = 0; look < 2; ++look) {
      for (const auto& plugin : plugins) {
        if (plugin->installed.load() && (offset & plugin->mark) == 0) missed.fetch_add(1);
      }
      if (!GetParam() && offset % 64 == 0) std::this_thread::yield();
    }
  });
  {
    Hosts hosts(path_, GetParam());
    std::vector<std::jthread> changers;
    for (const auto& plugin : plugins) {
      changers.emplace_back([&, plugin] {
        hosts.Repeat([&] {
          plugin->removed.store(false);
          path_.Install(plugin);
          plugin->installed.store(true);
          Pause();
          plugin->installed.store(false);
          path_.Remove(plugin);
          plugin->removed.store(true);
        });
      });
    }
    changers.clear();
    EXPECT_EQ(hosts.errors(), 0);
  }
  EXPECT_EQ(missed.load(), 0);
  for (const auto& plugin : plugins) EXPECT_EQ(plugin->violations.load(), 0);
  EXPECT_EQ(path_.Activity().in_flight, 0U);
  EXPECT_GT(path_.Activity().completed, 0U);
}

TEST_P(IoPathLoadTest, WritesAreOutWhileTheGateIsClosed) {
  std::atomic<bool> frozen = false;
  std::atomic<int> violations = 0;
  volume_.set_hook([&](const std::string& call, uint64_t offset) {
    if (call == "read") return;
    if (frozen.load()) violations.fetch_add(1);
    if (!GetParam() && offset % 64 == 0) std::this_thread::yield();
    if (frozen.load()) violations.fetch_add(1);
  });
  Hosts hosts(path_, GetParam());
  hosts.Repeat([&] {
    WriteFreeze freeze(path_);
    frozen.store(true);
    Pause();
    frozen.store(false);
  });
  EXPECT_EQ(violations.load(), 0);
  EXPECT_EQ(hosts.errors(), 0);
}

}  // namespace
}  // namespace baton
