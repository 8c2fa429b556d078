#include "ha/volumes/router.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "engine/base/host_request.h"
#include "engine/base/status.h"
#include "ha/io/eviction_status.h"

namespace baton::ha {
namespace {

// A directory that had no answer is asked again after this long: it may be able to by then.
constexpr absl::Duration kAskAgain = absl::Milliseconds(20);

}  // namespace

// A volume that is open, over all changes of who serves it. It counts as open there while it lives.
class Router::Handle final : public VolumeIo {
 public:
  Handle(Router& router, uint64_t id) : router_(router), id_(id) {}
  ~Handle() override { router_.NoteClosed(id_); }

  uint64_t id() const { return id_; }
  // A file was open in it, here or with a process before. Stays so.
  bool has_files() const { return has_files_; }
  void NoteFiles() { has_files_ = true; }
  uint64_t size_bytes() const override { return size_bytes_; }
  absl::StatusOr<uint64_t> SizeNow() override;
  absl::Status Read(uint64_t offset, MutableBytes out) override {
    return Do([&](VolumeIo& io) { return io.Read(offset, out); });
  }
  absl::Status Write(uint64_t offset, Bytes data) override {
    return Do([&](VolumeIo& io) { return io.Write(offset, data); });
  }
  absl::Status Flush() override {
    return Do([](VolumeIo& io) { return io.Flush(); });
  }
  absl::Status Discard(uint64_t offset, uint64_t length_bytes) override {
    return Do([&](VolumeIo& io) { return io.Discard(offset, length_bytes); });
  }

  // What was opened before the destination `number` came.
  void Close(uint64_t number) {
    std::shared_ptr<VolumeIo> closed;  // after the lock: it may be a call
    absl::MutexLock lock(&mutex_);
    if (opened_.number < number) closed.swap(opened_.io);
  }

  absl::Status OpenBy(const Destination& destination) {
    const Opened opened = Current();
    if (opened.io != nullptr && opened.number == destination.number) return absl::OkStatus();
    BATON_ASSIGN_OR_RETURN(std::shared_ptr<VolumeIo> io,
                           destination.server->OpenInOrder(id_, router_.OrderOfOpen()));
    RaiseSize(io->size_bytes());
    NoteFiles();
    absl::MutexLock lock(&mutex_);
    if (destination.number < opened_.number) return absl::OkStatus();
    opened_.io.swap(io);  // the one before is closed after the lock
    opened_.number = destination.number;
    return absl::OkStatus();
  }

 private:
  struct Opened {
    std::shared_ptr<VolumeIo> io;
    uint64_t number = 0;
  };

  // An answer that comes late does not make it smaller.
  void RaiseSize(uint64_t size_bytes) {
    uint64_t known = size_bytes_;
    while (known < size_bytes && !size_bytes_.compare_exchange_weak(known, size_bytes)) {
    }
  }

  Opened Current() {
    absl::ReaderMutexLock lock(&mutex_);
    return opened_;
  }

  template <typename Call>
  absl::Status Do(Call call) {
    const Opened opened = Current();
    if (opened.io == nullptr) return Repeat(call, 0);
    const absl::Status status = call(*opened.io);
    return absl::IsAborted(status) ? Repeat(call, opened.number) : status;
  }

  // Until somebody has an answer; the destination `number` had none.
  template <typename Call>
  absl::Status Repeat(Call call, uint64_t number) {
    const absl::Duration deadline = router_.Deadline();
    while (true) {
      BATON_ASSIGN_OR_RETURN(const Destination next, router_.Await(number, deadline));
      number = next.number;
      absl::Status status = OpenBy(next);
      const std::shared_ptr<VolumeIo> io = Current().io;
      if (status.ok() && io != nullptr) status = call(*io);
      if (!absl::IsAborted(status) && (io != nullptr || !status.ok())) return status;
    }
  }

