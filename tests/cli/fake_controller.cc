#include "tests/cli/fake_controller.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/control/names_of.h"
#include "tests/base/testing.h"

namespace baton {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

FakeController::FakeController() {
  service_ = std::make_unique<control::ControlService>(control::ControlService::Options{
      .engine = engine_,
      .runtime = runtime_,
      .mount = "/mnt/volumes",
      .describe = [this] { return Describe(); },
      .content_changed = [this](uint64_t volume_id) { changed_volumes_.push_back(volume_id); },
      .peers = {},
      .evict =
          [](const std::string& node) {
            return node == "right" ? absl::OkStatus() : absl::NotFoundError("no node " + node);
          },
      .upgrade = [] { return control::UpgradeStarted(); },
      .audit = audit_});
  drainable_.Set(*service_);
  node_service_ = std::make_unique<control::NodeService>(
      control::NodeService::Options{.owner = drainable_,
                                    .pair = nullptr,
                                    .node = "left",
                                    .mount = "/mnt/volumes",
                                    .describe = [this] { return Describe(); },
                                    .upgrade = [] { return control::UpgradeStarted(); },
                                    .slow = [](size_t) { return control::SlowRequests(); },
                                    .audit = audit_});
  listener_ = Must(ha::UnixListener::Bind(path_, 0600));
  server_ = Must(ha::RequestServer::StartLanes(
      *listener_,
      {.runtime = runtime_,
       .dropped = garbled_,
       .workers = control::NodeService::Workers(),
       .busy = control::NodeService::Busy()},
      [this](const std::string& bytes, const ha::RequestServer::Sender& sender) {
        return node_service_->Read(bytes, sender);
      }));
}

std::optional<std::string> FakeController::Handle(const std::string& request,
                                                  const ha::RequestServer::Sender& sender) {
  const std::optional<ha::RequestServer::Task> task = node_service_->Read(request, sender);
  return task ? task->answer() : std::nullopt;
}

std::vector<std::string> FakeController::commands() const {
  absl::MutexLock guard(&mutex_);
  return commands_;
}

control::ControllerStatus FakeController::Describe() const {
  control::ControllerStatus status;
  status.set_node("left");
  status.set_role(control::NameOf(control::Role::kOwner));
  status.set_owner("left");
  status.set_epoch(7);
  status.set_garbled_messages(garbled_);
  return status;
}

void FakeController::Die() {
  server_.reset();
  // A second name of the socket file survives that its first one is removed.
  std::filesystem::create_hard_link(path_, path_ + ".kept");
  listener_.reset();
  std::filesystem::rename(path_ + ".kept", path_);
}

std::string ProgramPath(const std::string& program) {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / program;
}

Finished RunProgram(const std::string& program, const std::vector<std::string>& arguments) {
  const TemporaryDirectory outputs;
  const std::string out = outputs.path() + "/out";
  const std::string err = outputs.path() + "/err";
  const std::string path = ProgramPath(program);
  std::vector<char*> argv = {const_cast<char*>(path.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), O_WRONLY | O_CREAT, 0600);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, path.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(error, 0) << path;
  if (error != 0) return {};
  int status = 0;
  ::waitpid(child, &status, 0);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, ReadAll(out), ReadAll(err)};
}

}  // namespace baton
