// baton help: the help of a command, or a topic.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "cli/baton/commands.h"
#include "cli/baton/help_topics.h"
#include "cli/control/usage.h"
#include "engine/base/status.h"

namespace baton {
namespace {

std::string ListTopics() {
  std::vector<std::vector<std::string>> rows;
  for (const HelpTopic& topic : HelpTopics()) {
    rows.push_back({fmt::format("  {}", topic.name), topic.summary});
  }
  return FormatTable(rows);
}

absl::Status NoSuchTopic(const std::string& word) {
  std::vector<std::string> names;
  for (const HelpTopic& topic : HelpTopics()) names.push_back(topic.name);
  return Error(absl::StatusCode::kNotFound,
               "there is no command and no topic {}; topics: {}; commands: see baton --help", word,
               fmt::join(names, ", "));
}

// As `baton WORDS --help` prints it.
absl::StatusOr<std::string> HelpOf(const CLI::App& root, const std::vector<std::string>& words) {
  const CLI::App* app = &root;
  std::string path = root.get_name();
  for (const std::string& word : words) {
    app = FindCommand(*app, word);
    if (app == nullptr) return NoSuchTopic(word);
    path += " " + word;
  }
  return app->get_formatter()->make_help(app, path, CLI::AppFormatMode::Normal);
}

absl::StatusOr<ExitCode> ShowHelp(CommandContext& context, const CLI::App& root,
                                  const std::vector<std::string>& words) {
  const HelpTopic* const topic = words.size() == 1 ? FindHelpTopic(words.front()) : nullptr;
  if (topic != nullptr) {
    context.console.Answer(topic->text);
    return ExitCode::kDone;
  }
  BATON_ASSIGN_OR_RETURN(std::string help, HelpOf(root, words));
  help.erase(help.find_last_not_of('\n') + 1);
  context.console.Answer(help);
  if (words.empty()) context.console.Answer("\nTopics (baton help TOPIC):\n" + ListTopics());
  return ExitCode::kDone;
}

}  // namespace

void AddHelpCommand(CLI::App& app, Command& chosen) {
  CLI::App* command = app.add_subcommand("help", "the help of a command, or a topic");
  auto words = std::make_shared<std::vector<std::string>>();
  command->add_option("TOPIC", *words, "the words of a command, such as clone create, or a topic")
      ->type_name(kTopicType);
  command->callback([words, &app, &chosen] {
    chosen = [words, &app](CommandContext& context) { return ShowHelp(context, app, *words); };
  });
}

}  // namespace baton
