#include "cli/http/http_service.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_replace.h>

#include <array>
#include <utility>

#include "cli/control/json.h"
#include "cli/http/embedded.h"
#include "cli/http/host_check.h"
#include "cli/http/metrics.h"
#include "engine/base/random.h"
#include "engine/base/status.h"

namespace baton::http {
namespace {

enum Lane : size_t { kLooks, kQuestions };
constexpr int kLookThreads = 2;
constexpr int kQuestionThreads = 2;

constexpr char kStreamPath[] = "/v1/stream";
constexpr char kStreamType[] = "text/event-stream";
constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";
// Where the page has a number that is drawn anew for each answer.
constexpr char kNoncePlace[] = "NONCE";

size_t LaneOf(const HttpRequest& request) {
  const bool may_wait =
      Rest::IsFor(request) && Rest::MayWait(request) && request.path != kStreamPath;
  return may_wait ? kQuestions : kLooks;
}

// What is the same as long as nothing happens.
std::string VersionOf(control::ControllerStatus status) {
  status.clear_uptime_seconds();
  status.clear_lease_age_ms();
  status.clear_pool_free_bytes();
  status.clear_pool_full_in_seconds();
  for (control::NodeStatus& node : *status.mutable_nodes()) node.clear_heard_ms();
  return status.SerializeAsString();
}

std::string DrawNonce() {
  std::array<char, 16> bytes = {};
  FillRandom(bytes.data(), bytes.size());
  return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpService>> HttpService::Start(Options options,
                                                                UniqueFd listener) {
  std::unique_ptr<HttpService> service(new HttpService(std::move(options)));
  BATON_ASSIGN_OR_RETURN(
      service->server_,
      HttpServer::Start(
          {.runtime = service->options_.runtime,
           .address = service->options_.address,
           .problem = service->options_.problem,
           .lanes = {{.threads = kLookThreads, .may_wait = false}, {.threads = kQuestionThreads}},
           .lane = LaneOf,
           .answer = [&self =
                          *service](const HttpRequest& request) { return self.Answer(request); }},
          std::move(listener)));
  return service;
}

HttpAnswer HttpService::Answer(const HttpRequest& request) {
  // Who can reach another address than loopback may have any name for it.
  if (options_.address.IsLoopback() && !NamesLoopback(request.host)) {
    return ErrorAnswer(403, "PERMISSION_DENIED",
                       "this controller is asked by the name of another host: use its address");
  }
  if (request.path == "/metrics") return Metrics();
  if (request.path == "/") return Page();
  if (request.path == kStreamPath) return Stream();
  if (Rest::IsFor(request)) return rest_.Answer(request);
  return RefusalAnswer(Error(
      absl::StatusCode::kNotFound,
      "there is no {}; there are /, /metrics, and what /v1/openapi.json lists", request.path));
}

HttpAnswer HttpService::Metrics() {
  absl::StatusOr<control::ControllerStatus> status = AskStatus(options_.ask);
  if (!status.ok()) return RefusalAnswer(status.status());
  Observation observation = {.status = *std::move(status),
                             .io = options_.io(),
                             .first_writes = options_.first_writes(),
                             .volumes = {}};
  const std::optional<VolumeNames> names = options_.volumes();
  if (names) observation.volumes = names->size();
  if (observation.io) observation.volume_counts = series_.Note(observation.io->volumes, names);
  observation.rates = rates_.Note(options_.runtime.BootTime(), observation.status.clones());
  return {.type = kMetricsType, .body = MetricsText(observation)};
}

HttpAnswer HttpService::Stream() const {
  const absl::StatusOr<control::ControllerStatus> status = AskStatus(options_.ask);
  if (!status.ok()) return RefusalAnswer(status.status());
  return {.type = kStreamType,
          .body = fmt::format("event: status\ndata: {}\n\n", ToJson(*status, -1)),
          .headers = {},
          .stream_version = VersionOf(*status)};
}

HttpAnswer HttpService::Page() {
  const std::string nonce = DrawNonce();
  return {.type = "text/html; charset=utf-8",
          .body = absl::StrReplaceAll(kPage, {{kNoncePlace, nonce}}),
          .headers = {{"Content-Security-Policy",
                       fmt::format("default-src 'none'; script-src 'nonce-{0}'; style-src "
                                   "'nonce-{0}'; connect-src 'self'; base-uri 'none'; form-action "
                                   "'none'; frame-ancestors 'none'",
                                   nonce)},
                      {"Referrer-Policy", "no-referrer"}}};
}

}  // namespace baton::http
