#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/baton/arguments.h"
#include "cli/baton/commands.h"
#include "engine/base/names.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using control::SlowRequest;
using control::SlowRequests;

constexpr double kMicrosecondsPerSecond = 1e6;

// "1.204 s"
std::string FormatSeconds(uint64_t us) {
  return fmt::format("{:.3f} s", static_cast<double>(us) / kMicrosecondsPerSecond);
}

// "storage 1.2 s, lock 0.3 s": what a tenth of the time went to, the most first.
std::string DescribeTimes(const SlowRequest& request) {
  std::array<std::pair<uint64_t, const char*>, 8> parts = {{{request.queued_us(), "queued"},
                                                            {request.owner_us(), "owner"},
                                                            {request.lock_us(), "lock"},
                                                            {request.log_us(), "log"},
                                                            {request.preserve_us(), "preserve"},
                                                            {request.storage_us(), "storage"},
                                                            {request.peer_us(), "peer"},
                                                            {request.other_us(), "other"}}};
  std::ranges::stable_sort(parts, [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  for (const auto& [us, name] : parts) {
    if (us == 0 || us * 10 < request.total_us()) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, FormatSeconds(us));
  }
  return request.under_way() ? text + "; under way: " + request.doing() : text;
}

std::string SlowTable(const SlowRequests& slow) {
  std::vector<std::vector<std::string>> rows = {
      {"TIME", "KIND", "VOLUME", "OFFSET", "LENGTH", "TOTAL", "WHERE"}};
  for (const SlowRequest& request : slow.requests()) {
    rows.push_back({FormatUnixUs(request.unix_us()), request.kind(),
                    request.volume().empty() ? fmt::format("number {}", request.volume_id())
                                             : request.volume(),
                    fmt::format("{}", request.offset()), FormatSize(request.length()),
                    FormatSeconds(request.total_us()), DescribeTimes(request)});
  }
  return FormatTable(rows);
}

std::string DescribeSlow(const SlowRequests& slow) {
  std::string text = fmt::format("slow is what takes {} or more: {} under way, {} answered",
                                 FormatSeconds(slow.slow_us()), slow.under_way(), slow.answered());
  if (slow.dropped() > 0) text += fmt::format(", {} of these not kept", slow.dropped());
  return slow.requests().empty() ? text : text + "\n" + SlowTable(slow);
}

absl::StatusOr<ExitCode> ShowSlow(CommandContext& context, uint32_t limit) {
  control::Request request;
  request.mutable_trace_slow()->set_limit(limit);
  BATON_ASSIGN_OR_RETURN(const control::Response response, context.client->Call(request));
  if (context.console.json()) {
    context.console.AnswerJson(response.slow());
  } else {
    context.console.Answer(DescribeSlow(response.slow()));
  }
  return ExitCode::kDone;
}

}  // namespace

void AddTraceCommands(CLI::App& app, Command& chosen) {
  CLI::App* trace = app.add_subcommand("trace", "where the time of programs' requests went");
  trace->require_subcommand(1);
  CLI::App* slow = trace->add_subcommand(
      "slow", "requests of this node's mount that were slow, or are, and why; the newest first");
  auto limit = std::make_shared<uint32_t>(0);
  slow->add_option("--limit", *limit, "at most so many; all that are kept by default")
      ->type_name("N")
      ->check(CLI::Range(1u, UINT32_MAX));
  slow->callback([limit, &chosen] {
    chosen = [limit](CommandContext& context) { return ShowSlow(context, *limit); };
  });
}

}  // namespace baton
