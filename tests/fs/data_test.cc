// The content of volumes through the mount.
#include <absl/time/clock.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <random>
#include <thread>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "fs/mount_settings.h"
#include "tests/fs/mounted_test.h"

namespace baton::fs {
namespace {

constexpr uint64_t kMiB = limits::kMiB;

// Memory for O_DIRECT.
class AlignedBuffer {
 public:
  explicit AlignedBuffer(size_t length) : bytes_(::aligned_alloc(4096, length)), length_(length) {}
  ~AlignedBuffer() { ::free(bytes_); }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  char* data() const { return static_cast<char*>(bytes_); }
  size_t size() const { return length_; }

 private:
  void* const bytes_;
  const size_t length_;
};

class DataTest : public MountedTest {
 protected:
  // What the storage has, behind the mount.
  std::string Stored(uint64_t offset, size_t length) const {
    const UniqueFd file(::open(volumes_->PathOf(kVolume).c_str(), O_RDONLY | O_CLOEXEC));
    return ReadAt(file.get(), offset, length);
  }
};

TEST_F(DataTest, AWriteIsOnStorageWhenItIsAcknowledged) {
  const UniqueFd file = Open(O_RDWR);
  const std::string data = Pattern(1, 5000);
  WriteAt(file.get(), 777, data);
  EXPECT_EQ(Stored(777, 5000), data);
  EXPECT_EQ(ReadAt(file.get(), 777, 5000), data);
}

absl::Duration SpentOn(const SlowRequest& request, Spent what) {
  return request.spent[static_cast<size_t>(what)];
}

TEST_F(DataTest, SlowRequestsAreKeptWithWhatTheyWere) {
  const UniqueFd file = Open(O_RDWR);
  WriteAt(file.get(), 0, Pattern(1, 5000));
  const SlowReport before = session_->Slow(SIZE_MAX);
  EXPECT_EQ(before.answered, before.requests.size());
  volumes_->DelayEachIo(kSlowRequest + absl::Milliseconds(20));
  WriteAt(file.get(), 4096, Pattern(1, 512));
  ReadAt(file.get(), 8192, 1024);
  const SlowReport report = session_->Slow(SIZE_MAX);
  ASSERT_EQ(report.answered, before.answered + 2);
  EXPECT_EQ(report.under_way, 0u);
  const SlowRequest& read = report.requests[0];
  EXPECT_EQ(read.io.kind, IoKind::kRead);
  EXPECT_EQ(read.io.volume_id, kVolume);
  EXPECT_EQ(read.io.offset, 8192u);
  EXPECT_GE(read.total, kSlowRequest);
  EXPECT_FALSE(read.doing);
  const SlowRequest& write = report.requests[1];
  EXPECT_EQ(write.io.kind, IoKind::kWrite);
  EXPECT_EQ(write.io.offset, 4096u);
  EXPECT_EQ(write.io.length_bytes, 512u);
  EXPECT_LT(write.came, read.came);
  EXPECT_EQ(session_->Slow(1).requests.size(), 1u);
}

// A hung one is what is looked for.
TEST_F(DataTest, ASlowRequestIsShownWhileItWaits) {
  const UniqueFd file = Open(O_RDWR);
  volumes_->SetOutage(true);
  std::vector<std::thread> hosts;
  for (int i = 0; i <= kDefaultWorkers; ++i) {
    hosts.emplace_back([&file, i] { WriteAt(file.get(), 4096ull * i, Pattern(1, 4096)); });
  }
  SlowReport report;
  while (report.under_way <= static_cast<uint64_t>(kDefaultWorkers)) {
    report = session_->Slow(SIZE_MAX);
    absl::SleepFor(absl::Milliseconds(10));
  }
  size_t queued = 0;
  for (size_t i = 0; i < report.under_way; ++i) {
    const SlowRequest& request = report.requests[i];
    EXPECT_EQ(request.io.kind, IoKind::kWrite);
    ASSERT_TRUE(request.doing);
    EXPECT_TRUE(*request.doing == Spent::kOwner || *request.doing == Spent::kQueued);
    EXPECT_GE(SpentOn(request, *request.doing), request.total / 2);
    if (*request.doing == Spent::kQueued) ++queued;
  }
  EXPECT_EQ(queued, 1u) << "one more than may be served";
  volumes_->SetOutage(false);
  for (std::thread& host : hosts) host.join();
  report = session_->Slow(SIZE_MAX);
  EXPECT_EQ(report.under_way, 0u);
  EXPECT_GE(report.answered, hosts.size());
  queued = 0;
  for (const SlowRequest& request : report.requests) {
    const absl::Duration waited =
        SpentOn(request, Spent::kQueued) + SpentOn(request, Spent::kOwner);
    EXPECT_GE(waited, request.total / 2);
    if (SpentOn(request, Spent::kQueued) > absl::ZeroDuration()) ++queued;
  }
  EXPECT_EQ(queued, 1u);
}

TEST_F(DataTest, RequestsAreCountedWhenTheyAreAnswered) {
  const UniqueFd file = Open(O_RDWR);
  WriteAt(file.get(), 0, Pattern(1, 5000));
  ReadAt(file.get(), 0, 3000);
  ReadAt(file.get(), kVolumeBytes - 10, 10);
  ASSERT_EQ(::fsync(file.get()), 0);
  ASSERT_EQ(::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192), 0);
  const MountIo io = session_->Io();
  ASSERT_EQ(io.volumes.size(), 1u);
  EXPECT_EQ(io.volumes[0].volume_id, kVolume);
  const auto [reads, writes, flushes, discards] = io.volumes[0].kinds;
  EXPECT_EQ(reads.requests, 2u);
  EXPECT_EQ(reads.bytes, 3010u);
  EXPECT_EQ(writes.requests, 1u);
  EXPECT_EQ(writes.bytes, 5000u);
  EXPECT_EQ(flushes.requests, 1u);
  EXPECT_EQ(discards.requests, 1u);
  EXPECT_EQ(discards.bytes, 8192u);
  for (size_t kind = 0; kind < kIoKinds; ++kind) {
    EXPECT_EQ(io.kinds[kind].latencies.total(), io.volumes[0].kinds[kind].requests);
    EXPECT_GT(io.kinds[kind].total, absl::ZeroDuration());
    EXPECT_EQ(io.kinds[kind].errors, 0u);
  }
  EXPECT_EQ(io.waiting, 0u);
  EXPECT_EQ(io.last_stall, absl::ZeroDuration());
}

TEST_F(DataTest, OnlyWhatAProgramSeesIsCountedAsAnError) {
  const UniqueFd file = Open(O_RDWR);
  char byte = 'x';
  const auto read = [&] { return ErrorOf(::pread(file.get(), &byte, 1, 0)); };
  const auto reads = [&] { return session_->Io().kinds[0]; };
  volumes_->FailWith(absl::CancelledError("whoever asked is being killed"));
  EXPECT_EQ(read(), EINTR);
  EXPECT_EQ(reads().errors, 0u);
  EXPECT_EQ(reads().latencies.total(), 1u);
  volumes_->FailWith(absl::InternalError("broken"));
  EXPECT_EQ(read(), EIO);
  EXPECT_EQ(reads().errors, 1u);
  session_->Stop();
  volumes_->Remove(kVolume);
  Serve(/*adopt=*/true);
  EXPECT_NE(read(), 0);
  EXPECT_EQ(reads().errors, 1u) << "of a session that found no volume";
}

TEST_F(DataTest, ARequestWaitsUntilSomebodyServes) {
  const UniqueFd file = Open(O_RDWR);
  volumes_->SetOutage(true);
  char byte = 'x';
  std::thread host([&] { EXPECT_EQ(::pread(file.get(), &byte, 1, 0), 1); });
  while (session_->Io().waiting == 0) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(session_->Io().waiting, 1u);
  volumes_->DelayEachIo(absl::Milliseconds(500));
  volumes_->SetOutage(false);
  absl::SleepFor(absl::Milliseconds(200));
  EXPECT_EQ(session_->Io().waiting, 0u) << "while it is being answered";
  host.join();
  EXPECT_GT(session_->Io().last_stall, absl::ZeroDuration());
}

TEST(StallMeterTest, KeepsTheLongestOfOneChangeAndForgetsTheOneBefore) {
  StallMeter stall;
  stall.Note(absl::Seconds(100), absl::Seconds(3));
  stall.Note(absl::Seconds(100.1), absl::Seconds(1));
  EXPECT_EQ(stall.longest(), absl::Seconds(3));
  stall.Note(absl::Seconds(100.2), absl::Seconds(4));
  EXPECT_EQ(stall.longest(), absl::Seconds(4));
  stall.Note(absl::Seconds(200), absl::Seconds(0.5));
  EXPECT_EQ(stall.longest(), absl::Seconds(0.5));
}

TEST_F(DataTest, NothingIsReadFromACache) {
  const UniqueFd file = Open(O_RDWR);
  WriteAt(file.get(), 0, "old");
  EXPECT_EQ(ReadAt(file.get(), 0, 3), "old");
  const UniqueFd behind(::open(volumes_->PathOf(kVolume).c_str(), O_WRONLY | O_CLOEXEC));
  WriteAt(behind.get(), 0, "new");
  EXPECT_EQ(ReadAt(file.get(), 0, 3), "new");
}

// One thread's part of the volume, which begins and ends anywhere.
struct Part {
  uint64_t begin = 0;
  std::string content;
  int seed = 0;
};

// Reads and writes of any offset and length up to half the part, against a model of it.
void ReadAndWriteAtRandom(int direct, int buffered, Part& part) {
  std::mt19937_64 random(static_cast<uint64_t>(part.seed));
  for (int i = 0; i < 200 && !testing::Test::HasFailure(); ++i) {
    const uint64_t length = 1 + random() % (i % 8 == 0 ? part.content.size() / 2 : 9000);
    const uint64_t offset = random() % (part.content.size() - length + 1);
    const int fd = random() % 2 == 0 ? direct : buffered;
    if (random() % 2 == 0) {
      const std::string data = Pattern(random(), length);
      WriteAt(fd, part.begin + offset, data);
      part.content.replace(offset, length, data);
    } else {
      ASSERT_TRUE(ReadAt(fd, part.begin + offset, length) == part.content.substr(offset, length))
          << "seed " << part.seed << " step " << i << " offset " << offset << " length " << length;
    }
  }
}

TEST_F(DataTest, RandomReadsAndWritesOfSeveralThreadsMatchAModel) {
  const UniqueFd direct = Open(O_RDWR | O_DIRECT);
  const UniqueFd buffered = Open(O_RDWR);
  constexpr uint64_t kPartBytes = 2 * kMiB + 1371;
  std::vector<Part> parts;
  for (int i = 0; i < 6; ++i) {
    parts.push_back(
        {.begin = 13 + i * kPartBytes, .content = std::string(kPartBytes, '\0'), .seed = i + 1});
  }
  std::vector<std::thread> threads;
  for (Part& part : parts) {
    threads.emplace_back([&] { ReadAndWriteAtRandom(direct.get(), buffered.get(), part); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Part& part : parts) {
    EXPECT_TRUE(Stored(part.begin, part.content.size()) == part.content) << part.seed;
  }
}

TEST_F(DataTest, AMebibyteIsOneRequestInPageAlignedMemory) {
  const UniqueFd file = Open(O_RDWR | O_DIRECT);
  const AlignedBuffer buffer(kMiB);
  std::memset(buffer.data(), 7, buffer.size());
  ASSERT_EQ(::pwrite(file.get(), buffer.data(), kMiB, kMiB), static_cast<ssize_t>(kMiB));
  ASSERT_EQ(::pread(file.get(), buffer.data(), kMiB, kMiB), static_cast<ssize_t>(kMiB));
  EXPECT_EQ(counters_.writes, 1u);
  EXPECT_EQ(counters_.reads, 1u);
  EXPECT_EQ(counters_.longest_bytes, kMiB);
  EXPECT_EQ(counters_.unaligned_buffers, 0u);
}

// Of one file: the kernel would send them one after the other without the open flag that says so.
TEST_F(DataTest, WritesToOneFileGoSideBySide) {
  volumes_->DelayEachIo(absl::Milliseconds(200));
  const UniqueFd file = Open(O_RDWR);
  const absl::Duration begin = runtime_.BootTime();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] { WriteAt(file.get(), i * 8192, Pattern(1, 4096)); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LT(runtime_.BootTime() - begin, absl::Milliseconds(8 * 200));
}

TEST_F(DataTest, EndsLikeADisk) {
  const UniqueFd file = Open(O_RDWR);
  const std::string data = Pattern(2, 8192);
  const off_t near_end = kVolumeBytes - 4096;
  EXPECT_EQ(::pwrite(file.get(), data.data(), 8192, near_end), 4096) << "cut off at the end";
  EXPECT_EQ(ErrorOf(::pwrite(file.get(), data.data(), 8192, kVolumeBytes)), ENOSPC);
  EXPECT_EQ(ErrorOf(::pwrite(file.get(), data.data(), 1, kVolumeBytes + kMiB)), ENOSPC);
  EXPECT_EQ(ReadAt(file.get(), near_end, 8192), data.substr(0, 4096));
  EXPECT_EQ(ReadAt(file.get(), kVolumeBytes, 100), "");
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_END), static_cast<off_t>(kVolumeBytes));
}

TEST_F(DataTest, AnFsyncIsAFlush) {
  const UniqueFd file = Open(O_RDWR);
  ASSERT_EQ(::fsync(file.get()), 0);
  ASSERT_EQ(::fdatasync(file.get()), 0);
  EXPECT_EQ(counters_.flushes, 2u);
}

TEST_F(DataTest, PunchingAndZeroingDiscard) {
  const UniqueFd file = Open(O_RDWR);
  WriteAt(file.get(), 0, std::string(3 * 65536, 'x'));
  const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  ASSERT_EQ(::fallocate(file.get(), punch, 0, 65536), 0);
  ASSERT_EQ(::fallocate(file.get(), FALLOC_FL_ZERO_RANGE, 131072, 65536), 0);
  EXPECT_EQ(counters_.discards, 2u);
  EXPECT_EQ(ReadAt(file.get(), 0, 3 * 65536),
            std::string(65536, '\0') + std::string(65536, 'x') + std::string(65536, '\0'));
}

TEST_F(DataTest, DiscardsAreCutOffAtTheEnd) {
  const UniqueFd file = Open(O_RDWR);
  const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  WriteAt(file.get(), kVolumeBytes - 4096, std::string(4096, 'x'));
  ASSERT_EQ(::fallocate(file.get(), punch, kVolumeBytes - 4096, kMiB), 0);
  EXPECT_EQ(ReadAt(file.get(), kVolumeBytes - 4096, 4096), std::string(4096, '\0'));
  EXPECT_EQ(::fallocate(file.get(), punch, kVolumeBytes + kMiB, kMiB), 0);
  EXPECT_EQ(counters_.discards, 1u);
}

// A volume of many pieces, and a discard of all of it.
class LongDiscardTest : public DataTest {
 protected:
  static constexpr uint64_t kLongBytes = limits::kGiB;
  static constexpr uint64_t kPieces = kLongBytes / limits::kDiscardPieceBytes;

