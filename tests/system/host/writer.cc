#include "tests/system/host/writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "tests/system/host/verdict.h"

namespace baton::host {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kSyncEvery = 32;

std::string Quoted(std::string text) {
  std::ranges::replace(text, '"', '\'');
  return '"' + text + '"';
}

}  // namespace

void Report::Took(double ms) {
  absl::MutexLock lock(&mutex_);
  longest_ms_ = std::max(longest_ms_, ms);
}

void Report::Error(const std::string& what) {
  absl::MutexLock lock(&mutex_);
  if (++errors_ == 1) first_error_ = what;
}

void Report::Damage(const std::string& what) {
  absl::MutexLock lock(&mutex_);
  if (++damages_ == 1) first_damage_ = what;
}

bool Report::IsClean() const {
  absl::MutexLock lock(&mutex_);
  return errors_ == 0 && damages_ == 0;
}

std::string Report::TakeLine() {
  absl::MutexLock lock(&mutex_);
  const std::string line = fmt::format(
      R"({{"writes": {}, "reads": {}, "errors": {}, "damaged": {}, "longest_ms": {:.1f}, )"
      R"("first_error": {}, "first_damage": {}}})",
      writes_.load(), reads_.load(), errors_, damages_, longest_ms_, Quoted(first_error_),
      Quoted(first_damage_));
  longest_ms_ = 0;
  return line;
}

Writer::Writer(WriterOptions options, History& history, Report& report)
    : options_(std::move(options)),
      history_(history),
      report_(report),
      content_(history.content()),
      random_(history.layout().seed * 1000 + options_.writer),
      direct_(::open(options_.volume.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC)),
      plain_(::open(options_.volume.c_str(), O_RDWR | O_CLOEXEC)),
      buffer_(static_cast<uint64_t*>(
          std::aligned_alloc(kBlockBytes, history.layout().run * kBlockBytes))) {
  if (direct_ < 0 || plain_ < 0) Die(options_.volume);
  for (uint64_t block = 0; block < history.layout().blocks; ++block) {
    if (history.layout().WriterOf(block) != options_.writer) continue;
    number_ = std::max(number_, history.Get(block).begun);
  }
  random_.discard(number_);  // not the same again after a restart
}

Writer::~Writer() {
  ::close(direct_);
  ::close(plain_);
  std::free(buffer_);
}

void Writer::Run(const std::atomic<bool>& end, const std::atomic<bool>& pause) {
  while (!end) {
    idle_ = pause.load();
    if (idle_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    if (Random(100) < options_.read_percent) {
      Read();
    } else {
      Write();
    }
    if (options_.pause_us > 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(Random(2 * options_.pause_us)));
    }
  }
  idle_ = true;
}

template <typename Call>
bool Writer::Timed(const char* what, ssize_t expected, const Call& call) {
  const auto begin = Clock::now();
  const ssize_t result = call();
  const int error = errno;
  report_.Took(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  if (result == expected) return true;
  report_.Error(fmt::format("{}: {}", what, result < 0 ? std::strerror(error) : "short"));
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return false;
}

// The first block of one of this writer's runs.
uint64_t Writer::SomeRun() {
  const Layout& layout = history_.layout();
  const uint64_t stride = layout.run * layout.writers;
  return Random(layout.blocks / stride) * stride + options_.writer * layout.run;
}

void Writer::Write() {
  const uint64_t run = history_.layout().run;
  const uint64_t skip = Random(run);
  const uint64_t first = SomeRun() + skip;
  const uint64_t count = 1 + Random(run - skip);
  std::vector<Entry> entries(count);
  history_.Get(first, entries);
  ++number_;
  for (Entry& entry : entries) entry.begun = number_;
  history_.Put(first, entries);
  if (!Store(first, count, number_)) return;
  for (Entry& entry : entries) entry.acknowledged = number_;
  history_.Put(first, entries);
  report_.Count(true);
  if (number_ % kSyncEvery == 0) {
    Timed("fdatasync", 0, [&] { return ssize_t{::fdatasync(direct_)}; });
  }
}

bool Writer::Store(uint64_t first, uint64_t count, uint64_t number) {
  const auto place = static_cast<off_t>(first * kBlockBytes);
  const auto length = static_cast<ssize_t>(count * kBlockBytes);
  if (content_.IsZero(number) && Random(2) == 0) {
    return Timed("discard", 0, [&] {
      return ssize_t{
          ::fallocate(plain_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, place, length)};
    });
  }
  for (uint64_t n = 0; n < count; ++n) content_.Fill(Buffer(n), first + n, number);
  const uint64_t way = Random(10);
  if (way < 2) return StoreInParts(first, count);
  const int fd = way < 4 ? plain_ : direct_;
  return Timed("write", length, [&] { return ::pwrite(fd, buffer_, count * kBlockBytes, place); });
}

bool Writer::StoreInParts(uint64_t first, uint64_t count) {
  const auto place = static_cast<off_t>(first * kBlockBytes);
  const uint64_t length = count * kBlockBytes;
  const uint64_t middle = 1 + Random(length - 1);
  const auto* bytes = reinterpret_cast<const char*>(buffer_);
  return Timed("write of a part", static_cast<ssize_t>(middle),
               [&] { return ::pwrite(plain_, bytes, middle, place); }) &&
         Timed("write of a part", static_cast<ssize_t>(length - middle), [&] {
           return ::pwrite(plain_, bytes + middle, length - middle,
                           place + static_cast<off_t>(middle));
         });
}

// What another writer, on another node perhaps, was acknowledged before must be seen here.
void Writer::Read() {
  const uint64_t index = Random(2) == 0 ? SomeRun() : Random(history_.layout().blocks);
  const auto place = static_cast<off_t>(index * kBlockBytes);
  const Entry before = history_.Get(index);
  const int fd = Random(2) == 0 ? plain_ : direct_;
  if (!Timed("read", kBlockBytes, [&] { return ::pread(fd, buffer_, kBlockBytes, place); })) return;
  const Entry after = history_.Get(index);
  report_.Count(false);
  if (const auto wrong = JudgeBlock(content_, Buffer(0), index, before, after)) {
    report_.Damage(*wrong);
  }
}

}  // namespace baton::host
