#include "engine/volume/io_path.h"

#include <algorithm>
#include <utility>

#include "engine/base/host_request.h"

namespace baton {
namespace {

constexpr uint32_t kSlotBit = 1;
constexpr uint32_t kWritesClosed = 2;
constexpr uint32_t kShutDown = 4;
constexpr uint32_t kTimed = 8;

bool IsBlocked(uint32_t state, bool writing) {
  return (state & kShutDown) != 0 || (writing && (state & kWritesClosed) != 0);
}

}  // namespace

class IoPath::Link final : public VolumeIo {
 public:
  Link(std::shared_ptr<IoPlugin> plugin, VolumeIo& next)
      : plugin_(std::move(plugin)), next_(next) {}

  uint64_t size_bytes() const override { return next_.size_bytes(); }
  absl::Status Read(uint64_t offset, MutableBytes out) override {
    return plugin_->Read(next_, offset, out);
  }
  absl::Status Write(uint64_t offset, Bytes data) override {
    return plugin_->Write(next_, offset, data);
  }
  absl::Status Flush() override { return plugin_->Flush(next_); }
  absl::Status Discard(uint64_t offset, uint64_t length_bytes) override {
    return plugin_->Discard(next_, offset, length_bytes);
  }

 private:
  const std::shared_ptr<IoPlugin> plugin_;
  VolumeIo& next_;
};

// One I/O's stay in a slot.
class IoPath::Passage {
 public:
  Passage(IoPath& path, Kind kind) : path_(path), kind_(kind), slot_(path.Enter(kind)) {}
  ~Passage() {
    if (slot_ != nullptr) path_.Leave(*slot_, kind_);
  }
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;
  VolumeIo* head() const { return slot_ == nullptr ? nullptr : slot_->head; }