  Router& router_;
  const uint64_t id_;
  std::atomic<uint64_t> size_bytes_ = 0;  // known once it was opened
  std::atomic<bool> has_files_ = false;
  absl::Mutex mutex_;
  Opened opened_ ABSL_GUARDED_BY(mutex_);
};

std::shared_ptr<Router::Handle> Router::HandleOf(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  std::weak_ptr<Handle>& entry = handles_[id];
  std::shared_ptr<Handle> handle = entry.lock();
  if (handle != nullptr) return handle;
  handle = std::make_shared<Handle>(*this, id);
  entry = handle;
  return handle;
}

std::vector<std::shared_ptr<Router::Handle>> Router::LiveHandles() const {
  std::vector<std::shared_ptr<Handle>> live;
  for (const auto& [id, entry] : handles_) {
    if (std::shared_ptr<Handle> handle = entry.lock()) live.push_back(std::move(handle));
  }
  return live;
}

// Grows over the processes of a mount, too: the one before has ended when the next one serves.
uint64_t Router::NextOrder() {
  order_ =
      std::max(order_ + 1, static_cast<uint64_t>(absl::ToInt64Nanoseconds(runtime_.BootTime())));
  return order_;
}

// REQUIRES: a handle of the volume lives, so that it was open when the number was drawn.
uint64_t Router::OrderOfOpen() {
  absl::MutexLock lock(&mutex_);
  return NextOrder();
}

void Router::NoteClosed(uint64_t id) {
  Destination destination;
  uint64_t order = 0;
  {
    absl::MutexLock lock(&mutex_);
    const auto entry = handles_.find(id);
    if (entry == handles_.end() || !entry->second.expired()) return;  // open again meanwhile
    handles_.erase(entry);
    if (shut_down_ || destination_.server == nullptr) return;
    destination = destination_;
    order = NextOrder();
  }
  if (destination.server->CloseInOrder(id, order).ok()) return;
  absl::MutexLock lock(&mutex_);
  ++lost_changes_;
  told_ = 0;
}

void Router::Route(VolumeServer* server) {
  std::vector<std::shared_ptr<Handle>> handles;  // let go after the lock
  uint64_t number = 0;
  {
    absl::MutexLock lock(&mutex_);
    destination_.server = server;
    if (server != nullptr) view_ = nullptr;
    number = ++destination_.number;
    changed_.SignalAll();
    handles = LiveHandles();
  }
  for (const std::shared_ptr<Handle>& handle : handles) handle->Close(number);
}

void Router::UseView(VolumeServer* view) {
  absl::MutexLock lock(&mutex_);
  if (view_ == view) return;
  view_ = view;
  changed_.SignalAll();
}

Router::OpenSet Router::ListOpen() {
  absl::MutexLock lock(&mutex_);
  OpenSet set = {.handles = LiveHandles(),
                 .ids = {},
                 .order = NextOrder(),
                 .lost_changes = lost_changes_,
                 .destination = destination_,
                 .has_files = false};
  for (const std::shared_ptr<Handle>& handle : set.handles) {
    set.ids.push_back(handle->id());
    set.has_files = set.has_files || handle->has_files();
  }
  return set;
}

bool Router::MustTell() const {
  absl::ReaderMutexLock lock(&mutex_);
  return destination_.server != nullptr && told_ != destination_.number && !shut_down_;
}

bool Router::TellOpen() {
  if (!MustTell()) return true;
  const OpenSet set = ListOpen();
  const Destination& destination = set.destination;
  if (destination.server == nullptr) return true;
  const absl::Status answer = destination.server->TellOpen(set.ids, set.order);
  if (const std::optional<uint64_t> eviction = EvictionOf(answer)) {
    AnswerEviction(*destination.server, answer, *eviction);
    return false;
  }
  bool told = answer.ok();
  for (const std::shared_ptr<Handle>& handle : set.handles) {
    // Other errors are for whoever uses it.
    told = !absl::IsAborted(handle->OpenBy(destination)) && told;
  }
  absl::MutexLock lock(&mutex_);
  told = told && destination_.number == destination.number && lost_changes_ == set.lost_changes;
  if (told) told_ = destination.number;
  return told;
}

// A request that waits has an open file. So where none is open, as of after the eviction was told,
// nothing of before is left; and no file becomes open before the eviction has ended.
void Router::AnswerEviction(VolumeServer& server, const absl::Status& evicted, uint64_t eviction) {
  const OpenSet now = ListOpen();
  if (!now.has_files) {
    server.EndEviction(eviction, now.order).IgnoreError();  // or it is told anew
    return;
  }
  absl::MutexLock lock(&mutex_);
  evicted_ = evicted;
  changed_.SignalAll();
}

absl::Status Router::evicted() const {
  absl::ReaderMutexLock lock(&mutex_);
  return evicted_;
}

bool Router::HasFiles() const {
  std::vector<std::shared_ptr<Handle>> handles;  // let go after the lock
  absl::ReaderMutexLock lock(&mutex_);
  handles = LiveHandles();
  return std::any_of(handles.begin(), handles.end(),
                     [](const std::shared_ptr<Handle>& handle) { return handle->has_files(); });
}

void Router::TellAgain(const VolumeServer& server) {
  absl::MutexLock lock(&mutex_);
  if (destination_.server != &server) return;
  ++lost_changes_;
  told_ = 0;
}

bool Router::HasTold(const VolumeServer& server) const {
  absl::ReaderMutexLock lock(&mutex_);
  return destination_.server == &server && told_ == destination_.number;
}

void Router::Leave() {
  const OpenSet set = ListOpen();
  if (set.destination.server == nullptr) return;
  set.destination.server->TellOpen({}, set.order).IgnoreError();
  set.destination.server->SetAllLocksInOrder({}, set.order).IgnoreError();
}

absl::StatusOr<Router::Telling> Router::BeginTelling() {
  absl::MutexLock lock(&mutex_);
  if (shut_down_ || destination_.server == nullptr) {
    return absl::AbortedError("no controller serves the pool");
  }
  return Telling{.server = destination_.server, .order = NextOrder()};
}

absl::StatusOr<std::optional<FileLock>> Router::SetLocks(uint64_t id, const FileLocks& locks) {
  BATON_ASSIGN_OR_RETURN(const Telling telling, BeginTelling());
  return telling.server->SetLocksInOrder(id, locks, telling.order);
}

absl::StatusOr<std::vector<VolumeLocks>> Router::SetAllLocks(const std::vector<VolumeLocks>& all) {
  BATON_ASSIGN_OR_RETURN(const Telling telling, BeginTelling());
  return telling.server->SetAllLocksInOrder(all, telling.order);
}

uint64_t Router::Serving() const {
  absl::ReaderMutexLock lock(&mutex_);
  return destination_.server == nullptr ? 0 : destination_.number;
}

void Router::Shutdown() {
  absl::MutexLock lock(&mutex_);
  shut_down_ = true;
  changed_.SignalAll();
}

void Router::RaiseDoubt(absl::Duration doubt) {
  const int64_t ns = absl::ToInt64Nanoseconds(doubt);
  int64_t now = doubt_ns_;
  while (now < ns && !doubt_ns_.compare_exchange_weak(now, ns)) {
  }
}

void Router::WakeWaiting() {
  absl::MutexLock lock(&mutex_);
  changed_.SignalAll();
}

absl::Duration Router::EndOfCalledOff() const {
  const HostRequest* const request = HostRequest::Current();
  if (request == nullptr || !request->killed()) return absl::InfiniteDuration();
  return request->last_unanswered() + LongestDoubt();
}

absl::StatusOr<Router::Destination> Router::Await(uint64_t after, absl::Duration deadline,
                                                  bool view_will_do) const {
  absl::MutexLock lock(&mutex_);
  const absl::Duration again = runtime_.BootTime() + kAskAgain;
  while (!shut_down_) {
    if (!evicted_.ok()) return evicted_;
    if (view_will_do && view_ != nullptr) {
      return Destination{.server = view_, .number = after, .is_view = true};
    }
    const absl::Duration now = runtime_.BootTime();
    // While that is in doubt the request is asked again: an answer ends the doubt sooner.
    const absl::Duration called_off = EndOfCalledOff();
    if (now >= called_off) return absl::CancelledError("whoever asked is being killed");
    if (destination_.server != nullptr && (destination_.number > after || now >= again)) {
      return destination_;
    }
    if (now >= deadline) {
      return absl::DeadlineExceededError("no controller has served for as long as I/O may wait");
    }
    if (HostRequest* const request = HostRequest::Current()) request->NoteWait();
    const bool waits_for_same = destination_.server != nullptr;
    const absl::Duration end = std::min(called_off, deadline);
    const HostRequest::ServiceWait wait(runtime_);
    runtime_.WaitUntil(changed_, mutex_, waits_for_same ? std::min(again, end) : end);
  }
  return absl::AbortedError("the mount is not served by this process any more");
}

template <typename Call>
auto Router::Ask(Call call, bool view_will_do) const {
  using Answer = decltype(call(std::declval<VolumeDirectory&>()));
  const absl::Duration deadline = Deadline();
  uint64_t asked = 0;
  while (true) {
    const absl::StatusOr<Destination> destination = Await(asked, deadline, view_will_do);
    if (!destination.ok()) return Answer(destination.status());
    asked = destination->number;
    Answer answer = call(*destination->server);
    if (!absl::IsAborted(answer.status())) return answer;
    if (destination->is_view) view_will_do = false;  // it knows nothing (any more)
  }
}

// Not of the view: it may be behind.
absl::StatusOr<uint64_t> Router::Handle::SizeNow() {
  BATON_ASSIGN_OR_RETURN(
      const VolumeEntry entry,
      router_.Ask([this](const VolumeDirectory& directory) { return directory.Get(id_); }));
  RaiseSize(entry.size_bytes);
  return size_bytes_;
}

absl::StatusOr<std::vector<VolumeName>> Router::List(uint64_t after_id, size_t limit) const {
  return Ask([&](const VolumeDirectory& directory) { return directory.List(after_id, limit); },
             /*view_will_do=*/true);
}

absl::StatusOr<VolumeEntry> Router::Lookup(const std::string& name) const {
  return Ask([&](const VolumeDirectory& directory) { return directory.Lookup(name); },
             /*view_will_do=*/true);
}

absl::StatusOr<VolumeEntry> Router::Get(uint64_t id) const {
  return Ask([&](const VolumeDirectory& directory) { return directory.Get(id); },
             /*view_will_do=*/true);
}

std::shared_ptr<const void> Router::Hold(uint64_t id) {
  std::shared_ptr<Handle> handle = HandleOf(id);
  handle->NoteFiles();
  return handle;
}

absl::StatusOr<std::shared_ptr<VolumeIo>> Router::Open(uint64_t id) {
  const std::shared_ptr<Handle> handle = HandleOf(id);
  const absl::Duration deadline = Deadline();
  uint64_t asked = 0;
  while (true) {
    BATON_ASSIGN_OR_RETURN(const Destination destination, Await(asked, deadline));
    asked = destination.number;
    const absl::Status status = handle->OpenBy(destination);
    if (status.ok()) return handle;
    if (!absl::IsAborted(status)) return status;
  }
}

absl::StatusOr<std::optional<FileLock>> Router::FindLock(uint64_t id,
                                                         const FileLock& wanted) const {
  return Ask([&](const VolumeDirectory& directory) { return directory.FindLock(id, wanted); });
}

absl::StatusOr<std::optional<DataRange>> Router::NextData(uint64_t id, uint64_t offset) const {
  return Ask([&](const VolumeDirectory& directory) { return directory.NextData(id, offset); });
}

absl::StatusOr<Capacity> Router::GetCapacity() const {
  return Ask([](const VolumeDirectory& directory) { return directory.GetCapacity(); },
             /*view_will_do=*/true);
}

}  // namespace baton::ha
