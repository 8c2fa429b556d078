// A peer in plaintext that says what a test tells it to.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ha/io/tls.h"
#include "ha/io/wire.h"
#include "ha/io/zmq_socket.h"

namespace baton::ha {

// Connects to a server, or waits for a client. One thread.
class FakePeer {
 public:
  enum class Role { kClient, kServer };
  // `endpoint`: to connect to, or to listen at.
  FakePeer(Role role, const std::string& endpoint);

  const std::string& endpoint() const { return endpoint_; }
  void Send(std::vector<std::string> frames);
  void Send(const WireHeader& header, const std::string& body);
  // The next message, without the name of the connection; empty: none came in time.
  std::vector<std::string> Receive(absl::Duration timeout = absl::Seconds(5));
  // As a client: says hello as `node` and awaits the welcome. False: it is refused.
  bool Greet(const std::string& node, const std::string& pool_id);
  // As a server: awaits a hello and welcomes it as `node`.
  bool Welcome(const std::string& node, const std::string& pool_id, uint16_t heartbeat_port,
               uint16_t stream_port = 0);
  // As a client that was welcomed: asks for a session of forwarded I/O. nullopt: there is none.
  std::optional<SessionKey> Attach();
  // As a server: awaits that question, and answers with `key`.
  bool GiveSession(const SessionKey& key);

 private:
  const Role role_;
  std::unique_ptr<ZmqContext> context_;
  std::unique_ptr<ZmqSocket> socket_;
  std::string endpoint_;
  std::string route_;  // of the client that was heard last
};

}  // namespace baton::ha
