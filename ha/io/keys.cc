#include "ha/io/keys.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <absl/strings/str_split.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/errno_status.h"
#include "engine/base/limits.h"
#include "engine/base/names.h"
#include "engine/base/status.h"
#include "engine/base/sync_folder.h"
#include "engine/base/unique_fd.h"
#include "ha/io/zmq_socket.h"

namespace baton::ha {
namespace {

constexpr size_t kMaxKeysFileBytes = 64 * limits::kKiB;
constexpr size_t kHexDigits = 64;  // of a key

absl::Status NewFile(const std::string& path, const std::string& text, mode_t mode) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd.valid() && errno == EEXIST) {
    return Error(absl::StatusCode::kAlreadyExists, "{} is there already; keys are not overwritten",
                 path);
  }
  if (!fd.valid()) return ErrnoStatus(errno, "make", path);
  const bool written =
      ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      ::fchmod(fd.get(), mode) == 0 && ::fsync(fd.get()) == 0;
  if (written) return absl::OkStatus();
  const int error = errno;
  ::unlink(path.c_str());
  return ErrnoStatus(error, "write", path);
}

absl::StatusOr<std::string> ReadSmallFile(int fd, const std::string& path) {
  std::string text(kMaxKeysFileBytes + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = ::read(fd, text.data() + size, text.size() - size);
    if (count < 0) return ErrnoStatus(errno, "read", path);
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  if (size > kMaxKeysFileBytes) {
    return Error(absl::StatusCode::kInvalidArgument, "{} is too long for a file of keys", path);
  }
  text.resize(size);
  return text;
}

// A secret that others can read is none, and one that others can write may be theirs.
absl::Status CheckPrivate(int fd, const std::string& path) {
  struct stat file = {};
  if (::fstat(fd, &file) != 0) return ErrnoStatus(errno, "look at", path);
  if ((file.st_mode & 077) == 0) return absl::OkStatus();
  return Error(absl::StatusCode::kPermissionDenied,
               "{} may be used by others than its owner; make it private with chmod 600", path);
}

bool IsTrusted(uid_t owner) { return owner == 0 || owner == ::geteuid(); }

// Nobody but root and this process's user may change it, or what stands at its path.
absl::Status CheckNotForeign(int fd, const std::string& path) {
  struct stat file = {};
  struct stat folder = {};
  const std::string folder_path = (std::filesystem::path(path).parent_path() / ".").string();
  if (::fstat(fd, &file) != 0) return ErrnoStatus(errno, "look at", path);
  if (::stat(folder_path.c_str(), &folder) != 0) return ErrnoStatus(errno, "look at", folder_path);
  if (!IsTrusted(file.st_uid) || (file.st_mode & 022) != 0) {
    return Error(absl::StatusCode::kPermissionDenied,
                 "{} may be written by others than its owner, or is not root's; mend it with chown "
                 "root and chmod go-w",
                 path);
  }
  const bool sticky = (folder.st_mode & S_ISVTX) != 0;
  if (IsTrusted(folder.st_uid) && ((folder.st_mode & 022) == 0 || sticky)) return absl::OkStatus();
  return Error(absl::StatusCode::kPermissionDenied,
               "{} may be replaced by others, who may write to its directory; mend that with chown "
               "root and chmod go-w",
               path);
}

// Absl's function for this has another signature in each release.
std::string BytesOfHex(std::string_view digits) {
  std::string bytes(digits.size() / 2, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char* const pair = digits.data() + 2 * i;
    unsigned char byte = 0;
    std::from_chars(pair, pair + 2, byte, 16);
    bytes[i] = static_cast<char>(byte);
  }
  return bytes;
}

// In Z85, of either spelling; the check is the same for both kinds. InvalidArgument.
absl::StatusOr<std::string> ParseKey(const std::string& text) {
  const bool is_hex = text.size() == kHexDigits &&
                      std::ranges::all_of(text, [](char c) { return absl::ascii_isxdigit(c); });
  std::string key = text;
  if (is_hex) {
    const std::string bytes = BytesOfHex(text);
    key = ZmqKeyText(std::as_bytes(std::span(bytes)));
  }
  BATON_RETURN_IF_ERROR(ZmqKeyBytes(key).status());
  return key;
}

}  // namespace

