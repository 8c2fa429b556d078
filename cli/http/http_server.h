// Answers HTTP requests: one loop for all connections, and a few threads that put answers together.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/http/http_message.h"
#include "cli/http/problem_line.h"
#include "engine/base/runtime.h"
#include "engine/base/unique_fd.h"
#include "ha/io/peer_address.h"

namespace baton::http {

// A client costs a connection and never a thread: however slowly it asks or reads, the loop goes on
// with the others, and ends it after kConnectionTime. Requests are carried out in lanes, each with
// threads of its own, so that those which may wait hold up no other ones. A connection carries one
// request; then it is closed. Where the answer is a stream (EventStreams), the client stays, and
// one request for all of them is carried out every kStreamLook. There is one stream, whatever its
// path.
//
// GET and HEAD without a body; everything else is refused here.
class HttpServer {
 public:
  struct Options {
    Runtime& runtime;  // outlives the server
    ha::PeerAddress address;
    ProblemLine& problem;  // why nobody is answered; outlives the server
    struct Lane {
      int threads = 1;
      bool may_wait = true;  // for storage, or for others
    };
    // Requests of one never wait for those of another.
    std::vector<Lane> lanes = {{}};
    // The lane of a request; quick, by the loop.
    std::function<size_t(const HttpRequest& request)> lane = [](const HttpRequest&) { return 0; };
    // By a thread of the lane, several requests at once.
    std::function<HttpAnswer(const HttpRequest& request)> answer;
  };

  // `listener`: of ListenAt(address); invalid: the loop tries to get it, until it does, and so it
  // does where the system refuses something else. An error: there is not even a loop.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(Options options, UniqueFd listener);

  // Lets go of the address and ends all connections, at once. No request begins any more, and those
  // of lanes that never wait have ended; the others go on. Idempotent. The main thread's.
  virtual void Close() = 0;
  // Close, and then waits for the requests that are being carried out.
  virtual ~HttpServer() = default;
};

}  // namespace baton::http
