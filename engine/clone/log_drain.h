// Drains the write log: preserves what its writes overwrite, and lets the volumes have them.
#pragma once

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include <functional>
#include <memory>
#include <vector>

#include "engine/base/fault.h"
#include "engine/base/resident_memory.h"
#include "engine/base/runtime.h"
#include "engine/clone/redirects.h"
#include "engine/write_log/write_log.h"

namespace baton {

// One thread, and helpers for a batch. For each batch of the log, in this order, each step durable
// before the next begins:
//   1. what the batch overwrites is copied to the targets of all clones that want it, and their
//      bits are recorded (O6)
//   2. its writes go to the volumes' files, and those are synced
//   3. the log forgets them (O7)
//
// A target that does not take its copy: its clone fails. A volume that does not take its writes:
// the batch stays, hosts are served from the log, and it is tried again.
class LogDrain {
 public:
  // See CloneFailures::OnWritebackFailed.
  using OnFailed = std::function<absl::Status(uint64_t run_id, const absl::Status& why)>;
  LogDrain(Runtime& runtime, WriteLog& log, const Redirects& redirects, Fault& fault,
           OnFailed on_failed);
  ~LogDrain() { Stop(); }  // the log was stopped, or has given up
  LogDrain(const LogDrain&) = delete;
  LogDrain& operator=(const LogDrain&) = delete;

  // Once, when everything is recovered.
  void Start();
  // Waits for the end of the thread, which the log's end brings about.
  void Stop() { thread_.reset(); }

 private:
  // Consecutive blocks of a write whose newest content it is.
  struct Piece {
    Redirect* redirect = nullptr;
    uint64_t block = 0;
    uint64_t count = 0;
    const LogWrite* write = nullptr;
  };

  // What one thread does of a batch: of those from `begin` on, before `end`, by its own buffer.
  using PartWork = absl::FunctionRef<absl::Status(size_t begin, size_t end, MutableBytes buffer)>;

  void Work();
  absl::Status Drain(const WriteLog::Batch& batch);
  std::vector<Piece> PiecesOf(const WriteLog::Batch& batch,
                              std::vector<std::shared_ptr<Redirect>>& redirects) const;
  absl::Status InParts(size_t threads, size_t count, PartWork work);
  absl::Status Preserve(const WriteLog::Batch& batch, std::span<const Piece> pieces);
  absl::Status Apply(const WriteLog::Batch& batch, std::span<const Piece> pieces);
  absl::Status ApplyOnce(const WriteLog::Batch& batch, std::span<const Piece> pieces);
  absl::Status WritePieces(const WriteLog::Batch& batch, std::span<const Piece> pieces,
                           MutableBytes buffer);

  Runtime& runtime_;
  WriteLog& log_;
  const Redirects& redirects_;
  Fault& fault_;
  const OnFailed on_failed_;
  const ResidentMemory memory_;  // a buffer for each thread
  std::unique_ptr<Thread> thread_;
};

}  // namespace baton