  void SetUp() override {
    DataTest::SetUp();
    if (!IsSkipped()) volumes_->Add(30, "long", kLongBytes);
  }
  int DiscardAll() {
    const UniqueFd file = Open(O_RDWR, "long");
    return ErrorOf(::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                               static_cast<off_t>(kLongBytes)));
  }
};

TEST_F(LongDiscardTest, IsDoneInPieces) {
  EXPECT_EQ(DiscardAll(), 0);
  EXPECT_EQ(counters_.discards, kPieces);
}

TEST_F(LongDiscardTest, DoesNotWaitForSomebodyWhoServes) {
  volumes_->DelayEachIo(absl::Milliseconds(100));
  std::thread host([&] { EXPECT_EQ(DiscardAll(), 0); });
  while (counters_.discards < 2) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(session_->Io().waiting, 0u);
  host.join();
}

TEST_F(LongDiscardTest, IsLeftToTheNextSessionWhenThisOneEnds) {
  volumes_->DelayEachIo(absl::Milliseconds(250));
  int error = -1;
  std::thread host([&] { error = DiscardAll(); });
  while (counters_.discards < 2) absl::SleepFor(absl::Milliseconds(1));
  const absl::Duration begin = runtime_.BootTime();
  session_->Stop();
  EXPECT_LT(runtime_.BootTime() - begin, absl::Seconds(2)) << "of 4 that it takes";
  const uint64_t before = counters_.discards;
  volumes_->DelayEachIo(absl::ZeroDuration());
  Serve(/*adopt=*/true);
  host.join();
  EXPECT_EQ(error, 0);
  EXPECT_EQ(counters_.discards, before + kPieces) << "it is done from the beginning";
}

