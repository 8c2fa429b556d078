// The directories of a simulated disk: what callers see, what is durable, and the journal between.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/sim_content.h"

namespace baton::sim {

// A file or a directory.
struct Node {
  explicit Node(bool directory) : is_directory(directory) {}

  using Names = std::map<std::string, std::shared_ptr<Node>>;

  const bool is_directory;
  Content content;  // of a file
  Names names;      // of a directory: what callers see
  Names durable;
};
using NodePtr = std::shared_ptr<Node>;

// Paths are checked by the caller (CheckStoragePath). Errors are those of the system calls, with
// `operation` and the path in front.
//
// Changes of names go to a journal. A crash keeps, for each directory, those up to some point of
// the journal; a rename between directories is kept in both or in none.
class Namespace {
 public:
  using ChangeId = uint64_t;

  Namespace() : root_(std::make_shared<Node>(true)) {}

  absl::StatusOr<NodePtr> Find(const std::string& path, const char* operation) const;
  absl::StatusOr<NodePtr> FindDirectory(const std::string& path, const char* operation) const;

  // Change what callers see at once.
  absl::StatusOr<ChangeId> Insert(const std::string& path, NodePtr node, const char* operation);
  absl::StatusOr<ChangeId> Remove(const std::string& path);
  absl::StatusOr<ChangeId> Rename(const std::string& from, const std::string& to);

  void Complete(ChangeId id);
  // The last change of the directory that a sync issued now covers; 0: none.
  ChangeId LastCompleted(const Node& directory) const;
  // All of the directory's changes up to `id`, and what they cannot be kept without.
  void MakeDurable(const Node& directory, ChangeId id);

  void Crash(CrashKind kind, Random& random);
  // Every file that can be reached by what callers see.
  std::vector<NodePtr> Files() const;

 private:
  struct Edit {
    NodePtr directory;
    std::string name;
    NodePtr node;  // null: the name goes
  };
  struct Change {
    ChangeId id = 0;
    bool completed = false;
    std::vector<Edit> edits;

    bool Touches(const Node* directory) const;
  };

  struct Place {
    NodePtr directory;
    std::string name;
  };

  absl::StatusOr<Place> Locate(const std::string& path, const char* operation) const;
  ChangeId Journal(std::vector<Edit> edits);
  static void ApplyDurably(const Change& change);
  static void Recover(const NodePtr& directory);

  NodePtr root_;
  std::vector<Change> journal_;
  ChangeId last_id_ = 0;
};

}  // namespace baton::sim
