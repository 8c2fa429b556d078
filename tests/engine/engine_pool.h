// A pool in a directory of its own with an engine on it, as the controller puts them together:
// PosixStorage, RocksStore, an epoch of its own for each engine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/base/posix_storage.h"
#include "engine/base/system_runtime.h"
#include "engine/engine.h"
#include "tests/base/temporary_directory.h"
#include "tests/base/testing.h"

namespace baton {

// Where syncs cost nothing, for tests that are about something else.
std::string MemoryDirectory();

class EnginePool {
 public:
  explicit EnginePool(const std::string& parent = testing::TempDir(),
                      Durability durability = DURABILITY_NODE);

  // The engine of the next epoch; the one before must be closed.
  absl::Status Open();
  // As after an epoch of somebody else, which nobody has sealed. While there is no engine.
  void SkipEpoch() { ++epoch_; }
  // Seals, and ends the engine.
  std::vector<Residual> Close();

  Engine& engine() { return *engine_; }
  Engine* operator->() { return engine_.get(); }
  PosixStorage& storage() { return *storage_; }
  Runtime& runtime() { return runtime_; }
  uint64_t epoch() const { return epoch_; }
  // A file of the pool, as anybody would read it.
  absl::StatusOr<std::vector<std::byte>> ReadFile(const std::string& name);
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }

 private:
  TemporaryDirectory directory_;
  SystemRuntime runtime_;
  OpenFence fence_;
  const Durability durability_;
  std::unique_ptr<PosixStorage> storage_;
  uint64_t epoch_ = 0;
  std::unique_ptr<Engine> engine_;
};

// What tests of the facade do again and again. A failure of what is not tested is a failure of
// the test.
class EngineTest : public testing::Test {
 protected:
  static constexpr uint64_t kExtent = limits::kMinExtentBytes;
  static constexpr uint64_t kExtents = 64;
  static constexpr uint64_t kSize = kExtent * kExtents;
  // So slow that a clone of kSize stays as it is for the length of a test.
  static constexpr uint64_t kCrawl = 1;

  explicit EngineTest(const std::string& parent = testing::TempDir()) : pool_(parent) {
    EXPECT_OK(pool_.Open());
  }

  // ---- volumes ----
  void MakeVolume(const std::string& name, uint64_t size_bytes = kSize);
  std::unique_ptr<VolumeIo> OpenByName(const std::string& name);
  std::vector<std::byte> Content(const std::string& name);
  void Write(const std::string& name, uint64_t offset, const std::vector<std::byte>& data);
  // All of it.
  void Fill(const std::string& name, uint8_t tag);
  static std::vector<std::byte> Filled(uint8_t tag) { return Pattern(kSize, tag); }
  // Reads are refused because the target is no T0 image.
  bool IsOffline(const std::string& name);
  static std::vector<std::byte> Zeros() { return std::vector<std::byte>(kSize); }

  // ---- clones ----
  CloneOptions Options(const std::string& source, const std::string& target,
                       uint64_t rate_bytes_per_second = 0) const;
  uint64_t Create(const std::string& source, const std::string& target, uint64_t rate = 0);
  uint64_t Activate(const std::string& source, const std::string& target, uint64_t rate = 0);
  uint64_t Start(const std::string& source, const std::string& target, uint64_t rate = 0);
  // A clone in that state, made from nothing; volumes "src", with data, and "dst" must be there.
  uint64_t MakeIn(const std::string& state);
  std::string StateOf(uint64_t id);
  void AwaitState(uint64_t id, const std::string& state);
  void Complete(uint64_t id);  // as fast as it goes
  // A rate holds back what is read: zeros are recorded at once.
  void ExpectToCrawl(const std::string& source);

  // ---- refusals ----
  // Everything that a command could change, as text.
  std::string Everything();

  EnginePool pool_;
};

// `expression` is refused with `expected`, in one line that has `text` in it, and changes nothing.
#define EXPECT_REFUSED(expression, expected, text)                            \
  do {                                                                        \
    const std::string before_ = Everything();                                 \
    const absl::Status refusal_ = ::baton::StatusOf(expression);              \
    EXPECT_EQ(refusal_.code(), absl::StatusCode::expected) << refusal_;       \
    EXPECT_EQ(refusal_.message().find('\n'), absl::string_view::npos);        \
    EXPECT_THAT(std::string(refusal_.message()), ::testing::HasSubstr(text)); \
    EXPECT_EQ(Everything(), before_);                                         \
  } while (false)

}  // namespace baton