TEST_F(DataTest, ReservingSpaceInsideIsAcceptedGrowingIsNot) {
  const UniqueFd file = Open(O_RDWR);
  EXPECT_EQ(ErrorOf(::fallocate(file.get(), 0, 0, kVolumeBytes)), 0);
  EXPECT_EQ(ErrorOf(::fallocate(file.get(), 0, 0, kVolumeBytes + 1)), ENOSPC);
  EXPECT_EQ(ErrorOf(::fallocate(file.get(), FALLOC_FL_ZERO_RANGE, kVolumeBytes, 1)), ENOSPC);
  EXPECT_EQ(ErrorOf(::fallocate(file.get(), FALLOC_FL_COLLAPSE_RANGE, 0, 4096)), EOPNOTSUPP);
  EXPECT_EQ(counters_.discards, 0u);
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_END), static_cast<off_t>(kVolumeBytes));
}

TEST_F(DataTest, SeekFindsDataAndHoles) {
  const UniqueFd file = Open(O_RDWR);
  EXPECT_EQ(ErrorOf(::lseek(file.get(), 0, SEEK_DATA)), ENXIO) << "an empty volume is one hole";
  EXPECT_EQ(::lseek(file.get(), 5, SEEK_HOLE), 5);
  WriteAt(file.get(), 65536, std::string(65536, 'x'));
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_DATA), 65536);
  EXPECT_EQ(::lseek(file.get(), 70000, SEEK_DATA), 70000);
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_HOLE), 0);
  EXPECT_EQ(::lseek(file.get(), 70000, SEEK_HOLE), 131072);
  EXPECT_EQ(ErrorOf(::lseek(file.get(), 131072, SEEK_DATA)), ENXIO);
  EXPECT_EQ(ErrorOf(::lseek(file.get(), kVolumeBytes, SEEK_HOLE)), ENXIO);
}

