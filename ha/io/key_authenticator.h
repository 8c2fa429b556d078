// Decides by its key whether a connection is let in: the ZAP handler of ZeroMQ (RFC 27).
#pragma once

#include <absl/status/statusor.h>

#include <atomic>
#include <memory>

#include "engine/base/runtime.h"
#include "engine/base/wake_fd.h"
#include "ha/io/keys.h"
#include "ha/io/peer_refusals.h"
#include "ha/io/zmq_socket.h"

namespace baton::ha {

// Lets in the allowed keys, each under its name (ZmqMessage::sender), and nobody else; on a thread
// of its own. One a context, made before the sockets that ask it and gone after them.
class KeyAuthenticator {
 public:
  // All outlive it.
  static absl::StatusOr<std::unique_ptr<KeyAuthenticator>> Start(Runtime& runtime,
                                                                 ZmqContext& context,
                                                                 const AllowedKeys& allowed,
                                                                 PeerRefusals& refusals);
  ~KeyAuthenticator();
  KeyAuthenticator(const KeyAuthenticator&) = delete;
  KeyAuthenticator& operator=(const KeyAuthenticator&) = delete;

 private:
  KeyAuthenticator(std::unique_ptr<ZmqSocket> socket, const AllowedKeys& allowed,
                   PeerRefusals& refusals)
      : allowed_(allowed), refusals_(refusals), socket_(std::move(socket)) {}
  void Loop();
  void AnswerAll();

  const AllowedKeys& allowed_;
  PeerRefusals& refusals_;
  std::unique_ptr<ZmqSocket> socket_;
  WakeFd wake_;
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<Thread> thread_;
};

}  // namespace baton::ha
