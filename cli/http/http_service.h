// What a controller shows by HTTP: metrics, the interface for programs, and a page for people. All
// of it is read-only.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cli/http/copy_rates.h"
#include "cli/http/http_server.h"
#include "cli/http/rest.h"
#include "cli/http/volume_series.h"
#include "engine/base/first_writes.h"
#include "engine/base/runtime.h"
#include "engine/base/unique_fd.h"
#include "fs/io_counters.h"
#include "ha/io/peer_address.h"

namespace baton::http {

// GET /metrics, /v1/status, the page and what describes them never wait for storage or for another
// node, and have threads of their own.
class HttpService {
 public:
  // Called from threads of the service until it is destroyed.
  struct Options {
    Runtime& runtime;
    ha::PeerAddress address;
    ProblemLine& problem;  // as HttpServer has it
    AskController ask;
    // Never waits. nullopt: the mount is not served (any more).
    std::function<std::optional<fs::MountIo>()> io;
    // Of the epoch that this controller owns; nullopt: it owns none. Never waits.
    std::function<std::optional<FirstWrites>()> first_writes;
    // All volumes of the pool; nullopt: they are not known here. Never waits.
    std::function<std::optional<VolumeNames>()> volumes;
  };

  // `listener`: as HttpServer::Start has it.
  static absl::StatusOr<std::unique_ptr<HttpService>> Start(Options options, UniqueFd listener);
  // As those of HttpServer.
  ~HttpService() = default;
  void Close() { server_->Close(); }

 private:
  explicit HttpService(Options options) : options_(std::move(options)), rest_(options_.ask) {}

  HttpAnswer Answer(const HttpRequest& request);
  HttpAnswer Metrics();
  HttpAnswer Stream() const;
  static HttpAnswer Page();

  const Options options_;
  const Rest rest_;
  CopyRates rates_;
  VolumeSeries series_;
  std::unique_ptr<HttpServer> server_;  // last: it calls the others
};

}  // namespace baton::http
