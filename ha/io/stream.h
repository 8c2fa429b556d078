// A connection that carries frames of forwarded host I/O: a header and a body, without copies.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <utility>

#include "engine/base/bytes.h"
#include "engine/base/unique_fd.h"
#include "ha/io/tls.h"
#include "ha/io/wire.h"

namespace baton::ha {

// One thread at a time, but Shutdown.
class Stream {
 public:
  explicit Stream(UniqueFd socket) : socket_(std::move(socket)) {}

  int fd() const { return socket_.get(); }
  // From now on all is encrypted. Before the first frame.
  void Encrypt(std::unique_ptr<Tls> tls) { tls_ = std::move(tls); }
  Tls* tls() const { return tls_.get(); }  // null: plaintext

  // False: the connection is over.
  bool Send(const WireHeader& header, Bytes body);
  // Waits for a header, and takes of what follows it whatever is there and fits into `room`: its
  // length. nullopt: the connection is over. The header may be anything.
  std::optional<size_t> ReceiveHeader(WireHeader& header, MutableBytes room);
  // All of `out`. False: the connection is over.
  bool Receive(MutableBytes out);
  // As recv(2), and as much as is there.
  ssize_t ReceiveSome(MutableBytes out) { return ReceiveSome(out, {}); }

  // What waits in it, now or later, ends as if the peer had closed it. On any thread.
  void Shutdown();

 private:
  ssize_t ReceiveSome(MutableBytes first, MutableBytes second);
  bool SendPlain(const WireHeader& header, Bytes body);

  const UniqueFd socket_;
  std::unique_ptr<Tls> tls_;
};

}  // namespace baton::ha
