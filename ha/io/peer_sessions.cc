#include "ha/io/peer_sessions.h"

namespace baton::ha {

void PeerSessions::Begin(const std::string& name, std::string route, ZmqMessage welcome) {
  End(route);  // a second hello on one connection
  Peer& peer = peers_[name];
  by_route_.erase(peer.route);
  if (peer.name.empty()) peer.name = name;  // workers read it
  peer.route = std::move(route);
  ++peer.session;
  peer.open = true;
  peer.welcomed = false;
  peer.queued = 0;
  peer.welcome = std::move(welcome);
  by_route_[peer.route] = &peer;
}

void PeerSessions::End(const std::string& route) {
  const auto found = by_route_.find(route);
  if (found == by_route_.end()) return;
  Peer& peer = *found->second;
  by_route_.erase(found);
  peer.open = false;
  ++peer.session;
}

std::vector<std::pair<std::string, ZmqMessage>> PeerSessions::TakeWelcomes() {
  std::vector<std::pair<std::string, ZmqMessage>> due;
  for (auto& [name, peer] : peers_) {
    if (!peer.open || peer.welcomed || peer.running != 0) continue;
    peer.welcomed = true;
    due.emplace_back(peer.route, std::move(peer.welcome));
  }
  return due;
}

PeerSessions::Ticket PeerSessions::Queue(const std::string& route, size_t most) {
  const auto found = by_route_.find(route);
  if (found == by_route_.end()) return {};
  Peer& peer = *found->second;
  if (!peer.welcomed || peer.queued + peer.running >= most) return {};
  ++peer.queued;
  return {&peer, peer.session};
}

bool PeerSessions::Run(const Ticket& ticket) {
  Peer& peer = *ticket.peer;
  if (!peer.open || peer.session != ticket.session) return false;
  --peer.queued;
  ++peer.running;
  return true;
}

void PeerSessions::Finish(const Ticket& ticket) { --ticket.peer->running; }

}  // namespace baton::ha