TEST_F(DataTest, TheEndOfAVolumeCountsAsAHole) {
  const UniqueFd file = Open(O_RDWR);
  WriteAt(file.get(), kVolumeBytes - 4096, std::string(4096, 'x'));
  EXPECT_EQ(::lseek(file.get(), kVolumeBytes - 10, SEEK_HOLE), static_cast<off_t>(kVolumeBytes));
}

TEST_F(DataTest, AFailureOfTheVolumeIsAnInputOutputErrorUntilItIsOver) {
  const UniqueFd file = Open(O_RDWR);
  char byte = 'x';
  volumes_->FailWith(Error(absl::StatusCode::kFailedPrecondition, "volume alpha is offline"));
  EXPECT_EQ(ErrorOf(::pread(file.get(), &byte, 1, 0)), EIO);
  EXPECT_EQ(ErrorOf(::pwrite(file.get(), &byte, 1, 0)), EIO);
  volumes_->FailWith(Error(absl::StatusCode::kResourceExhausted, "no space on the storage"));
  EXPECT_EQ(ErrorOf(::pwrite(file.get(), &byte, 1, 0)), ENOSPC);
  volumes_->FailWith(absl::OkStatus());
  EXPECT_EQ(::pwrite(file.get(), &byte, 1, 0), 1);
}

