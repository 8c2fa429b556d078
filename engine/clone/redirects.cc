#include "engine/clone/redirects.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "engine/base/mutant.h"
#include "engine/base/status.h"

namespace baton {

void Redirects::Restore(const CloneLocks::Command&) {
  for (const uint64_t id : log_.LoggedVolumes()) {
    const std::shared_ptr<Volume> volume = volumes_.Find(id);
    if (volume != nullptr && Find(id) == nullptr) Install(volume);
    log_.Enable();
  }
}

void Redirects::Add(const CloneLocks::Command&, std::shared_ptr<CloneRun> run) {
  std::shared_ptr<Redirect> redirect = Find(run->source()->id);
  if (redirect == nullptr) redirect = Install(run->source());
  redirect->AddRun(std::move(run));
  log_.Enable();
}

std::shared_ptr<Redirect> Redirects::Install(const std::shared_ptr<Volume>& volume) {
  auto redirect = std::make_shared<Redirect>(runtime_, log_, merge_buffers_, first_writes_, volume);
  volume->path.InstallInFront(redirect);
  absl::MutexLock guard(&mutex_);
  redirects_[volume->id] = redirect;
  return redirect;
}

void Redirects::Remove(const CloneLocks::Command& command, const CloneRun& run) {
  const std::shared_ptr<Redirect> redirect = Find(run.source()->id);
  if (redirect == nullptr) return;
  redirect->RemoveRun(run);
  const absl::Status released = Release(command, run.source()->id);
  if (!released.ok() && !absl::IsAborted(released)) {
    spdlog::error("{}; it is served from there", Message(released));
  }
}

absl::Status Redirects::Release(const CloneLocks::Command&, uint64_t volume_id) {
  const std::shared_ptr<Redirect> redirect = Find(volume_id);
  if (redirect == nullptr || !redirect->Runs().empty()) return absl::OkStatus();
  BATON_RETURN_IF_ERROR(Retire(*redirect));
  redirect->volume()->path.Remove(redirect);
  absl::MutexLock guard(&mutex_);
  redirects_.erase(volume_id);
  return absl::OkStatus();
}

std::shared_ptr<Redirect> Redirects::Find(uint64_t volume_id) const {
  absl::ReaderMutexLock guard(&mutex_);
  const auto found = redirects_.find(volume_id);
  return found == redirects_.end() ? nullptr : found->second;
}

// Once before, so that hosts are not kept waiting for long. Without a run that is active nothing
// comes to the log but what it has already.
absl::Status Redirects::Retire(Redirect& redirect) const {
  BATON_RETURN_IF_ERROR(Settle(*redirect.volume()));
  const WriteFreeze freeze(redirect.volume()->path);
  return Settle(*redirect.volume());
}

absl::Status Redirects::Settle(const Volume& volume) const {
  const std::shared_ptr<Redirect> redirect = Find(volume.id);
  if (redirect == nullptr || BATON_MUTANT(kStartForgetsLog)) return absl::OkStatus();
  return Annotate(log_.WaitDrained(redirect->logged()),
                  fmt::format("volume {} has writes in the write log", volume.name));
}

}  // namespace baton
