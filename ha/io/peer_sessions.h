// Which connection of a peer counts: the last one that said hello, and only when nothing of an
// earlier one can take effect any more.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ha/io/zmq_socket.h"

namespace baton::ha {

// The book of a server's connections. A hello ends the peer's earlier session at once: what is
// queued of it is dropped, and the hello is answered only when what runs of it has ended. Since a
// peer sends nothing before that answer, a request that it sends again over a new connection is
// never overtaken by the first copy of it. Not thread-safe; bounded by the number of peers.
class PeerSessions {
 public:
  struct Peer {
    std::string name;
    std::string route;     // ZeroMQ's name of the connection
    uint64_t session = 0;  // grows with each hello
    bool open = false;     // a session is there and not ended
    bool welcomed = false;
    size_t queued = 0;   // requests of this session that no worker has taken
    size_t running = 0;  // requests of all sessions that workers have
    ZmqMessage welcome;  // the answer to the hello that is held back
  };
  // A request's place in the book.
  struct Ticket {
    Peer* peer = nullptr;
    uint64_t session = 0;
  };

  // Begins a session; `welcome` comes out of TakeWelcomes() when it is time.
  void Begin(const std::string& name, std::string route, ZmqMessage welcome);
  // Ends the session of that connection, if it is one.
  void End(const std::string& route);
  // (route, welcome) of each session that may now begin to send.
  std::vector<std::pair<std::string, ZmqMessage>> TakeWelcomes();

  // A request came in by `route`. A null peer: that connection has no session, or none yet, or it
  // has more than `most` requests here.
  Ticket Queue(const std::string& route, size_t most);
  // A worker takes it; false: its session is over, drop it. Otherwise Finish() follows.
  bool Run(const Ticket& ticket);
  void Finish(const Ticket& ticket);

 private:
  std::map<std::string, Peer> peers_;  // never erased: tickets point into it
  absl::flat_hash_map<std::string, Peer*> by_route_;
};

}  // namespace baton::ha