TEST_F(DataTest, AVolumeThatHasGrownEndsLater) {
  const UniqueFd file = Open(O_RDWR);
  char byte = 'x';
  EXPECT_EQ(::pread(file.get(), &byte, 1, kVolumeBytes), 0);
  volumes_->Add(kVolume, "alpha", 2 * kVolumeBytes);
  EXPECT_EQ(::pwrite(file.get(), &byte, 1, kVolumeBytes), 1);
  EXPECT_EQ(ReadAt(file.get(), kVolumeBytes, 1), std::string(1, byte));
  EXPECT_EQ(ErrorOf(::fallocate(file.get(), 0, 0, 2 * kVolumeBytes)), 0);
  EXPECT_EQ(::lseek(file.get(), kVolumeBytes, SEEK_DATA), static_cast<off_t>(kVolumeBytes));
}

TEST_F(DataTest, AnEndThatNobodyKnowsIsAnError) {
  const UniqueFd file = Open(O_RDWR);
  char byte = 'x';
  volumes_->FailWith(Error(absl::StatusCode::kDeadlineExceeded, "nobody serves"));
  EXPECT_EQ(ErrorOf(::pread(file.get(), &byte, 1, kVolumeBytes)), ETIMEDOUT);
  EXPECT_EQ(ErrorOf(::pwrite(file.get(), &byte, 1, kVolumeBytes)), ETIMEDOUT);
  EXPECT_EQ(ErrorOf(::fallocate(file.get(), 0, kVolumeBytes, 1)), ETIMEDOUT);
  EXPECT_EQ(ErrorOf(::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                kVolumeBytes, 4096)),
            ETIMEDOUT);
  EXPECT_EQ(ErrorOf(::lseek(file.get(), 5, SEEK_DATA)), ETIMEDOUT);
  volumes_->FailWith(absl::OkStatus());
  EXPECT_EQ(::pread(file.get(), &byte, 1, kVolumeBytes), 0);
}

