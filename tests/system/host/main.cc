// A host that knows what it wrote.
//
//   verifying_host make HISTORY SIZE SEED WRITERS    a history for a volume of SIZE bytes of zeros
//   verifying_host run VOLUME HISTORY FIRST COUNT PAUSE_US READ_PERCENT
//                                   writers FIRST to FIRST + COUNT - 1, until SIGTERM or SIGINT
//   verifying_host check VOLUME HISTORY
//   verifying_host check-instant VOLUME HISTORY_BEFORE HISTORY_AFTER
//
// `run` says "ready" when it has begun. SIGUSR1: a line of JSON with what it saw so far, the
// longest operation since the last such line. SIGUSR2: no more operations are begun, "paused" once
// none is under way; or, if paused, "resumed". At the end a line of JSON. Exit status 0: no error,
// no damage.
#include <pthread.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/system/host/verdict.h"
#include "tests/system/host/writer.h"

namespace baton::host {
namespace {

constexpr uint64_t kRun = 4;

void Say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

uint64_t Number(const char* text) { return std::strtoull(text, nullptr, 10); }

class Host {
 public:
  // `options`: of the first of `count` writers.
  Host(WriterOptions options, const std::string& history, uint64_t count) : history_(history) {
    for (uint64_t n = 0; n < count; ++n, ++options.writer) {
      writers_.push_back(std::make_unique<Writer>(options, history_, report_));
    }
  }

  int Run(const sigset_t& signals) {
    for (auto& writer : writers_) {
      threads_.emplace_back([this, &writer] { writer->Run(end_, pause_); });
    }
    Say("ready");
    for (int number = 0; number != SIGTERM && number != SIGINT;) {
      sigwait(&signals, &number);
      if (number == SIGUSR1) Say(report_.TakeLine());
      if (number == SIGUSR2) TogglePause();
    }
    end_ = true;
    for (std::thread& thread : threads_) thread.join();
    Say(report_.TakeLine());
    return report_.IsClean() ? 0 : 1;
  }

 private:
  void TogglePause() {
    pause_ = !pause_;
    for (const auto& writer : writers_) {
      while (writer->idle() != pause_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    Say(pause_ ? "paused" : "resumed");
  }

  History history_;
  Report report_;
  std::atomic<bool> end_ = false;
  std::atomic<bool> pause_ = false;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::vector<std::thread> threads_;
};

int RunHost(char** words) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const WriterOptions options{.volume = words[0],
                              .writer = Number(words[2]),
                              .pause_us = Number(words[4]),
                              .read_percent = Number(words[5])};
  Host host(options, words[1], Number(words[3]));
  return host.Run(signals);
}

int Main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "make" && argc == 6) {
    History::Make(argv[2], Layout{.magic = 0,
                                  .seed = Number(argv[4]),
                                  .blocks = Number(argv[3]) / kBlockBytes,
                                  .writers = Number(argv[5]),
                                  .run = kRun});
    return 0;
  }
  if (command == "run" && argc == 8) return RunHost(argv + 2);
  if (command == "check" && argc == 4) return CheckPresent(argv[2], History(argv[3])) ? 0 : 1;
  if (command == "check-instant" && argc == 5) {
    return CheckInstant(argv[2], History(argv[3]), History(argv[4])) ? 0 : 1;
  }
  std::fputs("usage: verifying_host make | run | check | check-instant: see its source\n", stderr);
  return 2;
}

}  // namespace
}  // namespace baton::host

int main(int argc, char** argv) { return baton::host::Main(argc, argv); }
