#include "ha/io/forward_sessions.h"

#include <algorithm>

#include "engine/base/random.h"

namespace baton::ha {
namespace {

SessionKey DrawKey() {
  SessionKey key;
  key.number = RandomNumber();
  FillRandom(key.secret.data(), key.secret.size());
  return key;
}

}  // namespace

bool ForwardSessions::IsOfSession(const Ticket& ticket) {
  return ticket.peer->open && ticket.peer->key.number == ticket.session;
}

bool ForwardSessions::IsCurrent(const Ticket& ticket) {
  return IsOfSession(ticket) && ticket.peer->places[ticket.place].streams == ticket.stream;
}

// Each stream whose request still runs has a descriptor.
bool ForwardSessions::MayTake(const Peer& peer, const Place& place) {
  if (!peer.open) return false;
  const auto late = std::count_if(peer.places.begin(), peer.places.end(),
                                  [](const Place& each) { return each.runs_late; });
  return !place.runs || place.runs_late || static_cast<size_t>(late) < kLostStreamsPerPeer;
}

void ForwardSessions::EndStream(Place& place) {
  if (place.stream != nullptr) place.stream->Shutdown();
  place.stream = nullptr;
}

void ForwardSessions::EndSession(Peer& peer) {
  peer.open = false;
  for (Place& place : peer.places) EndStream(place);
  changed_.SignalAll();
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
  // A later session is there only when nothing of this one runs.
  const uint64_t session = peer.key.number;
  const auto runs = [&peer, session] { return peer.running > 0 && peer.key.number == session; };
  while (runs() && runtime_.BootTime() < deadline) {
    runtime_.WaitUntil(changed_, mutex_, deadline);
  }
  return !runs();
}

void ForwardSessions::End(const Ticket& ticket) {
  absl::MutexLock lock(&mutex_);
  if (IsOfSession(ticket)) EndSession(*ticket.peer);
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

ForwardSessions::Ticket ForwardSessions::Join(uint64_t session, size_t place, Stream& stream) {
  absl::MutexLock lock(&mutex_);
  Peer* const peer = FindPeer(session);
  if (peer == nullptr || !MayTake(*peer, peer->places[place])) return {};
  Place& taken = peer->places[place];
  EndStream(taken);
  taken.runs_late = taken.runs;
  taken.stream = &stream;
  ++taken.streams;
  changed_.SignalAll();
  return {.peer = peer, .session = session, .place = place, .stream = taken.streams};
}

bool ForwardSessions::AwaitTurn(const Ticket& ticket) {
  absl::MutexLock lock(&mutex_);
  const Place& place = ticket.peer->places[ticket.place];
  while (IsCurrent(ticket) && place.runs) runtime_.Wait(changed_, mutex_);
  return IsCurrent(ticket);
}

void ForwardSessions::Leave(const Ticket& ticket) {
  absl::MutexLock lock(&mutex_);
  Place& place = ticket.peer->places[ticket.place];
  if (place.streams == ticket.stream) place.stream = nullptr;
}

bool ForwardSessions::Run(const Ticket& ticket) {
  absl::MutexLock lock(&mutex_);
  if (!IsCurrent(ticket)) return false;
  ++ticket.peer->running;
  ticket.peer->places[ticket.place].runs = true;
  return true;
}

void ForwardSessions::Finish(const Ticket& ticket) {
  absl::MutexLock lock(&mutex_);
  --ticket.peer->running;
  Place& place = ticket.peer->places[ticket.place];
  place.runs = place.runs_late = false;
  changed_.SignalAll();
}

}  // namespace baton::ha
