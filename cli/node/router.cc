#include "cli/node/router.h"

#include <algorithm>
#include <utility>

#include "engine/base/status.h"

namespace baton {
namespace {

// A directory that had no answer is asked again after this long: it may be able to by then.
constexpr absl::Duration kAskAgain = absl::Milliseconds(20);

}  // namespace

// A volume that is open, over all changes of who serves it.
class Router::Handle final : public VolumeIo {
 public:
  Handle(const Router& router, uint64_t id, uint64_t size_bytes)
      : router_(router), id_(id), size_bytes_(size_bytes) {}

  uint64_t size_bytes() const override { return size_bytes_; }
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

  // `io` is what the destination `number` opened.
  void Use(std::shared_ptr<VolumeIo> io, uint64_t number) {
    absl::MutexLock lock(&mutex_);
    if (number < opened_.number) return;
    opened_.io.swap(io);  // the one before is closed after the lock
    opened_.number = number;
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
    BATON_ASSIGN_OR_RETURN(std::shared_ptr<VolumeIo> io, destination.directory->Open(id_));
    Use(std::move(io), destination.number);
    return absl::OkStatus();
  }

 private:
  struct Opened {
    std::shared_ptr<VolumeIo> io;
    uint64_t number = 0;
  };

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

  const Router& router_;
  const uint64_t id_;
  const uint64_t size_bytes_;
  absl::Mutex mutex_;
  Opened opened_ ABSL_GUARDED_BY(mutex_);
};

std::vector<std::shared_ptr<Router::Handle>> Router::LiveHandles() {
  std::vector<std::shared_ptr<Handle>> live;
  std::erase_if(handles_, [&live](const auto& handle) {
    live.push_back(handle.lock());
    if (live.back() != nullptr) return false;
    live.pop_back();
    return true;
  });
  return live;
}

void Router::Route(fs::VolumeDirectory* directory) {
  std::vector<std::shared_ptr<Handle>> handles;
  uint64_t number = 0;
  {
    absl::MutexLock lock(&mutex_);
    destination_.directory = directory;
    number = ++destination_.number;
    changed_.SignalAll();
    handles = LiveHandles();
  }
  for (const std::shared_ptr<Handle>& handle : handles) handle->Close(number);
}

bool Router::Reopen() {
  std::vector<std::shared_ptr<Handle>> handles;
  Destination destination;
  {
    absl::MutexLock lock(&mutex_);
    destination = destination_;
    handles = LiveHandles();
  }
  if (destination.directory == nullptr) return true;
  bool all = true;
  for (const std::shared_ptr<Handle>& handle : handles) {
    all = handle->OpenBy(destination).ok() && all;
  }
  return all;
}

void Router::Shutdown() {
  absl::MutexLock lock(&mutex_);
  shut_down_ = true;
  changed_.SignalAll();
}

absl::StatusOr<Router::Destination> Router::Await(uint64_t after, absl::Duration deadline) const {
  absl::MutexLock lock(&mutex_);
  const absl::Duration again = runtime_.BootTime() + kAskAgain;
  while (!shut_down_) {
    const absl::Duration now = runtime_.BootTime();
    if (destination_.directory != nullptr && (destination_.number > after || now >= again)) {
      return destination_;
    }
    if (now >= deadline) {
      return absl::DeadlineExceededError("no controller has served for as long as I/O may wait");
    }
    const bool waits_for_same = destination_.directory != nullptr;
    runtime_.WaitUntil(changed_, mutex_, waits_for_same ? std::min(again, deadline) : deadline);
  }
  return absl::AbortedError("the mount is not served by this process any more");
}

template <typename Call>
auto Router::Ask(Call call) const {
  using Answer = decltype(call(std::declval<fs::VolumeDirectory&>()));
  const absl::Duration deadline = Deadline();
  uint64_t asked = 0;
  while (true) {
    const absl::StatusOr<Destination> destination = Await(asked, deadline);
    if (!destination.ok()) return Answer(destination.status());
    asked = destination->number;
    Answer answer = call(*destination->directory);
    if (!absl::IsAborted(answer.status())) return answer;
  }
}

absl::StatusOr<std::vector<fs::VolumeEntry>> Router::List() const {
  return Ask([](const fs::VolumeDirectory& directory) { return directory.List(); });
}

absl::StatusOr<fs::VolumeEntry> Router::Lookup(const std::string& name) const {
  return Ask([&](const fs::VolumeDirectory& directory) { return directory.Lookup(name); });
}

absl::StatusOr<fs::VolumeEntry> Router::Get(uint64_t id) const {
  return Ask([&](const fs::VolumeDirectory& directory) { return directory.Get(id); });
}

absl::StatusOr<std::shared_ptr<VolumeIo>> Router::Open(uint64_t id) {
  BATON_ASSIGN_OR_RETURN(const std::shared_ptr<VolumeIo> io,
                         Ask([&](fs::VolumeDirectory& directory) { return directory.Open(id); }));
  auto handle = std::make_shared<Handle>(*this, id, io->size_bytes());
  handle->Use(io, 0);  // whoever serves by now opens it again, if it is another one
  absl::MutexLock lock(&mutex_);
  LiveHandles();  // forgets the others
  handles_.push_back(handle);
  return handle;
}

absl::StatusOr<std::optional<DataRange>> Router::NextData(uint64_t id, uint64_t offset) const {
  return Ask([&](const fs::VolumeDirectory& directory) { return directory.NextData(id, offset); });
}

absl::StatusOr<fs::Capacity> Router::GetCapacity() const {
  return Ask([](const fs::VolumeDirectory& directory) { return directory.GetCapacity(); });
}

}  // namespace baton
