#include "tests/ha_io/fake_peer.h"

#include <absl/time/clock.h>

#include <cstring>

#include "ha/io/peer.pb.h"
#include "ha/io/peer_settings.h"
#include "tests/base/testing.h"

namespace baton::ha {

FakePeer::FakePeer(Role role, const std::string& endpoint)
    : role_(role),
      context_(Must(ZmqContext::Make())),
      socket_(Must(ZmqSocket::Open(
          *context_, role == Role::kClient ? ZmqSocket::Type::kDealer : ZmqSocket::Type::kRouter))),
      endpoint_(endpoint) {
  if (role_ == Role::kClient) {
    EXPECT_OK(socket_->Dial(endpoint));
  } else {
    endpoint_ = Must(socket_->Bind(endpoint));
  }
}

void FakePeer::Send(std::vector<std::string> frames) {
  if (role_ == Role::kServer) frames.insert(frames.begin(), route_);
  socket_->Send(Frames(frames));
}

void FakePeer::Send(const WireHeader& header, const std::string& body) {
  Send({EncodeHeader(header).text(), body});
}

std::vector<std::string> FakePeer::Receive(absl::Duration timeout) {
  std::array<ZmqPollItem, 1> items{ZmqPollItem{.handle = socket_->handle()}};
  ZmqPoll(items, timeout);
  std::optional<Frames> frames = socket_->Receive();
  if (!frames) return {};
  if (role_ == Role::kServer) {
    route_ = frames->front();
    frames->erase(frames->begin());
  }
  return *std::move(frames);
}

bool FakePeer::Greet(const std::string& node, const std::string& pool_id) {
  Hello hello;
  hello.set_protocol(kProtocol);
  hello.set_pool_id(pool_id);
  hello.set_node(node);
  Send({.kind = FrameKind::kHello}, hello.SerializeAsString());
  const std::vector<std::string> answer = Receive();
  if (answer.size() != 2) return false;
  const auto header = DecodeHeader(std::as_bytes(std::span(answer[0])));
  return header && header->kind == FrameKind::kWelcome;
}

bool FakePeer::Welcome(const std::string& node, const std::string& pool_id, uint16_t heartbeat_port,
                       uint16_t stream_port) {
  if (Receive().size() != 2) return false;
  ha::Welcome welcome;
  welcome.set_protocol(kProtocol);
  welcome.set_pool_id(pool_id);
  welcome.set_node(node);
  welcome.set_heartbeat_port(heartbeat_port);
  welcome.set_stream_port(stream_port);
  Send({.kind = FrameKind::kWelcome}, welcome.SerializeAsString());
  return true;
}

std::optional<SessionKey> FakePeer::Attach() {
  Send({.kind = FrameKind::kAttach, .number = 1}, "");
  const std::vector<std::string> answer = Receive();
  ForwardSession session;
  SessionKey key;
  if (answer.size() != 2 || !session.ParseFromString(answer[1]) ||
      session.secret().size() != key.secret.size()) {
    return std::nullopt;
  }
  key.number = session.number();
  std::memcpy(key.secret.data(), session.secret().data(), key.secret.size());
  return key;
}

bool FakePeer::GiveSession(const SessionKey& key) {
  const std::vector<std::string> question = Receive();
  if (question.size() != 2) return false;
  std::optional<WireHeader> header = DecodeHeader(std::as_bytes(std::span(question[0])));
  if (!header || header->kind != FrameKind::kAttach) return false;
  ForwardSession session;
  session.set_number(key.number);
  session.set_secret(key.secret.data(), key.secret.size());
  header->kind = FrameKind::kAnswer;
  Send(*header, session.SerializeAsString());
  return true;
}

}  // namespace baton::ha
