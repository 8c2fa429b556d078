// What the tests of a real mount share: a directory, volumes, a mount, a session; all of it gone
// afterwards, also when a test fails, hangs or dies.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "engine/base/system_runtime.h"
#include "engine/base/unique_fd.h"
#include "fs/mount.h"
#include "fs/session.h"
#include "tests/fs/fake_volumes.h"

namespace baton::fs {

// A directory with an empty `mnt` and `volumes` in it. A process of its own unmounts and removes it
// when this one is gone, however it ended.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string mount_point() const { return root_ + "/mnt"; }
  std::string volumes() const { return root_ + "/volumes"; }
  std::string root() const { return root_; }

 private:
  std::string root_;
  UniqueFd alive_;  // closed by whatever ends this process
  pid_t guard_ = 0;
};

// Anyone but root cannot mount: such a run says so instead of failing.
bool CanMount();

class MountedTest : public testing::Test {
 protected:
  static constexpr uint64_t kVolume = 7;
  static constexpr uint64_t kVolumeBytes = 16 << 20;

  void SetUp() override;
  void TearDown() override;

  // Volume kVolume is called "alpha".
  void Serve(bool adopt);
  SessionOptions Options(bool adopt);
  std::string Path(const std::string& name = "alpha") const { return mount_->path() + "/" + name; }
  UniqueFd Open(int flags, const std::string& name = "alpha") const;

  SystemRuntime runtime_;
  IoCounters counters_;
  std::unique_ptr<Scratch> scratch_;
  std::unique_ptr<FakeVolumes> volumes_;
  std::unique_ptr<Mount> mount_;
  UniqueFd open_table_;
  std::unique_ptr<Session> session_;
  std::atomic<int> disconnects_ = 0;
  std::atomic<int> first_answers_ = 0;
  std::optional<absl::Duration> first_came_;  // of the last session that has answered
};

// The errno of a call that returned -1, else 0.
int ErrorOf(int64_t result);

// `length` bytes that depend on `seed` alone.
std::string Pattern(uint64_t seed, size_t length);

// Whole, or a failure of the test.
void WriteAt(int fd, uint64_t offset, const std::string& data);
std::string ReadAt(int fd, uint64_t offset, size_t length);

}  // namespace baton::fs
