#include "cli/baton/completion.h"

#include <absl/strings/str_split.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>
#include <utility>

#include "cli/baton/commands.h"
#include "cli/baton/control_client.h"
#include "cli/baton/help_topics.h"
#include "cli/control/fetch_all.h"
#include "cli/control/usage.h"
#include "engine/base/names.h"

namespace baton {
namespace {

// A person waits at a prompt.
constexpr absl::Duration kAnswerTime = absl::Seconds(1);
constexpr unsigned kGiveUpSeconds = 2;

struct Candidate {
  std::string word;
  std::string what;
};
using Candidates = std::vector<Candidate>;

// Where the last word stands.
struct Place {
  const CLI::App* command = nullptr;
  std::string path;                     // of the command: "volume show"
  size_t arguments = 0;                 // that stand before it
  const CLI::Option* option = nullptr;  // whose value it is; null: it is none's
  bool only_arguments = false;          // behind "--"
  std::string control;                  // of --control
};

// Options of the commands above may stand here, too.
const CLI::Option* FindOption(const CLI::App* app, const std::string& word) {
  for (; app != nullptr; app = app->get_parent()) {
    if (const CLI::Option* const found = app->get_option_no_throw(word)) return found;
  }
  return nullptr;
}

void Step(const std::string& word, Place& place) {
  if (place.option != nullptr) {
    if (word == "=") return;  // bash takes it for a word
    if (place.option->check_lname("control")) place.control = word;
    place.option = nullptr;
  } else if (word == "--") {
    place.only_arguments = true;
  } else if (word.starts_with('-') && word != "-" && !place.only_arguments) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(word, absl::MaxSplits('=', 1));
    const CLI::Option* const option = FindOption(place.command, parts.first);
    const bool takes_value = option != nullptr && TakesValue(*option);
    if (takes_value && word.find('=') == std::string::npos) place.option = option;
    if (takes_value && option->check_lname("control")) place.control = parts.second;
  } else if (const CLI::App* const command = FindCommand(*place.command, word);
             command != nullptr && place.arguments == 0) {
    place.command = command;
    place.path += (place.path.empty() ? "" : " ") + word;
  } else {
    ++place.arguments;
  }
}

// The argument that stands at that place; null: there is none.
const CLI::Option* ArgumentAt(const CLI::App& command, size_t place) {
  const std::vector<const CLI::Option*> arguments =
      command.get_options([](const CLI::Option* option) { return option->get_positional(); });
  if (arguments.empty()) return nullptr;
  if (place < arguments.size()) return arguments[place];
  return arguments.back()->get_expected_max() > 1 ? arguments.back() : nullptr;
}

void AddOptionNames(const CLI::App* app, Candidates& candidates) {
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      if (option->get_group().empty()) continue;
      const bool is_help_of_another =
          option == app->get_help_ptr() && app->get_parent() == nullptr && !candidates.empty();
      if (is_help_of_another) continue;
      for (const std::string& name : option->get_lnames()) {
        candidates.push_back({"--" + name, option->get_description()});
      }
    }
  }
}

void AddCommandNames(const CLI::App& app, Candidates& candidates) {
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    candidates.push_back({command->get_name(), command->get_description()});
  }
}

class Asker {
 public:
  explicit Asker(const std::string& control_path) {
    auto client = control::ControlClient::Make(control_path);
    if (client.ok()) client_ = *std::move(client);
  }

  void AddVolumes(Candidates& candidates) {
    const auto all = control::FetchAllVolumes([this](const auto& request) { return Ask(request); });
    if (!all.ok()) return;
    for (const VolumeStatus& volume : all->volumes()) {
      candidates.push_back({volume.name(), FormatSize(volume.size_bytes())});
    }
  }

  // By their targets, and the ids of those that have one in common with others.
  void AddClones(Candidates& candidates) {
    const auto all = control::FetchAllClones([this](const auto& request) { return Ask(request); });
    if (!all.ok()) return;
    std::set<std::string> targets;
    for (const CloneStatus& clone : all->clones()) {
      const std::string what =
          fmt::format("clone {} of {}: {}", clone.id(), clone.source(), clone.state());
      const bool is_new = targets.insert(clone.target()).second;
      candidates.push_back({is_new ? clone.target() : fmt::format("{}", clone.id()), what});
    }
  }

