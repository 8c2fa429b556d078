#include "tests/ha_core/transcript.h"

#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <sstream>

namespace baton::ha {
namespace {

using Words = std::vector<std::string>;

absl::Duration Seconds(const std::string& text) {
  return absl::Milliseconds(100 * std::lround(10 * std::stod(text)));
}

std::string Word(const Words& words, size_t index) {
  return index < words.size() ? words[index] : "";
}

uint64_t Number(const Words& words, size_t index) { return std::stoull(words.at(index)); }

bool Has(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string From(const Words& words, size_t index) {
  std::string text;
  for (size_t i = index; i < words.size(); ++i) text += (text.empty() ? "" : " ") + words[i];
  return text;
}

State StateNamed(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(State::kDraining); ++i) {
    if (Name(static_cast<State>(i)) == name) return static_cast<State>(i);
  }
  ADD_FAILURE() << "no state " << name;
  return State::kFollower;
}

// "times STALE TAKEOVER WATCHDOG"
std::optional<event::OwnerTimes> TimesIn(const Words& words) {
  const auto found = std::find(words.begin(), words.end(), "times");
  if (found == words.end()) return std::nullopt;
  return event::OwnerTimes{.stale_after = Seconds(found[1]),
                           .takeover_after = Seconds(found[2]),
                           .watchdog = Seconds(found[3])};
}

Event LeaseEvent(const Words& words, absl::Duration now) {
  event::LeaseSeen seen;
  seen.began = now;
  seen.epoch = Number(words, 1);
  seen.node = words.at(2);
  seen.counter = Number(words, 3);
  seen.released = Has(words, "released");
  if (Has(words, "predecessor")) seen.holder = Holder::kPredecessor;
  if (Has(words, "ours")) seen.holder = Holder::kThisProcess;
  seen.times = TimesIn(words);
  return seen;
}

Event HeartbeatEvent(const Words& words) {
  return event::Heartbeat{.node = words.at(1),
                          .state = StateNamed(words.at(2)),
                          .epoch = Number(words, 3),
                          .healthy = !Has(words, "unwell"),
                          .eligible = !Has(words, "ineligible"),
                          .other_times = Has(words, "other-times") ? "has others" : ""};
}

using Maker = std::function<Event(const Words&, absl::Duration)>;

const std::map<std::string, Maker>& Makers() {
  static const auto& makers = *new std::map<std::string, Maker>{
      {"tick", [](const Words&, absl::Duration) { return event::Tick{}; }},
      {"lease", LeaseEvent},
      {"nolease", [](const Words&, absl::Duration) { return event::NoLease{}; }},
      {"storage",
       [](const Words& w, absl::Duration) {
         return event::StorageHealth{.ok = w.at(1) == "ok", .text = From(w, 2)};
       }},
      {"heartbeat", [](const Words& w, absl::Duration) { return HeartbeatEvent(w); }},
      {"certificate",
       [](const Words& w, absl::Duration) {
         return event::Certificate{.node = w.at(1), .epoch = Number(w, 2)};
       }},
      {"stop-answered",
       [](const Words& w, absl::Duration) {
         return event::StopAnswered{
             .node = w.at(1), .epoch = Number(w, 2), .ok = w.at(3) == "sealed"};
       }},
      {"stop-asked",
       [](const Words& w, absl::Duration) {
         return event::StopAsked{.node = w.at(1), .epoch = Number(w, 2)};
       }},
      {"fence-ended",
       [](const Words& w, absl::Duration) {
         return event::FenceEnded{
             .node = w.at(1), .ok = w.at(2) == "confirmed", .text = From(w, 3)};
       }},
      {"fence-monitored",
       [](const Words& w, absl::Duration) {
         return event::FenceMonitored{.node = w.at(1), .ok = w.at(2) == "ok", .text = From(w, 3)};
       }},
      {"claim-ended",
       [](const Words& w, absl::Duration) {
         const bool ok = w.at(1) == "ok";
         return event::ClaimEnded{
             .ok = ok, .epoch = ok ? Number(w, 2) : 0, .text = ok ? "" : From(w, 2)};
       }},
      {"recovery-ended",
       [](const Words& w, absl::Duration) {
         return event::RecoveryEnded{.ok = w.at(1) == "ok", .text = From(w, 2)};
       }},
      {"seal-ended",
       [](const Words& w, absl::Duration) {
         return event::SealEnded{.ok = w.at(1) == "ok", .text = From(w, 2)};
       }},
      {"fault",
       [](const Words& w, absl::Duration) {
         return event::OwnFault{.text = From(w, 2), .can_seal = w.at(1) == "sealable"};
       }},
      {"handover", [](const Words& w, absl::Duration) { return event::Handover{Word(w, 1)}; }},
      {"offer",
       [](const Words& w, absl::Duration) {
         return event::HandoverOffered{.node = w.at(1), .epoch = Number(w, 2)};
       }},
      {"operator",
       [](const Words& w, absl::Duration) {
         return event::OperatorTakeover{.epoch = Number(w, 1), .owner_is_dead = Has(w, "dead")};
       }},
      {"shutdown", [](const Words&, absl::Duration) { return event::Shutdown{}; }},
  };
  return makers;
}

Words SplitWords(const std::string& text) {
  return absl::StrSplit(text, absl::ByAnyChar(" "), absl::SkipWhitespace());
}

Takeover TakeoverNamed(const std::string& name) {
  if (name == "manual") return Takeover::kManual;
  return name == "fenced-only" ? Takeover::kFencedOnly : Takeover::kAuto;
}

void SetOption(const Words& words, CoordinatorOptions& options) {
  const std::string& key = words.at(0);
  if (key == "node") {
    options.node = words.at(1);
  } else if (key == "peers") {
    options.peers.assign(words.begin() + 1, words.end());
  } else if (key == "takeover") {
    options.takeover = TakeoverNamed(words.at(1));
  } else if (key == "fence") {
    options.has_fence = true;
    options.fence_delay = Seconds(words.at(1));
  } else if (key == "watchdog") {
    options.times.watchdog = Seconds(words.at(1));
  } else if (key == "no-certificate") {
    options.certificate_counts = false;
  } else {
    ADD_FAILURE() << "no option " << key;
  }
}

CoordinatorOptions ReadOptions(const std::string& line) {
  CoordinatorOptions options;
  const Words parts = absl::StrSplit(line, ',');
  for (const std::string& part : parts) SetOption(SplitWords(part), options);
  EXPECT_TRUE(CheckCoordinatorOptions(options).ok()) << CheckCoordinatorOptions(options);
  return options;
}

class Player {
 public:
  Player(CoordinatorOptions options, std::vector<bool>& taken)
      : machine_(std::move(options), absl::ZeroDuration()), taken_(taken) {
    taken_.resize(Machine::rows());
  }

