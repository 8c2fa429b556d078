#include "tests/checker/host.h"

#include <memory>
#include <thread>

#include "engine/base/buffer_pool.h"

namespace baton::checker {
namespace {

const char* NameOf(OperationKind kind) {
  switch (kind) {
    case OperationKind::kRead:
      return "read";
    case OperationKind::kWrite:
      return "write";
    case OperationKind::kFlush:
      return "flush";
    case OperationKind::kDiscard:
      return "discard";
  }
  return "";
}

std::string Describe(const Volume& volume, const Operation& operation) {
  return fmt::format("{} of {} at {}+{}", NameOf(operation.kind), volume.name, operation.offset,
                     operation.length_bytes);
}

}  // namespace

Host::Host(const Options& options, Backend& backend, std::vector<std::unique_ptr<Volume>>& volumes,
           uint64_t size_bytes, Log& log)
    : options_(options),
      backend_(backend),
      volumes_(volumes),
      generator_(options.seed, {static_cast<uint32_t>(volumes.size()), size_bytes}),
      log_(log),
      buffer_(size_bytes + limits::kBlockBytes) {}

void Host::Work(uint64_t operations, const std::atomic<bool>& ending) {
  ending_ = false;
  for (; operations > 0 && !log_.failed(); --operations) {
    ending_ = ending;
    const Operation operation = generator_.Next();
    const bool goes_on = Do(operation);
    ++drawn_;
    if (!goes_on && (ending_ || ending)) return;
    if (!goes_on) log_.Violate(Describe(*volumes_[operation.volume], operation) + ": aborted");
  }
}

bool Host::Do(const Operation& operation) {
  Volume& volume = *volumes_[operation.volume];
  absl::ReaderMutexLock lock(&volume.gate);
  const uint64_t moment = volume.moment();
  const Phase phase = Volume::PhaseOf(moment);
  if (phase == Phase::kClosed) return true;
  if (operation.kind != OperationKind::kRead && !MayChange(operation, phase)) return true;
  std::unique_ptr<VolumeIo>& io = volume.handles[2 * options_.number + operation.direct];
  if (io == nullptr) {
    absl::StatusOr<std::unique_ptr<VolumeIo>> opened = backend_.Open(volume.name, operation.direct);
    if (!opened.ok()) {
      log_.Violate(fmt::format("open of {}: {}", volume.name, opened.status().ToString()));
      return true;
    }
    io = *std::move(opened);
  }
  return Issue(volume, *io, operation, moment);
}

// The kernel cuts a long request of the mount at a page of this memory; a T0 may come in between.
MutableBytes Host::Buffer(uint64_t length_bytes) {
  void* memory = buffer_.data();
  size_t room = buffer_.size();
  std::align(model::kCellBytes, length_bytes, memory, room);
  return {static_cast<std::byte*>(memory), length_bytes};
}

bool Host::MayChange(const Operation& operation, Phase phase) const {
  if (operation.volume < options_.fixed_volumes) return true;
  if (phase == Phase::kStarting || phase == Phase::kEnding) return false;
  return options_.may_change_targets || phase == Phase::kOffline;
}

bool Host::Issue(Volume& volume, VolumeIo& io, const Operation& operation, uint64_t moment) {
  ++issued_;
  absl::Status status;
  switch (operation.kind) {
    case OperationKind::kRead:
      status = Read(volume, io, operation);
      break;
    case OperationKind::kFlush:
      status = Flush(volume, io);
      break;
    case OperationKind::kWrite:
    case OperationKind::kDiscard:
      status = Change(volume, io, operation, moment);
      break;
  }
  return Accept(volume, operation, moment, status);
}

// A T0 that is being taken while the read is answered must be known before it is compared.
absl::Status Host::Read(Volume& volume, VolumeIo& io, const Operation& operation) {
  const MutableBytes out = Buffer(operation.length_bytes);
  const uint64_t begin = volume.model.BeginRead();
  const absl::Status status = io.Read(operation.offset, out);
  while (status.ok() && volume.phase() == Phase::kStarting && !log_.failed()) {
    std::this_thread::yield();
  }
  if (!status.ok() || volume.phase() == Phase::kStarting) {
    volume.model.FailRead(begin);
    return status;
  }
  const std::string wrong = volume.model.CheckRead(begin, operation.offset, out);
  if (!wrong.empty()) log_.Violate(Describe(volume, operation) + ": " + wrong);
  return status;
}

// Also a change that must be refused is known to the model: it may be overtaken by the end of the
// volume's being offline.
absl::Status Host::Change(Volume& volume, VolumeIo& io, const Operation& operation,
                          uint64_t moment) {
  const bool is_write = operation.kind == OperationKind::kWrite;
  const model::VolumeModel::Write change =
      is_write ? volume.model.BeginWrite(operation.offset, operation.length_bytes)
               : volume.model.BeginDiscard(operation.offset, operation.length_bytes);
  const MutableBytes data = Buffer(operation.length_bytes);
  if (is_write) model::FillCells(change.stamp, change.first, data);
  volume.was_changed = true;
  const absl::Status status = is_write ? io.Write(operation.offset, data)
                                       : io.Discard(operation.offset, operation.length_bytes);
  const bool was_offline = Volume::PhaseOf(moment) == Phase::kOffline;
  if (status.ok()) {
    volume.model.Acknowledge(change);
  } else if (was_offline && volume.moment() == moment) {
    volume.model.Withdraw(change);
  }
  return status;
}

absl::Status Host::Flush(Volume& volume, VolumeIo& io) {
  const uint64_t begin = volume.model.BeginFlush();
  const absl::Status status = io.Flush();
  if (status.ok()) volume.model.AcknowledgeFlush(begin);
  return status;
}

bool Host::Accept(const Volume& volume, const Operation& operation, uint64_t moment,
                  const absl::Status& status) {
  const Phase phase = Volume::PhaseOf(moment);
  if (absl::IsAborted(status)) return false;
  if (status.ok()) {
    if (phase == Phase::kOffline && volume.moment() == moment) {
      log_.Violate(Describe(volume, operation) + " succeeded, but the volume is offline");
    }
    return true;
  }
  const bool is_open = phase == Phase::kOpen && volume.moment() == moment;
  if (is_open || !backend_.IsOffline(status)) {
    log_.Violate(Describe(volume, operation) + ": " + status.ToString());
  }
  return true;
}

}  // namespace baton::checker