// A view of the volume's first page.
class Mapping {
 public:
  Mapping(int fd, int flags)
      : memory_(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, flags, fd, 0)) {}
  ~Mapping() {
    if (memory_ != MAP_FAILED) ::munmap(memory_, 4096);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  bool ok() const { return memory_ != MAP_FAILED; }
  char* data() const { return static_cast<char*>(memory_); }

 private:
  void* const memory_;
};

TEST_F(DataTest, APrivateMapShowsTheContent) {
  const UniqueFd file = Open(O_RDWR);
  WriteAt(file.get(), 0, "mapped");
  const Mapping map(file.get(), MAP_PRIVATE);
  ASSERT_TRUE(map.ok()) << std::strerror(errno);
  EXPECT_EQ(std::string(map.data(), 6), "mapped");
}

TEST_F(DataTest, ASharedMapWritesTheContent) {
  const UniqueFd file = Open(O_RDWR);
  const Mapping map(file.get(), MAP_SHARED);
  ASSERT_TRUE(map.ok()) << std::strerror(errno);
  std::memcpy(map.data() + 10, "by memory", 9);
  ASSERT_EQ(::msync(map.data(), 4096, MS_SYNC), 0);
  EXPECT_EQ(Stored(10, 9), "by memory");
  EXPECT_EQ(ReadAt(file.get(), 10, 9), "by memory");
}

TEST_F(DataTest, AMapShowsWhatChangedBehindTheMountOncePagesAreDropped) {
  const UniqueFd file = Open(O_RDWR);
  WriteAt(file.get(), 0, "old");
  const Mapping map(file.get(), MAP_SHARED);
  ASSERT_TRUE(map.ok()) << std::strerror(errno);
  ASSERT_EQ(std::string(map.data(), 3), "old");
  const UniqueFd behind(::open(volumes_->PathOf(kVolume).c_str(), O_WRONLY | O_CLOEXEC));
  WriteAt(behind.get(), 0, "new");
  ASSERT_TRUE(session_->DropPages(kVolume).ok());
  EXPECT_EQ(std::string(map.data(), 3), "new");
  EXPECT_TRUE(session_->DropPages(12345).ok()) << "a volume that the kernel never saw";
}

}  // namespace
}  // namespace baton::fs