  // "0.1..5.0 lease 7 A 1; tick"
  std::string Play(const std::string& line) {
    const size_t space = line.find(' ');
    const Words times = absl::StrSplit(line.substr(0, space), "..");
    const Words events = absl::StrSplit(line.substr(space), ';');
    const bool repeated = times.size() > 1;
    std::string answers;
    for (absl::Duration now = Seconds(times.front()); now <= Seconds(times.back());
         now += absl::Milliseconds(100)) {
      for (const std::string& event : events) {
        answers += PlayOne(SplitWords(event), now, repeated);
      }
    }
    return answers;
  }

 private:
  std::string PlayOne(const Words& words, absl::Duration now, bool repeated) {
    const auto maker = Makers().find(words.at(0));
    if (maker == Makers().end()) {
      ADD_FAILURE() << "no event " << words[0];
      return "";
    }
    const State before = machine_.state();
    const std::vector<Action> actions = machine_.Step(maker->second(words, now), now);
    for (const size_t row : machine_.path()) taken_[row] = true;
    const std::string indent =
        repeated ? fmt::format("  @{:.1f} ", absl::ToDoubleSeconds(now)) : "  ";
    std::string answers;
    if (machine_.state() != before) {
      answers += fmt::format("{}state: {} -> {}\n", indent, Name(before), Name(machine_.state()));
    }
    for (const Action& action : actions) answers += indent + Describe(action) + "\n";
    return answers;
  }

  Machine machine_;
  std::vector<bool>& taken_;
};

}  // namespace

std::string Replay(const std::string& text, std::vector<bool>& taken) {
  std::istringstream lines(text);
  std::unique_ptr<Player> player;
  std::string line;
  std::string result;
  while (std::getline(lines, line)) {
    SCOPED_TRACE(line);
    if (line.starts_with(" ")) continue;  // an answer
    result += line + "\n";
    if (line.empty() || line.starts_with("#")) continue;
    if (!player) {
      player = std::make_unique<Player>(ReadOptions(line), taken);
      continue;
    }
    result += player->Play(line);
  }
  return result;
}

}  // namespace baton::ha
