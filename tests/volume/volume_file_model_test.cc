// The volume against a model, on real file systems: one that has direct I/O, one that has not.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "engine/base/limits.h"
#include "engine/base/posix_storage.h"
#include "engine/volume/volume_file.h"
#include "tests/volume/support.h"

namespace baton {
namespace {

constexpr uint64_t kModelSize = 256 * limits::kKiB;

struct Place {
  const char* name;
  const char* directory;
  Durability durability;
};

class VolumeFileModelTest : public testing::TestWithParam<Place> {
 protected:
  void SetUp() override {
    directory_ = std::string(GetParam().directory) + "/baton-volume-XXXXXX";
    if (mkdtemp(directory_.data()) == nullptr) GTEST_SKIP() << "no " << GetParam().directory;
    auto storage = PosixStorage::Open(directory_);
    ASSERT_TRUE(storage.ok()) << storage.status();
    storage_ = *std::move(storage);
    const bool direct = GetParam().durability != DURABILITY_NONE;
    auto file = storage_->Open("volume", {.create = true, .exclusive = true, .direct = direct});
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->Truncate(kModelSize).ok());
    volume_ = std::make_unique<VolumeFile>(
        VolumeFile::Options{.runtime = runtime_,
                            .fence = fence_,
                            .bounce = bounce_,
                            .file = *std::move(file),
                            .size_bytes = kModelSize,
                            .durability = GetParam().durability,
                            .on_fault = [](const absl::Status& status) { FAIL() << status; }});
  }

  void TearDown() override {
    volume_.reset();
    std::filesystem::remove_all(directory_);
  }

  ByteVector Content() {
    ByteVector content(kModelSize);
    EXPECT_TRUE(volume_->Read(0, content).ok());
    return content;
  }

  std::string directory_;
  SystemRuntime runtime_;
  OpenFence fence_;
  BufferPool bounce_{runtime_, 2, 24 * limits::kKiB};
  std::unique_ptr<PosixStorage> storage_;
  std::unique_ptr<VolumeFile> volume_;
};

// A range inside [begin, end): often block-aligned, often short, sometimes all of it.
ByteRange RandomRange(Random& random, ByteRange within) {
  uint64_t begin = within.begin + Below(random, within.end - within.begin);
  uint64_t length = Below(random, within.end - begin + 1);
  if (Below(random, 2) == 0) length = std::min<uint64_t>(length, Below(random, 10000));
  if (Below(random, 3) == 0) {
    const uint64_t unit = Below(random, 2) == 0 ? 512 : limits::kBlockBytes;
    begin = std::max(within.begin, begin / unit * unit);
    length = length / unit * unit;
  }
  return {begin, begin + length};
}

// Requests on one range of the volume, checked against what they must have done there.
class Actor {
 public:
  Actor(VolumeFile& volume, ByteRange mine, uint64_t seed)
      : volume_(volume), mine_(mine), random_(seed), model_(mine.end - mine.begin) {}

  void Step() {
    const ByteRange range = RandomRange(random_, mine_);
    const uint64_t length = range.end - range.begin;
    const MutableBytes mirror = MutableBytes(model_).subspan(range.begin - mine_.begin, length);
    switch (Below(random_, 8)) {
      case 0:
        ASSERT_TRUE(volume_.Discard(range.begin, length).ok());
        std::ranges::fill(mirror, std::byte{0});
        break;
      case 1:
        ASSERT_TRUE(volume_.Flush().ok());
        break;
      case 2:
      case 3:
      case 4:
        Read(range.begin, mirror);
        break;
      default:
        Write(range.begin, mirror);
    }
  }

  const ByteVector& model() const { return model_; }

 private:
  // A buffer whose address is aligned or not, as it comes.
  MutableBytes Buffer(uint64_t length) {
    memory_.resize(length + 2 * limits::kBlockBytes);
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    uint64_t skip = limits::kBlockBytes - address % limits::kBlockBytes;
    if (Below(random_, 2) == 0) skip += Below(random_, limits::kBlockBytes);
    return MutableBytes(memory_).subspan(skip, length);
  }

  void Read(uint64_t offset, Bytes expected) {
    const MutableBytes buffer = Buffer(expected.size());
    ASSERT_TRUE(volume_.Read(offset, buffer).ok());
    ASSERT_TRUE(std::ranges::equal(buffer, expected)) << expected.size() << " bytes at " << offset;
  }

