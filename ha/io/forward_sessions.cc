#include "ha/io/forward_sessions.h"

#include <sys/random.h>

#include <algorithm>
#include <cstdlib>

namespace baton::ha {
namespace {

SessionKey DrawKey() {
  SessionKey key;
  const auto draw = [](void* out, size_t size) {
    // It fails on no kernel that is supported.
    if (::getrandom(out, size, 0) != static_cast<ssize_t>(size)) std::abort();
  };
  draw(&key.number, sizeof(key.number));
  draw(key.secret.data(), key.secret.size());
  return key;
}

}  // namespace

bool ForwardSessions::IsCurrent(const Ticket& ticket) {
  return ticket.peer->open && ticket.peer->key.number == ticket.session;
}

void ForwardSessions::EndSession(Peer& peer) {
  peer.open = false;
  for (Stream*& stream : peer.joined) {
    if (stream != nullptr) stream->Shutdown();
    stream = nullptr;
  }
}

absl::StatusOr<SessionKey> ForwardSessions::Begin(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  Peer& peer = peers_[name];
  if (peer.name.empty()) peer.name = name;  // streams read it
  EndSession(peer);
  if (peer.running > 0) {
    return absl::UnavailableError("requests of the earlier session are still under way");
  }
  peer.key = DrawKey();
  peer.open = true;
  return peer.key;
}

bool ForwardSessions::End(const std::string& name, absl::Duration timeout) {
  const absl::Duration deadline = runtime_.BootTime() + timeout;
  absl::MutexLock lock(&mutex_);
  const auto found = peers_.find(name);
  if (found == peers_.end()) return true;
  Peer& peer = found->second;
  EndSession(peer);
  while (peer.running > 0 && runtime_.BootTime() < deadline) {
    runtime_.WaitUntil(finished_, mutex_, deadline);
  }
  return peer.running == 0;
}

void ForwardSessions::End(const Ticket& ticket) {
  absl::MutexLock lock(&mutex_);
  if (IsCurrent(ticket)) EndSession(*ticket.peer);
}

void ForwardSessions::EndAll() {
  absl::MutexLock lock(&mutex_);
  for (auto& [name, peer] : peers_) EndSession(peer);
}

ForwardSessions::Peer* ForwardSessions::FindPeer(uint64_t session) const {
  const auto found = std::find_if(peers_.begin(), peers_.end(), [session](const auto& entry) {
    return entry.second.key.number == session;
  });
  return found == peers_.end() ? nullptr : &found->second;
}

std::optional<SessionSecret> ForwardSessions::Find(uint64_t session) const {
  absl::ReaderMutexLock lock(&mutex_);
  const Peer* const peer = FindPeer(session);
  if (peer == nullptr) return std::nullopt;
  return peer->key.secret;
}

ForwardSessions::Ticket ForwardSessions::Join(uint64_t session, Stream& stream) {
  absl::MutexLock lock(&mutex_);
  Peer* const peer = FindPeer(session);
  if (peer == nullptr || !peer->open) return {};
  const auto place = std::find(peer->joined.begin(), peer->joined.end(), nullptr);
  if (place == peer->joined.end()) return {};
  *place = &stream;
  return {peer, session};
}

void ForwardSessions::Leave(const Ticket& ticket, Stream& stream) {
  absl::MutexLock lock(&mutex_);
  std::replace(ticket.peer->joined.begin(), ticket.peer->joined.end(), &stream,
               static_cast<Stream*>(nullptr));
}

bool ForwardSessions::Run(const Ticket& ticket) {
  absl::MutexLock lock(&mutex_);
  if (!IsCurrent(ticket)) return false;
  ++ticket.peer->running;
  return true;
}

void ForwardSessions::Finish(const Ticket& ticket) {
  absl::MutexLock lock(&mutex_);
  if (--ticket.peer->running == 0) finished_.SignalAll();
}

}  // namespace baton::ha
