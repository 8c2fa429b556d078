// Requests and answers of HTTP, as far as Baton has any.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace baton::http {

// GET or HEAD, without a body.
struct HttpRequest {
  std::string path;  // decoded: "/v1/clones/7/residual"
  std::map<std::string, std::string> query;
  std::string host;  // the header; empty: there is none
};

struct HttpAnswer {
  int status = 200;
  std::string type;  // of the body
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};
  // Of a stream: the body is its newest message, and this says which that is. The client stays, and
  // the request is answered again and again for it.
  std::optional<std::string> stream_version = std::nullopt;
};

// {"error": {"code": CODE, "message": MESSAGE}}
HttpAnswer ErrorAnswer(int status, const std::string& code, const std::string& message);

}  // namespace baton::http
