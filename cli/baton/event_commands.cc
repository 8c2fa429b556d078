#include <absl/time/clock.h>

#include <optional>
#include <string>

#include "cli/baton/arguments.h"
#include "cli/baton/commands.h"
#include "cli/baton/interrupt.h"
#include "engine/base/status.h"

namespace baton {
namespace {

using control::EventList;
using control::Request;

constexpr absl::Duration kFollowInterval = absl::Milliseconds(500);

struct EventsArguments {
  std::optional<std::string> since;
  bool follow = false;
};

std::string DescribeEvent(const Event& event) {
  return fmt::format("{}  epoch {}  {}  {}  {}", FormatUnixUs(event.unix_us()), event.epoch(),
                     event.node(), event.kind(), event.text());
}

// Every event after `sequence`, which is moved on.
absl::StatusOr<EventList> FetchEvents(CommandContext& context, absl::Time since,
                                      uint64_t& sequence) {
  EventList all;
  while (true) {
    Request request;
    request.mutable_events()->set_after_sequence(sequence);
    BATON_ASSIGN_OR_RETURN(control::Response response, context.client->Call(request));
    if (response.events().events().empty()) return all;
    for (Event& event : *response.mutable_events()->mutable_events()) {
      sequence = event.sequence();
      if (absl::FromUnixMicros(event.unix_us()) >= since) *all.add_events() = std::move(event);
    }
  }
}

void PrintEvents(Console& console, const EventList& list) {
  for (const Event& event : list.events()) {
    if (console.json()) {
      console.AnswerJsonLine(event);
    } else {
      console.Answer(DescribeEvent(event));
    }
  }
}

// A controller that is away for a while (a restart) is waited for: it comes back with the same
// events and more.
absl::StatusOr<ExitCode> FollowEvents(CommandContext& context, absl::Time since) {
  uint64_t sequence = 0;
  BATON_ASSIGN_OR_RETURN(EventList list, FetchEvents(context, since, sequence));
  CatchInterrupts();
  while (!Interrupted() && context.console.written().ok()) {
    PrintEvents(context.console, list);
    list.Clear();
    SleepUnlessInterrupted(kFollowInterval);
    absl::StatusOr<EventList> next = FetchEvents(context, since, sequence);
    if (next.ok()) {
      list = *std::move(next);
    } else if (ExitCodeOf(next.status()) == ExitCode::kRefused) {
      return next.status();
    }
  }
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> ShowEvents(CommandContext& context, const EventsArguments& arguments) {
  absl::Time since = absl::InfinitePast();
  if (arguments.since) {
    BATON_ASSIGN_OR_RETURN(since, ParseSince(*arguments.since, absl::Now()));
  }
  if (arguments.follow) return FollowEvents(context, since);
  uint64_t sequence = 0;
  BATON_ASSIGN_OR_RETURN(const EventList list, FetchEvents(context, since, sequence));
  if (context.console.json()) {
    context.console.AnswerJson(list);
  } else {
    PrintEvents(context.console, list);
  }
  return ExitCode::kDone;
}

}  // namespace

void AddEventsCommand(CLI::App& app, Command& chosen) {
  CLI::App* events = app.add_subcommand("events", "what happened, when, in which epoch");
  auto arguments = std::make_shared<EventsArguments>();
  events->add_option("--since", arguments->since,
                     "only from this TIME on: 2024-05-01T12:00:00Z, \"2024-05-01 12:00:00\", 15m");
  events->add_flag("--follow", arguments->follow, "go on with new events; with --json one a line");
  events->callback([arguments, &chosen] {
    chosen = [arguments](CommandContext& context) { return ShowEvents(context, *arguments); };
  });
}

}  // namespace baton