absl::StatusOr<KeyPair> MakeKeyPair() {
  BATON_ASSIGN_OR_RETURN(ZmqKeys keys, ZmqMakeKeys());
  return KeyPair{std::move(keys.public_key), std::move(keys.secret_key)};
}

std::string KeyInHex(const std::string& key) {
  return absl::BytesToHexString(ZmqKeyBytes(key).value_or(""));
}

absl::Status WriteKeyFiles(const std::string& name, const KeyPair& keys, const std::string& path) {
  const std::string public_path = path + ".pub";
  BATON_RETURN_IF_ERROR(NewFile(path, KeyInHex(keys.secret_key) + "\n", 0600));
  absl::Status status = NewFile(public_path, AllowedKeysLine(name, keys) + "\n", 0644);
  if (status.ok()) {
    status = SyncFolderOf(path);
    if (!status.ok()) ::unlink(public_path.c_str());
  }
  if (!status.ok()) ::unlink(path.c_str());
  return status;
}

absl::StatusOr<KeyPair> ReadKeyFile(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "open", path);
  BATON_RETURN_IF_ERROR(CheckPrivate(fd.get(), path));
  BATON_RETURN_IF_ERROR(CheckNotForeign(fd.get(), path));
  BATON_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(fd.get(), path));
  absl::StatusOr<std::string> secret_key = ParseKey(std::string(absl::StripAsciiWhitespace(text)));
  if (!secret_key.ok()) return Annotate(secret_key.status(), path);
  BATON_ASSIGN_OR_RETURN(std::string public_key, ZmqPublicKey(*secret_key));
  return KeyPair{std::move(public_key), *std::move(secret_key)};
}

absl::StatusOr<AllowedKeys> AllowedKeys::Read(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "open", path);
  BATON_RETURN_IF_ERROR(CheckNotForeign(fd.get(), path));
  BATON_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(fd.get(), path));
  absl::StatusOr<AllowedKeys> keys = Parse(text);
  if (!keys.ok()) return Annotate(keys.status(), path);
  return keys;
}

absl::StatusOr<AllowedKeys> AllowedKeys::Parse(const std::string& text) {
  AllowedKeys keys;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    const std::string content(absl::StripAsciiWhitespace(line));
    if (content.empty() || content.front() == '#') continue;
    const std::vector<std::string> words =
        absl::StrSplit(content, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    const absl::Status added = words.size() == 2
                                   ? keys.Add(words[0], words[1])
                                   : absl::InvalidArgumentError("must be a name and a public key");
    if (!added.ok()) return Annotate(added, fmt::format("line {}", number));
  }
  return keys;
}

absl::Status AllowedKeys::Add(const std::string& name, const std::string& public_key) {
  BATON_RETURN_IF_ERROR(CheckName(name));
  BATON_ASSIGN_OR_RETURN(const std::string key, ParseKey(public_key));
  if (!name_by_key_.try_emplace(key, name).second) {
    return Error(absl::StatusCode::kAlreadyExists, "{}: its key is there already", name);
  }
  keys_by_name_[name].push_back(key);
  return absl::OkStatus();
}

std::optional<std::string> AllowedKeys::NameOf(const std::string& public_key) const {
  const auto found = name_by_key_.find(public_key);
  if (found == name_by_key_.end()) return std::nullopt;
  return found->second;
}

const std::vector<std::string>& AllowedKeys::KeysOf(const std::string& name) const {
  static const auto& none = *new std::vector<std::string>;
  const auto found = keys_by_name_.find(name);
  return found == keys_by_name_.end() ? none : found->second;
}

AllowedKeys AllowedKeys::Only(const std::set<std::string>& names) const {
  AllowedKeys only;
  for (const std::string& name : names) {
    const std::vector<std::string>& keys = KeysOf(name);
    if (keys.empty()) continue;
    only.keys_by_name_[name] = keys;
    for (const std::string& key : keys) only.name_by_key_[key] = name;
  }
  return only;
}

std::string AllowedKeysLine(const std::string& name, const KeyPair& keys) {
  return name + " " + KeyInHex(keys.public_key);
}

}  // namespace baton::ha
