#include "tests/ha_io/fake_peer.h"

#include <absl/time/clock.h>

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

bool FakePeer::Welcome(const std::string& node, const std::string& pool_id,
                       uint16_t heartbeat_port) {
  if (Receive().size() != 2) return false;
  ha::Welcome welcome;
  welcome.set_protocol(kProtocol);
  welcome.set_pool_id(pool_id);
  welcome.set_node(node);
  welcome.set_heartbeat_port(heartbeat_port);
  Send({.kind = FrameKind::kWelcome}, welcome.SerializeAsString());
  return true;
}

}  // namespace baton::ha
