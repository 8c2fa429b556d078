#include "engine/base/storage_probe.h"

#include <absl/status/statusor.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>

#include "engine/base/buffer_pool.h"
#include "engine/base/errno_status.h"
#include "engine/base/limits.h"
#include "engine/base/names.h"
#include "engine/base/random.h"
#include "engine/base/status.h"
#include "engine/base/unique_fd.h"

namespace baton {
namespace {

constexpr uint64_t kFileBytes = limits::kMiB;
constexpr uint64_t kPageBytes = limits::kBlockBytes;
constexpr int kSyncs = 9;
// The lease is renewed every 0.5 s, and lost after 3 s: such storage leaves no room for a bad
// moment.
constexpr absl::Duration kSlowSync = absl::Milliseconds(100);
constexpr absl::Duration kTooSlowSync = absl::Seconds(1);
// No probe takes so long: whoever made one that is older was killed.
constexpr auto kProbeIsOld = std::chrono::hours(1);
// What the pool itself, its metadata and its reserve take.
constexpr uint64_t kLittleSpaceBytes = 128 * limits::kMiB;

// The checks.
constexpr char kDirectIo[] = "direct-io";
constexpr char kReadBack[] = "read-back";
constexpr char kLinks[] = "links";
constexpr char kLocks[] = "locks";
constexpr char kSync[] = "sync";
constexpr char kSpace[] = "space";

struct Part {
  uint64_t begin = 0;
  uint64_t length_bytes = 0;
};
// What is written at first: data with holes between, as a sparse image has them.
constexpr std::array<Part, 4> kWritten = {Part{0, 64 * limits::kKiB},
                                          {128 * limits::kKiB, 64 * limits::kKiB},
                                          {500 * limits::kKiB, kPageBytes},
                                          {kFileBytes - kPageBytes, kPageBytes}};
constexpr Part kPunched = {16 * limits::kKiB, 32 * limits::kKiB};
constexpr Part kRewritten = {24 * limits::kKiB, kPageBytes};
constexpr Part kFilled = {256 * limits::kKiB, 8 * limits::kKiB};

// No byte of it is zero.
void FillPattern(MutableBytes out, uint64_t seed) {
  std::minstd_rand random(static_cast<uint32_t>(seed + 1));
  for (std::byte& byte : out) byte = static_cast<std::byte>(1 + random() % 255);
}

// Its file and what that has to hold.
class ReadBack {
 public:
  ReadBack(Storage& storage, Runtime& runtime, std::string path)
      : storage_(storage),
        path_(std::move(path)),
        model_pool_(runtime, 1, kFileBytes),
        found_pool_(runtime, 1, kFileBytes),
        model_(model_pool_.Acquire()),
        found_(found_pool_.Acquire()) {
    std::ranges::fill(model_.bytes(), std::byte{0});
  }

  absl::Status Run() {
    BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                           storage_.Open(path_, {.create = true, .direct = true}));
    BATON_RETURN_IF_ERROR(file->Truncate(kFileBytes));
    for (const Part& part : kWritten) BATON_RETURN_IF_ERROR(Write(*file, part, WriteMode::kCached));
    BATON_RETURN_IF_ERROR(file->Sync());
    BATON_RETURN_IF_ERROR(Compare("after it was written"));
    BATON_RETURN_IF_ERROR(file->PunchHole(kPunched.begin, kPunched.length_bytes));
    std::ranges::fill(In(kPunched), std::byte{0});
    BATON_RETURN_IF_ERROR(Compare("after a hole was punched"));
    BATON_RETURN_IF_ERROR(Write(*file, kRewritten, WriteMode::kDurable));
    BATON_RETURN_IF_ERROR(Write(*file, kFilled, WriteMode::kDurable));
    return Compare("after holes were written to");
  }

 private:
  MutableBytes In(const Part& part) const {
    return model_.bytes().subspan(part.begin, part.length_bytes);
  }

  absl::Status Write(File& file, const Part& part, WriteMode mode) {
    FillPattern(In(part), part.begin + ++writes_);
    return file.Write(part.begin, In(part), mode);
  }

