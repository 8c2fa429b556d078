#include "engine/clone/copy_pipeline.h"

#include <algorithm>
#include <utility>

namespace baton {

CopyPipeline::CopyPipeline(Runtime& runtime, Storage& storage, const Fence& fence, Fault& fault,
                           Catalog& catalog, std::unique_ptr<IntentLog> log, const Options& options,
                           LogWriteback::OnFailed on_failed)
    : log_(std::move(log)),
      buffers_(runtime, options.buffers, options.buffer_bytes),
      committer_(runtime, catalog, *log_, fault),
      writeback_(runtime, *log_, committer_, fault, std::move(on_failed)),
      services_{runtime, storage, fence, fault, catalog, *log_, committer_, writeback_, buffers_} {}

// In this order: what is handed over meanwhile is found twice, and not missed.
std::vector<ExtentSpan> CopyPipeline::Landing(const Progress& progress) const {
  std::vector<ExtentSpan> spans = writeback_.Snapshot(progress);
  const std::vector<ExtentSpan> handed_over = committer_.Snapshot(progress);
  spans.insert(spans.end(), handed_over.begin(), handed_over.end());
  std::sort(spans.begin(), spans.end(),
            [](ExtentSpan a, ExtentSpan b) { return a.first < b.first; });
  spans.erase(std::unique(spans.begin(), spans.end(),
                          [](ExtentSpan a, ExtentSpan b) { return a.first == b.first; }),
              spans.end());
  return spans;
}

// The writeback first: it hands over to the committer.
void CopyPipeline::Stop() {
  writeback_.Stop();
  committer_.Stop();
}

}  // namespace baton
