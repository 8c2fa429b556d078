// Which writes were begun and which were acknowledged, in a file that outlives the hosts and that
// all of them share.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "tests/system/host/content.h"

namespace baton::host {

// Numbers of the last write to a block that was begun, and the last that was acknowledged. Each
// block has one writer, which has one write at a time under way.
struct Entry {
  uint64_t acknowledged = 0;
  uint64_t begun = 0;
};

struct Layout {
  uint64_t magic;
  uint64_t seed;
  uint64_t blocks;
  uint64_t writers;
  uint64_t run;  // so many blocks in a row have the same writer

  uint64_t WriterOf(uint64_t block) const { return block / run % writers; }
};

// Errors of the file end the process: nothing can be said without it. Threads may share it.
class History {
 public:
  static void Make(const std::string& path, Layout layout);
  explicit History(const std::string& path);
  ~History();
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  const Layout& layout() const { return layout_; }
  Content content() const { return Content{layout_.seed}; }

  Entry Get(uint64_t block) const;
  void Get(uint64_t first_block, std::span<Entry> entries) const;
  void Put(uint64_t first_block, std::span<const Entry> entries);

 private:
  int fd_;
  Layout layout_;
};

[[noreturn]] void Die(const std::string& what);

}  // namespace baton::host
