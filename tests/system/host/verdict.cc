#include "tests/system/host/verdict.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <vector>

namespace baton::host {
namespace {

constexpr uint64_t kPieceBlocks = 256;
constexpr size_t kShown = 5;  // of the findings

struct Findings {
  uint64_t count = 0;
  std::string text;

  void Add(const std::string& what) {
    if (++count <= kShown) text += (text.empty() ? "" : "; ") + what;
  }

  bool Print(uint64_t blocks) const {
    std::string escaped = text;
    std::ranges::replace(escaped, '"', '\'');
    std::puts(
        fmt::format(R"({{"blocks": {}, "damaged": {}, "damage": "{}"}})", blocks, count, escaped)
            .c_str());
    return count == 0;
  }
};

// Only these can be in a block together, unless more writes came and went meanwhile.
bool IsMixture(const Content& content, ConstBlock block, uint64_t index, const Entry& before,
               const Entry& after) {
  if (after.acknowledged > before.begun) return true;
  const uint64_t numbers[] = {before.acknowledged, before.begun, after.begun};
  uint64_t contents[std::size(numbers)][kWords];
  for (size_t n = 0; n < std::size(numbers); ++n) {
    content.Fill(Block(contents[n]), index, numbers[n]);
  }
  const auto bytes = [](const uint64_t* words) { return reinterpret_cast<const char*>(words); };
  for (size_t at = 0; at < kBlockBytes; ++at) {
    const char byte = bytes(block.data())[at];
    const auto has_it = [&](const auto& words) { return bytes(words)[at] == byte; };
    if (std::ranges::none_of(contents, has_it)) return false;
  }
  return true;
}

bool AnyIsZero(const Content& content, uint64_t oldest, uint64_t newest) {
  for (uint64_t number = oldest; number <= newest; ++number) {
    if (content.IsZero(number)) return true;
  }
  return false;
}

using Judge = std::function<void(uint64_t index, ConstBlock block)>;

void ReadAll(const std::string& volume, uint64_t blocks, const Judge& judge) {
  const int fd = ::open(volume.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) Die(volume);
  std::vector<uint64_t> piece(kPieceBlocks * kWords);
  for (uint64_t first = 0; first < blocks; first += kPieceBlocks) {
    const uint64_t count = std::min(kPieceBlocks, blocks - first);
    const auto length = static_cast<ssize_t>(count * kBlockBytes);
    const auto place = static_cast<off_t>(first * kBlockBytes);
    if (::pread(fd, piece.data(), count * kBlockBytes, place) != length) Die("read of " + volume);
    for (uint64_t n = 0; n < count; ++n) {
      judge(first + n, ConstBlock(piece.data() + n * kWords, kWords));
    }
  }
  ::close(fd);
}

std::string Describe(const Content& content, ConstBlock block, uint64_t index) {
  if (IsZeros(block)) return "zeros";
  const uint64_t number = content.NumberIn(block);
  if (number == 0) return "foreign data";
  return fmt::format("{}write {}", content.Equals(block, index, number) ? "" : "a torn ", number);
}

}  // namespace

std::optional<std::string> JudgeBlock(const Content& content, ConstBlock block, uint64_t index,
                                      const Entry& before, const Entry& after) {
  const uint64_t oldest = before.acknowledged;
  const uint64_t newest = after.begun;
  const uint64_t number = content.NumberIn(block);
  if (number >= oldest && number <= newest && number != 0) {
    if (content.Equals(block, index, number)) return {};
  } else if (IsZeros(block) && AnyIsZero(content, oldest, newest)) {
    return {};
  }
  if (oldest != newest && (number == 0 || number >= oldest) &&
      IsMixture(content, block, index, before, after)) {
    return {};
  }
  return fmt::format("block {} holds {}, not {}", index, Describe(content, block, index),
                     oldest == newest ? fmt::format("write {}", oldest)
                                      : fmt::format("writes {} to {}", oldest, newest));
}

bool CheckPresent(const std::string& volume, const History& history) {
  Findings findings;
  const Content content = history.content();
  ReadAll(volume, history.layout().blocks, [&](uint64_t index, ConstBlock block) {
    const Entry entry = history.Get(index);
    if (const auto wrong = JudgeBlock(content, block, index, entry, entry)) {
      findings.Add(*wrong);
    }
  });
  return findings.Print(history.layout().blocks);
}

bool CheckInstant(const std::string& volume, const History& before, const History& after) {
  Findings findings;
  const Layout& layout = before.layout();
  const Content content = before.content();
  std::vector<uint64_t> cuts(layout.writers);  // the newest write of each that is there
  std::vector<uint64_t> held(layout.blocks);   // 0: zeros
  ReadAll(volume, layout.blocks, [&](uint64_t index, ConstBlock block) {
    const Entry oldest = before.Get(index);
    if (const auto wrong = JudgeBlock(content, block, index, oldest, after.Get(index))) {
      findings.Add(*wrong);
    }
    held[index] = content.NumberIn(block);
    uint64_t& cut = cuts[layout.WriterOf(index)];
    cut = std::max({cut, held[index], oldest.acknowledged});
  });
  for (uint64_t index = 0; index < layout.blocks; ++index) {
    const uint64_t done = after.Get(index).acknowledged;
    const uint64_t cut = cuts[layout.WriterOf(index)];
    if (held[index] == 0 || held[index] >= done || done >= cut) continue;
    findings.Add(fmt::format("block {} holds write {}, but not {}, which is older than {}", index,
                             held[index], done, cut));
  }
  return findings.Print(layout.blocks);
}

}  // namespace baton::host
