// Requests and answers of HTTP, as far as Baton has any.
#pragma once

#include <map>
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
};

// {"error": {"code": CODE, "message": MESSAGE}}
HttpAnswer ErrorAnswer(int status, const std::string& code, const std::string& message);

}  // namespace baton::http
