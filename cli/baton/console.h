// What the client prints, and where.
#pragma once

#include <absl/status/status.h>
#include <google/protobuf/message.h>

#include <string>
#include <vector>

namespace baton {

// Answers go to standard output; progress and the reasons of failures to standard error.
class Console {
 public:
  struct Options {
    bool json = false;   // answers are JSON, and nothing else is on standard output
    bool quiet = false;  // neither progress nor confirmations
  };

  explicit Console(Options options);
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  bool json() const { return options_.json; }
  bool quiet() const { return options_.quiet; }
  // A person watches: progress makes sense.
  bool shows_progress() const { return shows_progress_; }

  // Answers go to a terminal, and nobody asked for text without colours (NO_COLOR).
  bool has_colours() const { return has_colours_; }
  // Lines of the terminal that answers go to; 0: they go to none.
  size_t height() const;

  // What the command was asked for.
  void Answer(const std::string& line);
  void AnswerJson(const google::protobuf::Message& message);
  void AnswerJsonLine(const google::protobuf::Message& message);
  // What has been done: for people only.
  void Confirm(const std::string& line);
  // FailedPrecondition: some of what was to be printed on standard output was not. A command that
  // goes on and on ends then.
  absl::Status written() const { return written_; }
  // "baton: LINE" on standard error.
  void Complain(const std::string& line) const;

  // One line on the terminal that the next one replaces; EndProgress() leaves a clean line.
  void ShowProgress(const std::string& line);
  void EndProgress();
  // Columns of the terminal.
  size_t width() const;

 private:
  const Options options_;
  const bool shows_progress_;
  const bool has_colours_;
  bool in_progress_ = false;
  absl::Status written_;
};

// Rows of cells, the first one the heading, in aligned columns; one row a line.
std::string FormatTable(const std::vector<std::vector<std::string>>& rows);

// "name   value" lines.
std::string FormatFields(const std::vector<std::pair<std::string, std::string>>& fields);

}  // namespace baton
