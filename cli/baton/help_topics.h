// What `baton help TOPIC` says beyond the help of each command.
#pragma once

#include <span>
#include <string>

namespace baton {

struct HelpTopic {
  const char* name;
  const char* summary;
  const char* text;  // lines of at most 80 columns
};

std::span<const HelpTopic> HelpTopics();
// Null: there is no such topic.
const HelpTopic* FindHelpTopic(const std::string& name);

}  // namespace baton
