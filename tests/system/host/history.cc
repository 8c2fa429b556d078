#include "tests/system/host/history.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace baton::host {
namespace {

constexpr uint64_t kHistoryMagic = 0x31595254534948;
constexpr off_t kEntriesAt = 4096;

off_t PlaceOf(uint64_t block) { return kEntriesAt + static_cast<off_t>(block * sizeof(Entry)); }

}  // namespace

void Die(const std::string& what) {
  std::fprintf(stderr, "verifying_host: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(2);
}

void History::Make(const std::string& path, Layout layout) {
  layout.magic = kHistoryMagic;
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0 || ::pwrite(fd, &layout, sizeof(layout), 0) != sizeof(layout) ||
      ::ftruncate(fd, PlaceOf(layout.blocks)) != 0) {
    Die(path);
  }
  ::close(fd);
}

History::History(const std::string& path) : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {
  if (fd_ < 0 || ::pread(fd_, &layout_, sizeof(layout_), 0) != sizeof(layout_)) Die(path);
  if (layout_.magic != kHistoryMagic) Die(path + " is no history");
}

History::~History() { ::close(fd_); }

Entry History::Get(uint64_t block) const {
  Entry entry;
  Get(block, std::span(&entry, 1));
  return entry;
}

void History::Get(uint64_t first_block, std::span<Entry> entries) const {
  const auto length = static_cast<ssize_t>(entries.size_bytes());
  if (::pread(fd_, entries.data(), entries.size_bytes(), PlaceOf(first_block)) != length) {
    Die("read of the history");
  }
}

void History::Put(uint64_t first_block, std::span<const Entry> entries) {
  const auto length = static_cast<ssize_t>(entries.size_bytes());
  if (::pwrite(fd_, entries.data(), entries.size_bytes(), PlaceOf(first_block)) != length) {
    Die("write of the history");
  }
}

}  // namespace baton::host
