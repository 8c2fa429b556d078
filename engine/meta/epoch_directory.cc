#include "engine/meta/epoch_directory.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/base/limits.h"
#include "engine/base/status.h"
#include "engine/meta/epoch_name.h"
#include "engine/meta/file_copy.h"

namespace baton {
namespace {

constexpr char kMeta[] = "meta";
constexpr char kSealed[] = ".sealed";
constexpr char kTemporary[] = ".tmp";
constexpr char kCurrent[] = "CURRENT";
constexpr char kLog[] = ".log";
constexpr char kTable[] = ".sst";
constexpr char kManifest[] = "MANIFEST-";
constexpr char kUncommitted[] = "/UNPROVEN";

std::string InMeta(const std::string& name) { return std::string(kMeta) + "/" + name; }

// RocksDB's names are a number and a suffix: "000012.log".
std::optional<uint64_t> NumberOf(const std::string& name, const std::string& suffix) {
  if (!name.ends_with(suffix)) return std::nullopt;
  const char* const end = name.data() + name.size() - suffix.size();
  uint64_t number = 0;
  const auto [parsed_to, error] = std::from_chars(name.data(), end, number);
  if (error != std::errc() || parsed_to != end) return std::nullopt;
  return number;
}

// The files in `directory` with `suffix`, in the order of their numbers.
absl::StatusOr<std::vector<std::string>> Numbered(const Storage& storage,
                                                  const std::string& directory,
                                                  const std::string& suffix) {
  BATON_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage.List(directory));
  std::vector<std::pair<uint64_t, std::string>> found;
  for (const std::string& name : names) {
    const std::optional<uint64_t> number = NumberOf(name, suffix);
    if (number) found.emplace_back(*number, name);
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> result;
  for (auto& [number, name] : found) result.push_back(std::move(name));
  return result;
}

// A directory without directories in it. What is not there is removed already.
absl::Status RemoveDirectory(Storage& storage, const std::string& directory) {
  absl::StatusOr<std::vector<std::string>> names = storage.List(directory);
  if (absl::IsNotFound(names.status())) return absl::OkStatus();
  BATON_RETURN_IF_ERROR(names.status());
  for (const std::string& name : *names) {
    BATON_RETURN_IF_ERROR(RemoveIfThere(storage, directory + "/" + name));
  }
  const absl::Status status = storage.Remove(directory);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

// Renamed first: a crash in the middle must not leave a directory that looks proven.
absl::Status RemoveUncommitted(Storage& storage, uint64_t epoch) {
  const std::string directory = EpochDirectory(epoch);
  BATON_ASSIGN_OR_RETURN(const bool uncommitted, storage.Exists(directory + kUncommitted));
  if (!uncommitted) return absl::OkStatus();
  BATON_RETURN_IF_ERROR(storage.Rename(directory, directory + kTemporary));
  BATON_RETURN_IF_ERROR(storage.SyncDirectory(kMeta));
  return RemoveDirectory(storage, directory + kTemporary);
}

// Of claims that did not finish: their claimers are gone, or are told so by their lease.
absl::Status RemoveLeftovers(Storage& storage) {
  BATON_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage.List(kMeta));
  for (const std::string& name : names) {
    if (ParseEpochName(name, kTemporary)) {
      BATON_RETURN_IF_ERROR(RemoveDirectory(storage, InMeta(name)));
    }
  }
  for (const std::string& name : names) {
    const std::optional<uint64_t> epoch = ParseEpochName(name, "");
    if (epoch) BATON_RETURN_IF_ERROR(RemoveUncommitted(storage, *epoch));
  }
  return absl::OkStatus();
}

absl::Status Seal(Storage& storage, uint64_t epoch) {
  const std::string sealed = EpochDirectory(epoch) + kSealed;
  BATON_ASSIGN_OR_RETURN(const bool done, storage.Exists(sealed));
  return done ? absl::OkStatus() : storage.Rename(EpochDirectory(epoch), sealed);
}

// UNPROVEN is durable before the directory gets the name by which it could be believed.
absl::Status MakeEmptyDirectory(Storage& storage, const std::string& directory) {
  BATON_RETURN_IF_ERROR(storage.MakeDirectory(directory));
  BATON_RETURN_IF_ERROR(
      storage.Open(directory + kUncommitted, {.create = true, .exclusive = true}).status());
  return storage.SyncDirectory(directory);
}

absl::Status SyncFile(Storage& storage, const std::string& path) {
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, storage.Open(path, {}));
  return file->Sync();
}

// Tables are durable once they are there. What RocksDB keeps beside those and these (LOCK,
// OPTIONS) it can do without; to open and close LOCK would also take its lock away.
bool MustBeMadeDurable(const std::string& name) {
  return name == kCurrent || name.starts_with(kManifest) || name.ends_with(kLog);
}

// One attempt at the copy of a sealed directory into one that does not exist.
class DirectoryCopy {
 public:
  DirectoryCopy(Storage& storage, std::string from, std::string to)
      : storage_(storage), from_(std::move(from)), to_(std::move(to)) {}

