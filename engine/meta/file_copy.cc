#include "engine/meta/file_copy.h"

#include <algorithm>
#include <vector>

#include "engine/base/limits.h"
#include "engine/base/status.h"

namespace baton {
namespace {

constexpr uint64_t kChunkBytes = 1 * limits::kMiB;

}  // namespace

absl::StatusOr<std::string> ReadWholeFile(Storage& storage, const std::string& path,
                                          uint64_t limit_bytes) {
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, storage.Open(path, {.read_only = true}));
  BATON_ASSIGN_OR_RETURN(const uint64_t size_bytes, file->SizeBytes());
  if (size_bytes > limit_bytes) {
    return Error(absl::StatusCode::kDataLoss, "{} is garbled: it has {} bytes", path, size_bytes);
  }
  std::string content(size_bytes, '\0');
  BATON_RETURN_IF_ERROR(file->Read(0, std::as_writable_bytes(std::span(content))));
  return content;
}

absl::Status WriteNewFile(Storage& storage, const std::string& path, const std::string& content) {
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                         storage.Open(path, {.create = true, .exclusive = true}));
  BATON_RETURN_IF_ERROR(file->Write(0, std::as_bytes(std::span(content)), WriteMode::kCached));
  return file->Sync();
}

absl::Status CopyFile(Storage& storage, const std::string& from, const std::string& to) {
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> source,
                         storage.Open(from, {.read_only = true}));
  BATON_ASSIGN_OR_RETURN(const uint64_t size_bytes, source->SizeBytes());
  BATON_ASSIGN_OR_RETURN(const std::unique_ptr<File> target,
                         storage.Open(to, {.create = true, .exclusive = true}));
  std::vector<std::byte> buffer(std::min(size_bytes, kChunkBytes));
  for (uint64_t at = 0; at < size_bytes; at += buffer.size()) {
    const MutableBytes part(buffer.data(), std::min<uint64_t>(buffer.size(), size_bytes - at));
    BATON_RETURN_IF_ERROR(source->Read(at, part));
    BATON_RETURN_IF_ERROR(target->Write(at, part, WriteMode::kCached));
  }
  return absl::OkStatus();
}

absl::Status RemoveIfThere(Storage& storage, const std::string& path) {
  const absl::Status removed = storage.Remove(path);
  return absl::IsNotFound(removed) ? absl::OkStatus() : removed;
}

}  // namespace baton
