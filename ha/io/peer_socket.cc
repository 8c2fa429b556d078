#include "ha/io/peer_socket.h"

#include <optional>

#include "engine/base/status.h"
#include "ha/io/peer_settings.h"

namespace baton::ha {
namespace {

bool IsHeartbeat(ZmqSocket::Type type) {
  return type == ZmqSocket::Type::kPub || type == ZmqSocket::Type::kSub;
}

ZmqTcpOptions OptionsOf(ZmqSocket::Type type) {
  return {.reconnect_min = kReconnectMin,
          .reconnect_max = kReconnectMax,
          .handshake_timeout = kHandshakeTimeout,
          .probe_interval = kProbeInterval,
          .silence_timeout = kSilenceTimeout,
          .queued_messages = IsHeartbeat(type) ? kQueuedHeartbeats : kQueuedMessages,
          .max_message_bytes = IsHeartbeat(type) ? kMaxHeartbeatBytes : limits::kMaxMessageBytes};
}

}  // namespace

absl::StatusOr<std::unique_ptr<PeerContext>> PeerContext::Make(Runtime& runtime,
                                                               const PeerIdentity& identity,
                                                               const PeerKeys& peer_keys,
                                                               PeerRefusals& refusals) {
  BATON_ASSIGN_OR_RETURN(auto zmq, ZmqContext::Make());
  std::unique_ptr<PeerContext> context(new PeerContext(identity, peer_keys, std::move(zmq)));
  if (identity.security.insecure) return context;
  BATON_ASSIGN_OR_RETURN(
      context->authenticator_,
      KeyAuthenticator::Start(runtime, *context->context_, identity.security.allowed, refusals));
  return context;
}

absl::StatusOr<std::unique_ptr<ZmqSocket>> PeerContext::Open(ZmqSocket::Type type) {
  BATON_ASSIGN_OR_RETURN(auto socket, ZmqSocket::Open(*context_, type));
  BATON_RETURN_IF_ERROR(socket->SetTcpOptions(OptionsOf(type)));
  BATON_RETURN_IF_ERROR(socket->WatchConnections());
  return socket;
}

absl::StatusOr<std::unique_ptr<ZmqSocket>> PeerContext::OpenServer(ZmqSocket::Type type) {
  BATON_ASSIGN_OR_RETURN(auto socket, Open(type));
  if (authenticator_ != nullptr) {
    BATON_RETURN_IF_ERROR(socket->RequireKeys(identity_.security.keys.secret_key));
  }
  return socket;
}

absl::StatusOr<std::unique_ptr<ZmqSocket>> PeerContext::OpenClient(ZmqSocket::Type type,
                                                                   const std::string& peer) {
  BATON_ASSIGN_OR_RETURN(auto socket, Open(type));
  if (authenticator_ == nullptr) return socket;
  const PeerSecurity& security = identity_.security;
  const std::optional<std::string> server_key = peer_keys_.Current(peer);
  if (!server_key) {
    return Error(absl::StatusCode::kInvalidArgument, "there is no allowed key of {}", peer);
  }
  BATON_RETURN_IF_ERROR(
      socket->PresentKeys({security.keys.public_key, security.keys.secret_key}, *server_key));
  return socket;
}

}  // namespace baton::ha
