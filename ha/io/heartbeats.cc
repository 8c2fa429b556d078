#include "ha/io/heartbeats.h"

#include <algorithm>
#include <array>
#include <optional>

#include "engine/base/status.h"
#include "ha/io/peer_settings.h"

namespace baton::ha {

absl::StatusOr<std::unique_ptr<Heartbeats>> Heartbeats::Start(
    Runtime& runtime, PeerContext& context, const PeerIdentity& identity, PeerRefusals& refusals,
    const std::string& address, const std::vector<std::string>& peers, Handler handler) {
  std::unique_ptr<Heartbeats> made(
      new Heartbeats(runtime, context, identity, refusals, std::move(handler)));
  BATON_RETURN_IF_ERROR(made->wake_.status());
  BATON_ASSIGN_OR_RETURN(made->publisher_, context.OpenServer(ZmqSocket::Type::kPub));
  BATON_ASSIGN_OR_RETURN(made->endpoint_, made->publisher_->Bind(address));
  for (const std::string& peer : peers) {
    made->subscriptions_.emplace(peer, HeartbeatFilter(peer, identity));
  }
  made->thread_ = runtime.StartThread("heartbeats", [loop = made.get()] { loop->Loop(); });
  return made;
}

Heartbeats::~Heartbeats() {
  stopping_ = true;
  wake_.Wake();
}

void Heartbeats::Publish(Heartbeat heartbeat) {
  heartbeat.set_protocol(identity_.protocol);
  heartbeat.set_pool_id(identity_.pool_id);
  heartbeat.set_node(identity_.node);
  heartbeat.set_instance(identity_.instance);
  Bound(heartbeat);
  absl::MutexLock lock(&publish_mutex_);
  heartbeat.set_sequence(++sequence_);
  std::array<ZmqMessage, 1> frames{ZmqMessage::Copy(heartbeat.SerializeAsString())};
  publisher_->Send(frames);
}

void Heartbeats::Follow(const std::string& peer, const std::string& endpoint) {
  absl::MutexLock lock(&mutex_);
  new_endpoints_[peer] = endpoint;
  wake_.Wake();
}

void Heartbeats::Loop() {
  while (!stopping_) {
    WaitForWork();
    FollowNew();
    SeeConnections();
    for (auto& [peer, subscription] : subscriptions_) {
      if (subscription.socket != nullptr) ReceiveAll(peer, subscription);
      if (runtime_.BootTime() >= subscription.renew_at) Subscribe(peer, subscription);
    }
  }
}

void Heartbeats::WaitForWork() {
  std::vector<ZmqPollItem> items{ZmqPollItem{.fd = wake_.fd()},
                                 ZmqPollItem{.handle = publisher_->connection_events()}};
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [peer, subscription] : subscriptions_) {
    next = std::min(next, subscription.renew_at);
    if (subscription.socket != nullptr) items.push_back({.handle = subscription.socket->handle()});
  }
  ZmqPoll(items, std::max(next - runtime_.BootTime(), absl::ZeroDuration()));
  if (items[0].readable) wake_.Clear();
}

void Heartbeats::FollowNew() {
  std::map<std::string, std::string> endpoints;
  {
    absl::MutexLock lock(&mutex_);
    endpoints.swap(new_endpoints_);
  }
  for (const auto& [peer, endpoint] : endpoints) {
    const auto found = subscriptions_.find(peer);
    if (found == subscriptions_.end()) continue;
    found->second.endpoint = endpoint;
    Subscribe(peer, found->second);
  }
}

void Heartbeats::SeeConnections() {
  int fd = -1;
  while (const std::optional<ZmqSocket::Event> event = publisher_->NextEvent(&fd)) {
    if (*event == ZmqSocket::Event::kCome) strangers_.Come(fd);
    if (*event == ZmqSocket::Event::kLost) strangers_.Go(fd);
    if (*event != ZmqSocket::Event::kHandshakeFailed) continue;
    refusals_.Count(PeerRefusals::Kind::kHandshake,
                    "a connection to " + endpoint_ + " without a proper handshake");
  }
}

void Heartbeats::Subscribe(const std::string& peer, Subscription& subscription) {
  subscription.socket = nullptr;
  subscription.renew_at = runtime_.BootTime() + kHeartbeatRenewal;
  auto socket = context_.OpenClient(ZmqSocket::Type::kSub, peer);
  if (!socket.ok() || !(*socket)->SubscribeToAll().ok() ||
      !(*socket)->Dial(subscription.endpoint).ok()) {
    return;  // renewed soon
  }
  subscription.socket = *std::move(socket);
}

void Heartbeats::ReceiveAll(const std::string& peer, Subscription& subscription) {
  // What becomes of its connection shows by the silence; the events only must not pile up.
  while (subscription.socket->NextEvent()) {
  }
  std::array<ZmqMessage, 1> frames;
  while (const size_t count = subscription.socket->Receive(frames)) {
    subscription.renew_at = runtime_.BootTime() + kHeartbeatRenewal;
    Accept(peer, subscription, count == frames.size() ? frames[0].bytes() : Bytes());
  }
}

void Heartbeats::Accept(const std::string& peer, Subscription& subscription, Bytes body) {
  Heartbeat heartbeat;
  if (body.empty() || !heartbeat.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    refusals_.Count(PeerRefusals::Kind::kGarbled, "a garbled heartbeat of " + peer);
    return;
  }
  if (const std::optional<Objection> objection = subscription.filter.Examine(heartbeat)) {
    refusals_.Count(objection->kind, objection->text);
    return;
  }
  if (handler_) handler_(heartbeat);
}

}  // namespace baton::ha
