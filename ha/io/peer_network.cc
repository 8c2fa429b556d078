#include "ha/io/peer_network.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <utility>

#include "engine/base/limits.h"
#include "engine/base/names.h"
#include "engine/base/random.h"
#include "engine/base/status.h"
#include "ha/io/forward_server.h"
#include "ha/io/forward_streams.h"
#include "ha/io/heartbeats.h"
#include "ha/io/isolation.h"
#include "ha/io/peer_address.h"
#include "ha/io/peer_connection.h"
#include "ha/io/peer_refusals.h"
#include "ha/io/peer_server.h"
#include "ha/io/peer_settings.h"
#include "ha/io/peer_socket.h"
#include "ha/io/resolver.h"

namespace baton::ha {
namespace {

// How long what is forwarded may still run when a cut begins.
constexpr absl::Duration kCutPatience = absl::Seconds(1);

constexpr char kLacksDataPort[] =
    "it has another version of Baton, without a port for forwarded I/O: I/O of a standby's mount "
    "waits until both nodes have the same version";

// Calls on the wire, and the beginnings of sessions of forwarded I/O.
class CallService final : public PeerService {
 public:
  using Handler = std::function<std::string(const std::string&, const std::string&)>;
  using Attach = std::function<absl::StatusOr<SessionKey>(const std::string& peer)>;
  CallService(const Isolation& isolation, Handler handler, Attach attach)
      : isolation_(isolation), handler_(std::move(handler)), attach_(std::move(attach)) {}

  bool IsValid(const WireHeader& request, size_t body_bytes) const override {
    return (request.kind == FrameKind::kCall || request.kind == FrameKind::kAttach) &&
           request.length_bytes == body_bytes && body_bytes <= limits::kMaxRequestBytes;
  }

  bool IsQuick(const WireHeader& request) const override {
    return request.kind == FrameKind::kAttach;
  }

  Reply Serve(const std::string& peer, const WireHeader& header, Bytes body) override {
    if (isolation_.on()) return ReplyOf(Isolation::Refusal());
    if (header.kind == FrameKind::kAttach) return BeginSession(peer);
    const std::string request(reinterpret_cast<const char*>(body.data()), body.size());
    const std::string answer = handler_(peer, request);
    if (answer.size() <= limits::kMaxRequestBytes) {
      return {absl::StatusCode::kOk, ZmqMessage::Copy(answer)};
    }
    return {absl::StatusCode::kResourceExhausted, ZmqMessage::Copy("the answer is too long")};
  }

 private:
  Reply BeginSession(const std::string& peer) {
    const absl::StatusOr<SessionKey> key = attach_(peer);
    if (!key.ok()) return ReplyOf(key.status());
    ForwardSession session;
    session.set_number(key->number);
    session.set_secret(key->secret.data(), key->secret.size());
    std::string text = session.SerializeAsString();
    ZmqMessage message = ZmqMessage::CopySecret(std::as_bytes(std::span(text)));
    Wipe(std::as_writable_bytes(std::span(text)));
    Wipe(std::as_writable_bytes(std::span(*session.mutable_secret())));
    return {absl::StatusCode::kOk, std::move(message)};
  }

  static Reply ReplyOf(const absl::Status& status) {
    return {status.code(), ZmqMessage::Copy(Message(status))};
  }

  const Isolation& isolation_;
  const Handler handler_;
  const Attach attach_;
};

struct Peer {
  std::unique_ptr<PeerConnection> calls;
  std::unique_ptr<ForwardStreams> forward;
  std::atomic<bool> lacks_data_port = false;  // said its last welcome
};

class Network final : public PeerNetwork {
 public:
  Network(Runtime& runtime, Options options, Handlers handlers);
  ~Network() override;
  absl::Status Run();

  std::string endpoint() const override { return call_server_->endpoint(); }
  void Publish(Heartbeat heartbeat) override {
    if (!isolation_.on()) heartbeats_->Publish(std::move(heartbeat));
  }
  absl::StatusOr<std::string> Call(const std::string& peer, const std::string& request,
                                   absl::Duration timeout) override;
  void EndCalls() override {
    for (auto& [name, peer] : peers_) peer.calls->Stop();
  }
  bool EndForwarded(const std::string& peer, absl::Duration timeout) override {
    return forward_server_ == nullptr || forward_server_->EndSession(peer, timeout);
  }
  void Isolate(absl::Duration time) override;
  ForwardClient* forward(const std::string& peer) override;
  bool connected(const std::string& peer) const override;
  std::string Trouble(const std::string& peer) const override;
  std::vector<std::string> peers() const override;
  PeerCounters counters() const override { return refusals_.counters(); }