  void Write(uint64_t offset, MutableBytes mirror) {
    const MutableBytes buffer = Buffer(mirror.size());
    for (std::byte& byte : buffer) byte = static_cast<std::byte>(random_());
    ASSERT_TRUE(volume_.Write(offset, buffer).ok());
    std::ranges::copy(buffer, mirror.begin());
  }

  VolumeFile& volume_;
  const ByteRange mine_;
  Random random_;
  ByteVector model_;
  ByteVector memory_;
};

TEST_P(VolumeFileModelTest, RandomRequestsDoWhatTheModelDoes) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    ASSERT_TRUE(volume_->Discard(0, kModelSize).ok());
    Actor actor(*volume_, {0, kModelSize}, seed);
    for (int i = 0; i < 400; ++i) ASSERT_NO_FATAL_FAILURE(actor.Step());
    ASSERT_EQ(Content(), actor.model());
  }
}

// Ranges that share blocks, one thread each: nobody may change a byte of another's.
TEST_P(VolumeFileModelTest, NeighboursInABlockDoNotDisturbEachOther) {
  constexpr int kActors = 8;
  std::vector<Actor> actors;
  std::vector<uint64_t> borders = {0};
  Random random(7);
  for (int i = 1; i < kActors; ++i) {
    // Some are a few bytes long, all end inside a block.
    borders.push_back(borders.back() + (i % 2 == 0 ? 9001 : 57) + Below(random, 100));
  }
  borders.push_back(borders.back() + 40000);
  for (int i = 0; i < kActors; ++i)
    actors.emplace_back(*volume_, ByteRange{borders[i], borders[i + 1]}, i);
  {
    std::vector<std::jthread> threads;
    for (Actor& actor : actors) {
      threads.emplace_back([&actor] {
        for (int i = 0; i < 400 && !testing::Test::HasFatalFailure(); ++i) actor.Step();
      });
    }
  }
  ByteVector expected;
  for (const Actor& actor : actors) {
    expected.insert(expected.end(), actor.model().begin(), actor.model().end());
  }
  expected.resize(kModelSize);
  EXPECT_EQ(Content(), expected);
}

// Two writers of the same block, one of all of it, one of a byte: whoever is second, the other
// bytes are those of the whole write.
TEST_P(VolumeFileModelTest, APartialWriteNeverUndoesAWholeOne) {
  alignas(limits::kBlockBytes) std::array<std::byte, limits::kBlockBytes> block = {};
  for (int i = 0; i < 300; ++i) {
    std::ranges::fill(block, static_cast<std::byte>(i));
    std::jthread whole([&] { EXPECT_TRUE(volume_->Write(0, block).ok()); });
    std::jthread partial([&] { EXPECT_TRUE(volume_->Write(1000, Filled(1, 255)).ok()); });
    whole.join();
    partial.join();
    ByteVector content(block.size());
    ASSERT_TRUE(volume_->Read(0, content).ok());
    content[1000] = block[1000];
    ASSERT_TRUE(std::ranges::equal(content, block)) << "round " << i;
  }
}

TEST_P(VolumeFileModelTest, DiscardedBlocksAreHoles) {
  ASSERT_TRUE(volume_->Write(0, Filled(kModelSize, 1)).ok());
  ASSERT_TRUE(volume_->Discard(limits::kBlockBytes - 1, kModelSize / 2).ok());
  ASSERT_TRUE(volume_->Flush().ok());
  const auto data = volume_->NextData(limits::kBlockBytes);
  ASSERT_TRUE(data.ok() && data->has_value()) << data.status();
  EXPECT_EQ((*data)->begin, kModelSize / 2);
  EXPECT_EQ((*data)->end, kModelSize);
}

INSTANTIATE_TEST_SUITE_P(Places, VolumeFileModelTest,
                         testing::Values(Place{"DiskNode", "/var/tmp", DURABILITY_NODE},
                                         Place{"DiskSync", "/var/tmp", DURABILITY_SYNC},
                                         Place{"DiskNone", "/var/tmp", DURABILITY_NONE},
                                         Place{"MemoryNode", "/dev/shm", DURABILITY_NODE},
                                         Place{"MemoryNone", "/dev/shm", DURABILITY_NONE}),
                         [](const testing::TestParamInfo<Place>& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace baton