  // NotFound: something vanished underneath.
  absl::Status Run() {
    BATON_RETURN_IF_ERROR(MakeEmptyDirectory(storage_, to_));
    BATON_RETURN_IF_ERROR(CopyLogs());
    return CopyTables();
  }

 private:
  absl::Status Copy(const std::string& name) {
    return CopyFile(storage_, from_ + "/" + name, to_ + "/" + name);
  }

  absl::Status CopyLogs() {
    BATON_ASSIGN_OR_RETURN(const std::vector<std::string> logs, Numbered(storage_, from_, kLog));
    for (const std::string& name : logs) BATON_RETURN_IF_ERROR(Copy(name));
    return absl::OkStatus();
  }

  // CURRENT is written last, as read here: another MANIFEST may be named by now.
  absl::Status CopyTables() {
    BATON_ASSIGN_OR_RETURN(const std::string current, ReadCurrent());
    const std::string manifest = current.substr(0, current.find('\n'));
    if (!manifest.starts_with(kManifest) || manifest.find('/') != std::string::npos) {
      return Error(absl::StatusCode::kDataLoss, "{}/{} is garbled: it names no MANIFEST", from_,
                   kCurrent);
    }
    BATON_RETURN_IF_ERROR(Copy(manifest));
    BATON_RETURN_IF_ERROR(LinkTables());
    return WriteCurrent(current);
  }

  absl::Status WriteCurrent(const std::string& current) {
    BATON_ASSIGN_OR_RETURN(
        const std::unique_ptr<File> file,
        storage_.Open(to_ + "/" + kCurrent, {.create = true, .exclusive = true}));
    return file->Write(0, std::as_bytes(std::span(current)), WriteMode::kCached);
  }

  // It is replaced by a rename: a store that was proven has it at every moment.
  absl::StatusOr<std::string> ReadCurrent() {
    const std::string path = from_ + "/" + kCurrent;
    absl::StatusOr<std::string> current = ReadWholeFile(storage_, path, limits::kBlockBytes);
    if (!absl::IsNotFound(current.status())) return current;
    return Error(absl::StatusCode::kDataLoss, "{} is missing: the metadata is lost", path);
  }

  absl::Status LinkTables() {
    BATON_ASSIGN_OR_RETURN(const std::vector<std::string> tables,
                           Numbered(storage_, from_, kTable));
    for (const std::string& name : tables) BATON_RETURN_IF_ERROR(LinkOrCopy(name));
    return absl::OkStatus();
  }

  // Not every shared file system has hard links. AlreadyExists can only mean our own link, whose
  // first answer a server has lost: nobody else writes here.
  absl::Status LinkOrCopy(const std::string& name) {
    const absl::Status linked = storage_.Link(from_ + "/" + name, to_ + "/" + name);
    if (absl::IsAlreadyExists(linked)) return absl::OkStatus();
    if (!absl::IsUnimplemented(linked) && !absl::IsPermissionDenied(linked)) return linked;
    BATON_RETURN_IF_ERROR(RemoveIfThere(storage_, to_ + "/" + name));
    BATON_RETURN_IF_ERROR(Copy(name));
    return SyncFile(storage_, to_ + "/" + name);
  }

