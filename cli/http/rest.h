// The interface for programs: what `baton --json` prints, by HTTP.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <string>

#include "cli/control/control.pb.h"
#include "cli/http/http_message.h"

namespace baton::http {

// Asks this controller what `baton` would ask; a refusal is an error. Any thread's. UNAVAILABLE and
// DEADLINE_EXCEEDED: nobody answered.
using AskController =
    std::function<absl::StatusOr<control::Response>(const control::Request& request)>;

absl::StatusOr<control::ControllerStatus> AskStatus(const AskController& ask);

// GET /v1/…; docs: cli/http/openapi.json. Fields of answers are only ever added, as those of
// cli/control/control.proto are. Thread-safe.
class Rest {
 public:
  explicit Rest(AskController ask) : ask_(std::move(ask)) {}

  static bool IsFor(const HttpRequest& request) { return request.path.starts_with("/v1/"); }
  // Whether the answer may have to wait for the storage or for another node.
  static bool MayWait(const HttpRequest& request);
  // REQUIRES: IsFor.
  HttpAnswer Answer(const HttpRequest& request) const;

 private:
  absl::StatusOr<std::string> Body(const HttpRequest& request) const;
  absl::StatusOr<std::string> Status() const;
  absl::StatusOr<std::string> Volumes() const;
  absl::StatusOr<std::string> Volume(const std::string& name) const;
  absl::StatusOr<std::string> Clones() const;
  absl::StatusOr<std::string> Clone(const std::string& clone) const;
  absl::StatusOr<std::string> Residual(const std::string& clone, const HttpRequest& request) const;
  absl::StatusOr<std::string> Events(const HttpRequest& request) const;
  absl::StatusOr<std::string> TraceSlow(const HttpRequest& request) const;

  const AskController ask_;
};

// The answer to a request that was refused.
HttpAnswer RefusalAnswer(const absl::Status& status);

}  // namespace baton::http