 private:
  IoPath& path_;
  const Kind kind_;
  Slot* const slot_;
};

IoPath::IoPath(Runtime& runtime, VolumeIo& volume) : runtime_(runtime), volume_(volume) {
  for (Slot& slot : slots_) slot.head = &volume_;
}

IoPath::~IoPath() = default;

template <typename Call>
absl::Status IoPath::Pass(Kind kind, const Call& call) {
  Passage passage(*this, kind);
  if (passage.head() != nullptr) return call(*passage.head());
  absl::MutexLock lock(&mutex_);
  return shutdown_;
}

template <typename Call>
absl::Status IoPath::PassTimed(Kind kind, const Call& call) {
  return Pass(kind, [&](VolumeIo& head) {
    if ((state_.load(std::memory_order_acquire) & kTimed) == 0) return call(head);
    const absl::Duration begin = runtime_.BootTime();
    absl::Status status = call(head);
    latencies_->Note(runtime_.BootTime() - begin);
    return status;
  });
}

absl::Status IoPath::Read(uint64_t offset, MutableBytes out) {
  return PassTimed(kReading, [&](VolumeIo& head) { return head.Read(offset, out); });
}

absl::Status IoPath::Write(uint64_t offset, Bytes data) {
  return PassTimed(kWriting, [&](VolumeIo& head) { return head.Write(offset, data); });
}

absl::Status IoPath::Flush() {
  return PassTimed(kReading, [](VolumeIo& head) { return head.Flush(); });
}

absl::Status IoPath::Discard(uint64_t offset, uint64_t length_bytes) {
  return Pass(kWriting, [&](VolumeIo& head) { return head.Discard(offset, length_bytes); });
}

// All operations on state_, the counters and drainers_ are sequentially consistent, and the order
// here is the whole argument: count in, then look at the state. If the state is still the same,
// then whoever changes it later sees this count; if it is not, this I/O has touched nothing.
IoPath::Slot* IoPath::Enter(Kind kind) {
  for (;;) {
    const uint32_t state = state_.load();
    if (IsBlocked(state, kind == kWriting)) {
      if (!WaitAtGate(kind)) return nullptr;
      continue;
    }
    Slot& slot = slots_[state & kSlotBit];
    slot.counts[kind].entered.fetch_add(1);
    if (state_.load() == state) return &slot;
    Leave(slot, kind);
  }
}

void IoPath::Leave(Slot& slot, Kind kind) {
  slot.counts[kind].left.fetch_add(1);
  if (drainers_.load() == 0) return;  // one that comes later sees that we have left
  absl::MutexLock lock(&mutex_);
  left_.SignalAll();
}

// False: the path was shut down.
bool IoPath::WaitAtGate(Kind kind) {
  const HostRequest::Spending waiting(runtime_, Spent::kLock);
  absl::MutexLock lock(&mutex_);
  while (shutdown_.ok() && IsBlocked(state_.load(), kind == kWriting)) {
    runtime_.Wait(gate_changed_, mutex_);
  }
  return shutdown_.ok();
}

void IoPath::Install(std::shared_ptr<IoPlugin> plugin) {
  absl::MutexLock lock(&mutex_);
  BeginChange();
  plugins_.insert(plugins_.end() - (has_front_ ? 1 : 0), std::move(plugin));
  Swap();
  EndChange();
}

void IoPath::InstallInFront(std::shared_ptr<IoPlugin> plugin) {
  absl::MutexLock lock(&mutex_);
  BeginChange();
  plugins_.push_back(std::move(plugin));
  has_front_ = true;
  Swap();
  EndChange();
}

void IoPath::Remove(const std::shared_ptr<IoPlugin>& plugin) {
  absl::MutexLock lock(&mutex_);
  BeginChange();
  if (has_front_ && plugins_.back() == plugin) has_front_ = false;
  if (std::erase(plugins_, plugin) > 0) Swap();
  EndChange();
}

// Changes are made one after the other: each waits with the mutex released.
void IoPath::BeginChange() {
  while (changing_) runtime_.Wait(change_ended_, mutex_);
  changing_ = true;
}

void IoPath::EndChange() {
  changing_ = false;
  change_ended_.SignalAll();
}

void IoPath::Swap() {
  const uint32_t active = state_.load() & kSlotBit;
  Slot& next = slots_[active ^ kSlotBit];
  for (const std::shared_ptr<IoPlugin>& plugin : plugins_) {
    next.chain.push_back(std::make_unique<Link>(plugin, *next.head));
    next.head = next.chain.back().get();
  }
  state_.fetch_xor(kSlotBit);

  Slot& old = slots_[active];
  DrainUntil([&old] { return std::ranges::all_of(old.counts, &Count::IsEmpty); });
  old.head = &volume_;
  old.chain.clear();
}

void IoPath::CloseWrites() {
  absl::MutexLock lock(&mutex_);
  ++closers_;
  state_.fetch_or(kWritesClosed);
  DrainUntil([this] { return HasNone(kWriting); });
}

void IoPath::OpenWrites() {
  absl::MutexLock lock(&mutex_);
  if (--closers_ > 0) return;
  state_.fetch_and(~kWritesClosed);
  gate_changed_.SignalAll();
}

void IoPath::StartTiming() {
  absl::MutexLock lock(&mutex_);
  if (latencies_ == nullptr) latencies_ = std::make_unique<LatencyHistogram>();
  if (timers_++ == 0) state_.fetch_or(kTimed);
}

void IoPath::StopTiming() {
  absl::MutexLock lock(&mutex_);
  if (--timers_ == 0) state_.fetch_and(~kTimed);
}

void IoPath::Shutdown(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  if (shutdown_.ok()) shutdown_ = status;
  state_.fetch_or(kShutDown);
  gate_changed_.SignalAll();
  DrainUntil([this] { return HasNone(kReading) && HasNone(kWriting); });
  BeginChange();
  plugins_.clear();
  has_front_ = false;
  Swap();
  EndChange();
}

template <typename Idle>
void IoPath::DrainUntil(const Idle& idle) {
  drainers_.fetch_add(1);
  while (!idle()) runtime_.Wait(left_, mutex_);
  drainers_.fetch_sub(1);
}

bool IoPath::HasNone(Kind kind) const {
  return std::ranges::all_of(slots_, [kind](const Slot& s) { return s.counts[kind].IsEmpty(); });
}

// `left` is read first: one that enters between the two loads can only make them differ.
bool IoPath::Count::IsEmpty() const {
  const uint64_t left_before = left.load();
  return left_before == entered.load();
}

HostActivity IoPath::Activity() const {
  HostActivity activity;
  uint64_t entered = 0;
  for (const Slot& slot : slots_) {
    for (const Count& count : slot.counts) {
      activity.completed += count.left.load();
      entered += count.entered.load();
    }
  }
  activity.in_flight = entered - activity.completed;
  return activity;
}

}  // namespace baton