 private:
  absl::Status Listen(const PeerAddress& address);
  void Hear(const Heartbeat& heartbeat) const;
  absl::StatusOr<SessionKey> BeginForwarded(const std::string& peer);
  absl::Status AddPeer(const std::string& name);
  PeerConnection::Options CallOptions(const std::string& name);
  ForwardStreams::Options ForwardOptions(const std::string& name) const;
  void Follow(const std::string& name, const Welcome& welcome, const PeerAddress& address);

  Runtime& runtime_;
  const Options options_;
  const Handlers handlers_;
  const PeerIdentity identity_;
  PeerKeys peer_keys_;
  PeerRefusals refusals_;
  Resolver resolver_;
  Isolation isolation_;
  CallService call_service_;

  std::unique_ptr<PeerContext> context_;
  std::unique_ptr<Heartbeats> heartbeats_;
  std::unique_ptr<ForwardServer> forward_server_;
  std::unique_ptr<PeerServer> call_server_;
  std::map<std::string, Peer> peers_;
};

// A key alone is no right: whoever is not named among the peers is nobody.
PeerSecurity SecurityOf(const PeerNetwork::Options& options) {
  std::set<std::string> names;
  for (const auto& [name, endpoint] : options.peers) names.insert(name);
  PeerSecurity security = options.security;
  security.allowed = security.allowed.Only(names);
  return security;
}

PeerIdentity IdentityOf(const PeerNetwork::Options& options) {
  return {.node = options.node,
          .pool_id = options.pool_id,
          .instance = RandomNumber(),
          .protocol = options.protocol == 0 ? kProtocol : options.protocol,
          .security = SecurityOf(options)};
}

// What of `address` is not possible for us or for a peer.
absl::Status CheckAddress(const PeerAddress& address, bool insecure) {
  if (!insecure || address.IsLoopback()) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument,
               "{} is no loopback address: without keys nothing may leave this machine",
               address.Endpoint());
}

absl::Status CheckPeer(const std::string& name, const std::string& endpoint,
                       const PeerNetwork::Options& options) {
  BATON_RETURN_IF_ERROR(CheckName(name));
  if (name == options.node) {
    return Error(absl::StatusCode::kInvalidArgument, "{} cannot be a peer of itself", name);
  }
  BATON_ASSIGN_OR_RETURN(const PeerAddress address, PeerAddress::Parse(endpoint));
  if (address.port == 0) {
    return Error(absl::StatusCode::kInvalidArgument, "the port of {} is missing", name);
  }
  BATON_RETURN_IF_ERROR(CheckAddress(address, options.security.insecure));
  if (options.security.insecure || !options.security.allowed.KeysOf(name).empty()) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kInvalidArgument, "there is no key of {} among the allowed ones",
               name);
}