  void AddNodes(Candidates& candidates) {
    control::Request request;
    request.mutable_status();
    const absl::StatusOr<control::Response> answer = Ask(request);
    if (!answer.ok()) return;
    for (const control::NodeStatus& node : answer->status().nodes()) {
      candidates.push_back({node.name(), node.role()});
    }
  }

 private:
  absl::StatusOr<control::Response> Ask(const control::Request& request) {
    if (client_ == nullptr) return absl::UnavailableError("there is no client");
    return client_->Call(request, kAnswerTime);
  }

  std::unique_ptr<control::ControlClient> client_;
};

// The words before are a command's; its subcommands, and the topics.
void AddTopics(const CLI::App& root, const std::vector<std::string>& words,
               Candidates& candidates) {
  const CLI::App* app = &root;
  bool is_first = true;
  for (size_t i = 0; i + 1 < words.size() && app != nullptr; ++i) {
    if (words[i].starts_with('-') || words[i] == "help") continue;
    app = FindCommand(*app, words[i]);
    is_first = false;
  }
  if (app != nullptr) AddCommandNames(*app, candidates);
  if (!is_first) return;
  for (const HelpTopic& topic : HelpTopics()) candidates.push_back({topic.name, topic.summary});
}

// Of an option's value, or of an argument.
void AddValues(const CLI::App& root, const CLI::Option& option, const std::string& control_path,
               const std::vector<std::string>& words, Candidates& candidates) {
  const std::string type = TypeOf(option);
  Asker asker(control_path);
  if (type == kVolumeType) asker.AddVolumes(candidates);
  if (type == kCloneType) asker.AddClones(candidates);
  if (type == kNodeType) asker.AddNodes(candidates);
  if (type == kTopicType) AddTopics(root, words, candidates);
  if (type == kFileType) candidates.push_back({":files", ""});
  if (type == kDirectoryType) candidates.push_back({":directories", ""});
  for (const std::string& choice : ChoicesOf(option)) candidates.push_back({choice, ""});
}

void Print(const Candidates& candidates, const std::string& prefix) {
  std::string text;
  for (const auto& [word, what] : candidates) {
    if (!word.starts_with(':') && !word.starts_with(prefix)) continue;
    text += what.empty() ? word + "\n" : fmt::format("{}\t{}\n", word, what);
  }
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace

void PrintCompletions(const CLI::App& app, std::string control_path,
                      const std::vector<std::string>& words) {
  // Whatever it waits for: a shell that hangs is worse than no candidates.
  ::signal(SIGALRM, [](int) { ::_exit(0); });
  ::alarm(kGiveUpSeconds);
  Place place;
  place.command = &app;
  place.control = std::move(control_path);
  for (size_t i = 0; i + 1 < words.size(); ++i) Step(words[i], place);
  std::string last = words.empty() ? "" : words.back();
  if (place.option != nullptr && last == "=") last.clear();
  Candidates candidates;
  const CLI::Option* const argument = ArgumentAt(*place.command, place.arguments);
  const size_t equals = last.find('=');
  const CLI::Option* const named =
      equals == std::string::npos ? nullptr : FindOption(place.command, last.substr(0, equals));
  if (place.option != nullptr) {
    AddValues(app, *place.option, place.control, words, candidates);
  } else if (named != nullptr) {
    AddValues(app, *named, place.control, words, candidates);
    for (Candidate& candidate : candidates) {
      if (!candidate.word.starts_with(':')) candidate.word.insert(0, last, 0, equals + 1);
    }
  } else if (last.starts_with('-') && !place.only_arguments) {
    AddOptionNames(place.command, candidates);
  } else if (!place.command->get_subcommands(nullptr).empty()) {
    AddCommandNames(*place.command, candidates);
  } else if (argument != nullptr) {
    AddValues(app, *argument, place.control, words, candidates);
  }
  Print(candidates, last);
}

}  // namespace baton
