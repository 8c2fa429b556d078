#include "engine/base/standard_streams.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "engine/base/write_all.h"

namespace baton {
namespace {

void WriteLine(std::string_view priority, std::string_view line) {
  (void)WriteAll(STDERR_FILENO,
                 fmt::format("{}{}\n", StandardErrorIsJournal() ? priority : "", line));
}

}  // namespace

void HoldStandardStreams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest number that is free is this one.
    (void)::open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY);
  }
}

// JOURNAL_STREAM is inherited, too, by programs whose standard error is led elsewhere: it names the
// stream that it means.
bool StandardErrorIsJournal() {
  const char* stream = std::getenv("JOURNAL_STREAM");  // NOLINT(concurrency-mt-unsafe): never set
  struct stat file = {};
  return stream != nullptr && ::fstat(STDERR_FILENO, &file) == 0 &&
         stream == fmt::format("{}:{}", file.st_dev, file.st_ino);
}

void SayError(std::string_view line) { WriteLine("<3>", line); }
void SayNotice(std::string_view line) { WriteLine("<5>", line); }

}  // namespace baton