  Storage& storage_;
  const std::string from_;
  const std::string to_;
};

absl::Status CopyWithRetries(Storage& storage, const std::string& from, const std::string& to) {
  absl::Status status;
  for (int attempt = 0; attempt < limits::kEpochCopyAttempts; ++attempt) {
    status = DirectoryCopy(storage, from, to).Run();
    if (!absl::IsNotFound(status)) return status;
    spdlog::info("copy of {} begins again: {}", from, Message(status));
    BATON_RETURN_IF_ERROR(RemoveDirectory(storage, to));
  }
  return Annotate(status,
                  fmt::format("copy of {} failed {} times", from, limits::kEpochCopyAttempts));
}

// Directories of epochs before `to_epoch`, the newest first; of one epoch the sealed one first.
absl::StatusOr<std::vector<std::string>> EarlierDirectories(const Storage& storage,
                                                            uint64_t to_epoch) {
  BATON_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage.List(kMeta));
  std::vector<std::pair<uint64_t, std::string>> found;
  for (const std::string& name : names) {
    std::optional<uint64_t> epoch = ParseEpochName(name, kSealed);
    if (!epoch) epoch = ParseEpochName(name, "");
    if (epoch && *epoch < to_epoch) found.emplace_back(*epoch, name);
  }
  std::sort(found.rbegin(), found.rend());  // "epoch-7.sealed" > "epoch-7"
  std::vector<std::string> directories;
  for (auto& [epoch, name] : found) directories.push_back(InMeta(name));
  return directories;
}

// All but the newest ones before `epoch`. What cannot be removed is left for the next claim.
void RemoveOldEpochs(Storage& storage, uint64_t epoch) {
  const absl::StatusOr<std::vector<std::string>> directories = EarlierDirectories(storage, epoch);
  absl::Status removed = directories.status();
  for (size_t i = limits::kSealedEpochsKept; removed.ok() && i < directories->size(); ++i) {
    removed = RemoveDirectory(storage, (*directories)[i]);
  }
  if (!removed.ok()) spdlog::warn("old epochs were not removed: {}", Message(removed));
}

}  // namespace

std::string EpochDirectory(uint64_t epoch) { return InMeta(EpochName(epoch)); }

absl::StatusOr<uint64_t> LatestEpoch(const Storage& storage) {
  BATON_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage.List(kMeta));
  uint64_t latest = 0;
  for (const std::string& name : names) {
    latest = std::max(latest, ParseEpochName(name, kSealed).value_or(0));
    const uint64_t open = ParseEpochName(name, "").value_or(0);
    if (open <= latest) continue;
    BATON_ASSIGN_OR_RETURN(const bool uncommitted,
                           storage.Exists(EpochDirectory(open) + kUncommitted));
    if (!uncommitted) latest = open;
  }
  return latest;
}

absl::StatusOr<std::optional<LatestMetadata>> FindLatestMetadata(const Storage& storage) {
  BATON_ASSIGN_OR_RETURN(const uint64_t epoch, LatestEpoch(storage));
  if (epoch == 0) return std::nullopt;
  const std::string open = EpochDirectory(epoch);
  BATON_ASSIGN_OR_RETURN(const bool is_open, storage.Exists(open));
  return LatestMetadata{.epoch = epoch, .directory = is_open ? open : open + kSealed};
}

absl::Status SealAndCopy(Storage& storage, uint64_t from_epoch, uint64_t to_epoch) {
  BATON_RETURN_IF_ERROR(RemoveLeftovers(storage));
  RemoveOldEpochs(storage, to_epoch);  // first: the storage may have no other room for the copy
  const std::string final = EpochDirectory(to_epoch);
  const std::string temporary = final + kTemporary;
  if (from_epoch == 0) {
    BATON_RETURN_IF_ERROR(MakeEmptyDirectory(storage, temporary));
  } else {
    BATON_RETURN_IF_ERROR(Seal(storage, from_epoch));
    BATON_RETURN_IF_ERROR(
        CopyWithRetries(storage, EpochDirectory(from_epoch) + kSealed, temporary));
  }
  return storage.Rename(temporary, final);
}

absl::Status ProveEpoch(Storage& storage, uint64_t epoch) {
  const std::string directory = EpochDirectory(epoch);
  BATON_ASSIGN_OR_RETURN(const std::vector<std::string> names, storage.List(directory));
  for (const std::string& name : names) {
    if (!MustBeMadeDurable(name)) continue;
    BATON_RETURN_IF_ERROR(SyncFile(storage, directory + "/" + name));
  }
  BATON_RETURN_IF_ERROR(storage.SyncDirectory(directory));
  BATON_RETURN_IF_ERROR(storage.Remove(directory + kUncommitted));
  BATON_RETURN_IF_ERROR(storage.SyncDirectory(directory));
  return storage.SyncDirectory(kMeta);
}

}  // namespace baton