  absl::Status Compare(const char* when) {
    for (const bool direct : {true, false}) {
      BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                             storage_.Open(path_, {.direct = direct, .read_only = true}));
      BATON_RETURN_IF_ERROR(file->Read(0, found_.bytes()));
      const auto [model, found] = std::ranges::mismatch(model_.bytes(), found_.bytes());
      if (found == found_.bytes().end()) continue;
      const bool lost = *found == std::byte{0};
      return Error(absl::StatusCode::kDataLoss, "{} {} at byte {} {}{}",
                   lost ? "it reads back zeros" : "it reads back something else",
                   direct ? "with O_DIRECT" : "without O_DIRECT", found - found_.bytes().begin(),
                   when,
                   lost ? "; servers of NFSv4.2 whose READ_PLUS is broken do that, as nfs-ganesha "
                          "4.3 with the kernel of Debian 13"
                        : "");
    }
    return absl::OkStatus();
  }

  Storage& storage_;
  const std::string path_;
  BufferPool model_pool_;
  BufferPool found_pool_;
  const BufferPool::Handle model_;
  const BufferPool::Handle found_;
  uint64_t writes_ = 0;
};

class Probe {
 public:
  Probe(Storage& storage, Runtime& runtime, std::string root, std::string directory)
      : storage_(storage),
        runtime_(runtime),
        root_(std::move(root)),
        directory_(std::move(directory)) {}

  std::vector<Finding> Run() {
    return {OrBad(kDirectIo, DirectIo()), OrBad(kReadBack, ReadsBack()), OrBad(kLinks, Links()),
            OrBad(kLocks, Locks()),       OrBad(kSync, SyncTime()),      OrBad(kSpace, Space())};
  }

 private:
  static Finding OrBad(const std::string& check, absl::StatusOr<Finding> finding) {
    return finding.ok() ? *std::move(finding) : Bad(check, Message(finding.status()));
  }
  std::string In(const std::string& name) const { return directory_ + "/" + name; }

  absl::StatusOr<Finding> DirectIo() {
    BATON_ASSIGN_OR_RETURN(const auto file,
                           storage_.Open(In("direct"), {.create = true, .direct = true}));
    if (IsDirect(*file)) {
      return Good(kDirectIo,
                  fmt::format("O_DIRECT in blocks of {} bytes", file->alignment().offset_bytes));
    }
    return Doubtful(
        kDirectIo,
        "there is no O_DIRECT: no controller with peers can use it, and a loss of power "
        "loses what was not flushed");
  }

  absl::StatusOr<Finding> ReadsBack() {
    BATON_RETURN_IF_ERROR(ReadBack(storage_, runtime_, In("data")).Run());
    return Good(kReadBack, "data and holes are read back as written");
  }

  absl::StatusOr<Finding> Links() {
    for (const char* name : {"one", "two"}) {
      BATON_ASSIGN_OR_RETURN(const auto file,
                             storage_.Open(In(name), {.create = true, .exclusive = true}));
      const std::string text = name;
      BATON_RETURN_IF_ERROR(file->Write(0, std::as_bytes(std::span(text)), WriteMode::kCached));
      BATON_RETURN_IF_ERROR(file->Sync());
    }
    BATON_RETURN_IF_ERROR(storage_.Link(In("one"), In("claim")));
    if (const absl::Status again = storage_.Link(In("two"), In("claim"));
        !absl::IsAlreadyExists(again)) {
      return Error(absl::StatusCode::kFailedPrecondition,
                   "a hard link over a file that is there must be refused as that, and {}",
                   again.ok() ? "was made: two nodes could own the pool" : Message(again));
    }
    BATON_RETURN_IF_ERROR(storage_.Rename(In("two"), In("one")));
    BATON_RETURN_IF_ERROR(storage_.SyncDirectory(directory_));
    BATON_RETURN_IF_ERROR(Expect("one", "two"));
    BATON_RETURN_IF_ERROR(Expect("claim", "one"));
    return Good(kLinks, "hard links are exclusive, a rename replaces");
  }

  absl::Status Expect(const std::string& name, const std::string& content) {
    BATON_ASSIGN_OR_RETURN(const auto file, storage_.Open(In(name), {.read_only = true}));
    std::string found(content.size(), '\0');
    BATON_RETURN_IF_ERROR(file->Read(0, std::as_writable_bytes(std::span(found))));
    if (found == content) return absl::OkStatus();
    return Error(absl::StatusCode::kDataLoss,
                 "after a link and a rename a file has what another "
                 "one should have");
  }

