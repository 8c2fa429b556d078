// What makes the copies of a pool durable, and lands them.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <vector>

#include "engine/base/buffer_pool.h"
#include "engine/base/fault.h"
#include "engine/base/fence.h"
#include "engine/base/runtime.h"
#include "engine/base/storage.h"
#include "engine/clone/bitmap_committer.h"
#include "engine/clone/clone_run.h"
#include "engine/clone/intent_log.h"
#include "engine/clone/log_writeback.h"
#include "engine/meta/catalog.h"

namespace baton {

// The intent log, then the writeback, then the committer: the way of a copy that a host's write
// asked for. Thread-safe.
class CopyPipeline {
 public:
  struct Options {
    // How many host writes may copy at one time, and bytes that one copy reads and writes at once.
    size_t buffers = limits::kCopyBuffers;
    uint64_t buffer_bytes = limits::kMaxCopyBytes;  // not less than the data of an entry
  };
  CopyPipeline(Runtime& runtime, Storage& storage, const Fence& fence, Fault& fault,
               Catalog& catalog, std::unique_ptr<IntentLog> log, const Options& options,
               LogWriteback::OnFailed on_failed);

  // What a run needs of it. The pipeline outlives the run's I/O.
  const CopyServices& services() const { return services_; }
  IntentLog& log() { return *log_; }
  BufferPool& buffers() { return buffers_; }

  // The landing extents of a run; what is handed on meanwhile is not missed. Sorted.
  std::vector<ExtentSpan> Landing(const Progress& progress) const;

  // What is in the intent log is carried to the targets, and its bits are recorded, unless there
  // was a fault. No copy is made any more.
  void Stop();

 private:
  const std::unique_ptr<IntentLog> log_;
  BufferPool buffers_;
  BitmapCommitter committer_;
  LogWriteback writeback_;
  const CopyServices services_;
};

}  // namespace baton