absl::Status CheckOptions(const PeerNetwork::Options& options) {
  BATON_RETURN_IF_ERROR(CheckName(options.node));
  BATON_ASSIGN_OR_RETURN(const PeerAddress listen, PeerAddress::Parse(options.listen));
  BATON_RETURN_IF_ERROR(CheckAddress(listen, options.security.insecure));
  if (!options.security.insecure && options.security.keys.secret_key.empty()) {
    return Error(absl::StatusCode::kInvalidArgument, "{} has no key", options.node);
  }
  if (options.peers.size() > kMaxPeers) {
    return Error(absl::StatusCode::kInvalidArgument, "{} peers; at most {}", options.peers.size(),
                 kMaxPeers);
  }
  for (const auto& [name, endpoint] : options.peers) {
    BATON_RETURN_IF_ERROR(CheckPeer(name, endpoint, options));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint16_t> PortOf(const std::string& endpoint) {
  BATON_ASSIGN_OR_RETURN(const PeerAddress address, PeerAddress::Parse(endpoint));
  return address.port;
}

Network::Network(Runtime& runtime, Options options, Handlers handlers)
    : runtime_(runtime),
      options_(std::move(options)),
      handlers_(std::move(handlers)),
      identity_(IdentityOf(options_)),
      peer_keys_(identity_.security.allowed),
      refusals_(runtime),
      resolver_(options_.address_cache),
      isolation_(runtime),
      call_service_(isolation_, handlers_.on_call,
                    [this](const std::string& peer) { return BeginForwarded(peer); }) {}

// Callers first, so that handlers that call a peer themselves come to an end.
Network::~Network() {
  for (auto& [name, peer] : peers_) {
    if (peer.calls != nullptr) peer.calls->Stop();
  }
  for (auto& [name, peer] : peers_) {
    if (peer.forward != nullptr) peer.forward->Stop();
  }
  call_server_ = nullptr;
  forward_server_ = nullptr;
  heartbeats_ = nullptr;
  peers_.clear();
}

absl::Status Network::Run() {
  BATON_ASSIGN_OR_RETURN(context_, PeerContext::Make(runtime_, identity_, peer_keys_, refusals_));
  // All are there before the first welcome tells of them.
  for (const auto& [name, endpoint] : options_.peers) BATON_RETURN_IF_ERROR(AddPeer(name));
  BATON_ASSIGN_OR_RETURN(const PeerAddress named, PeerAddress::Parse(options_.listen));
  BATON_ASSIGN_OR_RETURN(const PeerAddress address, resolver_.Await(named, kOwnNamePatience));
  BATON_RETURN_IF_ERROR(Listen(address));
  for (const auto& [name, endpoint] : options_.peers) {
    BATON_ASSIGN_OR_RETURN(const PeerAddress peer, PeerAddress::Parse(endpoint));
    peers_[name].calls->ConnectTo(peer);
  }
  return absl::OkStatus();
}

absl::Status Network::Listen(const PeerAddress& address) {
  BATON_ASSIGN_OR_RETURN(
      heartbeats_, Heartbeats::Start(runtime_, *context_, identity_, refusals_,
                                     address.WithPort(options_.heartbeat_port).Endpoint(), peers(),
                                     [this](const Heartbeat& heartbeat) { Hear(heartbeat); }));
  PeerServer::Options options;
  options.address = address.Endpoint();
  for (const auto& [name, endpoint] : options_.peers) options.plaintext_names.insert(name);
  BATON_ASSIGN_OR_RETURN(options.heartbeat_port, PortOf(heartbeats_->endpoint()));
  if (handlers_.forward_target != nullptr) {
    BATON_ASSIGN_OR_RETURN(
        forward_server_,
        ForwardServer::Start(runtime_, identity_.security.insecure, refusals_,
                             *handlers_.forward_target, address.WithPort(options_.data_port)));
    options.stream_port = forward_server_->port();
  }
  options.thread_name = "peer-calls";
  options.workers = kCallWorkers;
  BATON_ASSIGN_OR_RETURN(call_server_, PeerServer::Start(runtime_, *context_, identity_, refusals_,
                                                         call_service_, std::move(options)));
  return absl::OkStatus();
}

void Network::Hear(const Heartbeat& heartbeat) const {
  if (handlers_.on_heartbeat && !isolation_.on()) handlers_.on_heartbeat(heartbeat);
}

// A cut that begins meanwhile may have found no session to end.
absl::StatusOr<SessionKey> Network::BeginForwarded(const std::string& peer) {
  if (forward_server_ == nullptr) {
    return absl::UnimplementedError("no forwarded I/O is served here");
  }
  const absl::StatusOr<SessionKey> key = forward_server_->BeginSession(peer);
  if (!isolation_.on()) return key;
  forward_server_->EndSession(peer, absl::ZeroDuration());
  return Isolation::Refusal();
}

void Network::Isolate(absl::Duration time) {
  spdlog::warn("a drill cuts this node off from its peers for {}", absl::FormatDuration(time));
  isolation_.Begin(time);
  const absl::Duration deadline = runtime_.BootTime() + kCutPatience;
  for (const auto& [name, peer] : peers_) {
    EndForwarded(name, std::max(deadline - runtime_.BootTime(), absl::ZeroDuration()));
  }
}

absl::Status Network::AddPeer(const std::string& name) {
  Peer& peer = peers_[name];
  BATON_ASSIGN_OR_RETURN(peer.calls, PeerConnection::Start(runtime_, *context_, identity_,
                                                           refusals_, CallOptions(name)));
  BATON_ASSIGN_OR_RETURN(
      peer.forward, ForwardStreams::Start(runtime_, refusals_, *peer.calls, ForwardOptions(name)));
  return absl::OkStatus();
}

PeerConnection::Options Network::CallOptions(const std::string& name) {
  return {.peer = name,
          .resolve = [this](const PeerAddress& address) { return resolver_.Find(address); },
          .on_made =
              [this, name](const Welcome& welcome, const PeerAddress& address) {
                Follow(name, welcome, address);
                if (handlers_.on_connection) handlers_.on_connection(name, true);
              },
          .on_lost =
              [this, name] {
                peers_.at(name).forward->ConnectTo(std::nullopt);
                if (handlers_.on_connection) handlers_.on_connection(name, false);
              },
          .on_failed = [this, name] { peer_keys_.TryNext(name); }};
}

ForwardStreams::Options Network::ForwardOptions(const std::string& name) const {
  return {.peer = name,
          .insecure = identity_.security.insecure,
          .on_change = [this, name](bool connected) {
            if (handlers_.on_forward_connection) handlers_.on_forward_connection(name, connected);
          }};
}

// The peer's other ports are known now; they are where it was found. Older versions have another
// port for forwarded I/O, and know nothing of this one.
void Network::Follow(const std::string& name, const Welcome& welcome, const PeerAddress& address) {
  const auto with_port = [&address](uint32_t port) -> std::optional<PeerAddress> {
    if (port == 0 || port > 65535) return std::nullopt;
    return address.WithPort(static_cast<uint16_t>(port));
  };
  const std::optional<PeerAddress> heartbeats = with_port(welcome.heartbeat_port());
  if (heartbeats) heartbeats_->Follow(name, heartbeats->Endpoint());
  const std::optional<PeerAddress> streams = with_port(welcome.stream_port());
  Peer& peer = peers_.at(name);
  if (!peer.lacks_data_port.exchange(!streams) && !streams) {
    spdlog::warn("{}: {}", name, kLacksDataPort);
  }
  peer.forward->ConnectTo(streams);
}

absl::StatusOr<std::string> Network::Call(const std::string& peer, const std::string& request,
                                          absl::Duration timeout) {
  const auto found = peers_.find(peer);
  if (found == peers_.end()) {
    return Error(absl::StatusCode::kNotFound, "there is no peer {}", peer);
  }
  if (request.size() > limits::kMaxRequestBytes) {
    return Error(absl::StatusCode::kInvalidArgument, "a call of {} bytes; at most {} are sent",
                 request.size(), limits::kMaxRequestBytes);
  }
  if (isolation_.on()) return Isolation::Refusal();
  const WireHeader header{.kind = FrameKind::kCall, .length_bytes = request.size()};
  absl::StatusOr<PeerMessage> answer = found->second.calls->Exchange(
      {header, ZmqMessage::Copy(request)}, runtime_.BootTime() + timeout);
  if (!answer.ok()) return Annotate(answer.status(), "call of " + peer);
  const auto code = static_cast<absl::StatusCode>(answer->header.code);
  if (code != absl::StatusCode::kOk) return absl::Status(code, answer->body.text());
  return answer->body.text();
}

ForwardClient* Network::forward(const std::string& peer) {
  const auto found = peers_.find(peer);
  return found == peers_.end() ? nullptr : found->second.forward.get();
}

bool Network::connected(const std::string& peer) const {
  const auto found = peers_.find(peer);
  return found != peers_.end() && found->second.calls->connected() && !isolation_.on();
}

std::string Network::Trouble(const std::string& peer) const {
  const auto found = peers_.find(peer);
  if (found == peers_.end()) return "";
  const Peer& known = found->second;
  const std::string refused = known.calls->refusal();
  const bool lacks_data_port = known.calls->connected() && known.lacks_data_port;
  return refused.empty() && lacks_data_port ? kLacksDataPort : refused;
}

std::vector<std::string> Network::peers() const {
  std::vector<std::string> names;
  for (const auto& [name, endpoint] : options_.peers) names.push_back(name);
  return names;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PeerNetwork>> PeerNetwork::Start(Runtime& runtime, Options options,
                                                                Handlers handlers) {
  BATON_RETURN_IF_ERROR(CheckOptions(options));
  auto network = std::make_unique<Network>(runtime, std::move(options), std::move(handlers));
  BATON_RETURN_IF_ERROR(network->Run());
  return std::unique_ptr<PeerNetwork>(std::move(network));
}

}  // namespace baton::ha