  absl::StatusOr<Finding> Locks() {
    const std::string path = root_ + "/" + In("lock");
    const auto open = [&path] {
      return UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    };
    const UniqueFd first = open();
    const UniqueFd second = open();
    if (!first.valid() || !second.valid()) return ErrnoStatus(errno, "open", path);
    if (::flock(first.get(), LOCK_EX | LOCK_NB) != 0) return ErrnoStatus(errno, "lock", path);
    if (::flock(second.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) {
      return absl::FailedPreconditionError(
          "flock does not exclude a second one: two controllers of one name would not notice each "
          "other");
    }
    return Good(kLocks, "flock excludes");
  }

  absl::StatusOr<Finding> SyncTime() {
    BATON_ASSIGN_OR_RETURN(const auto file,
                           storage_.Open(In("sync"), {.create = true, .direct = true}));
    BufferPool pool(runtime_, 1, kPageBytes);
    const BufferPool::Handle buffer = pool.Acquire();
    FillPattern(buffer.bytes(), 1);
    BATON_RETURN_IF_ERROR(file->Write(0, buffer.bytes(), WriteMode::kDurable));
    std::array<absl::Duration, kSyncs> times;
    for (absl::Duration& time : times) {
      const absl::Duration began = runtime_.BootTime();
      BATON_RETURN_IF_ERROR(file->Write(0, buffer.bytes(), WriteMode::kDurable));
      time = runtime_.BootTime() - began;
    }
    std::ranges::sort(times);
    const absl::Duration worst = times.back();
    const std::string text = fmt::format(
        "a durable write of 4 KiB takes {:.1f} ms, of {} the slowest {:.1f} ms",
        absl::ToDoubleMilliseconds(times[kSyncs / 2]), kSyncs, absl::ToDoubleMilliseconds(worst));
    if (times[kSyncs / 2] >= kTooSlowSync) {
      return Bad(kSync, text + ": the lease would run out; find out what it waits for");
    }
    return worst < kSlowSync ? Good(kSync, text)
                             : Doubtful(kSync, text + ": storage is slow or busy");
  }

  absl::StatusOr<Finding> Space() {
    BATON_ASSIGN_OR_RETURN(const uint64_t free_bytes, storage_.FreeBytes());
    BATON_ASSIGN_OR_RETURN(const uint64_t total_bytes, storage_.TotalBytes());
    const std::string text =
        fmt::format("{} of {} free", FormatSize(free_bytes), FormatSize(total_bytes));
    return free_bytes < kLittleSpaceBytes ? Doubtful(kSpace, text + ": make room")
                                          : Good(kSpace, text);
  }

  Storage& storage_;
  Runtime& runtime_;
  const std::string root_;
  const std::string directory_;
};

absl::Status RemoveWithContent(Storage& storage, const std::string& directory) {
  BATON_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage.List(directory));
  for (const std::string& name : names) {
    BATON_RETURN_IF_ERROR(storage.Remove(directory + "/" + name));
  }
  return storage.Remove(directory);
}

// By the clock of the storage: `own` was made just now. Others may be probing at this moment.
void RemoveOldProbes(Storage& storage, const std::filesystem::path& root, const std::string& own) {
  const absl::StatusOr<std::vector<std::string>> names = storage.List("");
  if (!names.ok()) return;
  std::error_code error;
  const auto now = std::filesystem::last_write_time(root / own, error);
  for (const std::string& name : *names) {
    if (error || !name.starts_with(kProbePrefix)) continue;
    std::error_code gone;
    const auto changed = std::filesystem::last_write_time(root / name, gone);
    if (gone || now - changed < kProbeIsOld) continue;
    RemoveWithContent(storage, name).IgnoreError();  // another one may be doing that
  }
}

}  // namespace

std::vector<Finding> ProbeStorage(Storage& storage, Runtime& runtime,
                                  const std::string& directory) {
  const std::string own = fmt::format("{}{:016x}", kProbePrefix, RandomNumber());
  if (const absl::Status made = storage.MakeDirectory(own); !made.ok()) {
    return {Bad("write", fmt::format("nothing can be made there: {}", Message(made)))};
  }
  RemoveOldProbes(storage, directory, own);
  std::vector<Finding> findings = Probe(storage, runtime, directory, own).Run();
  if (const absl::Status removed = RemoveWithContent(storage, own); !removed.ok()) {
    findings.push_back(Bad("remove", fmt::format("{} is left behind: {}", own, Message(removed))));
  }
  return findings;
}

absl::Status RemoveProbes(Storage& storage) {
  BATON_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage.List(""));
  for (const std::string& name : names) {
    if (name.starts_with(kProbePrefix)) {
      BATON_RETURN_IF_ERROR(RemoveWithContent(storage, name));
    }
  }
  return absl::OkStatus();
}

}  // namespace baton
