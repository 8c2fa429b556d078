// The control socket of a controller whose engine is a fake, and programs that talk to it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/service/audit.h"
#include "cli/service/control_service.h"
#include "cli/service/node_service.h"
#include "engine/base/system_runtime.h"
#include "ha/io/request_server.h"
#include "ha/io/unix_listener.h"
#include "ha/volumes/drainable.h"
#include "tests/base/temporary_directory.h"
#include "tests/cli/fake_engine.h"

namespace baton {

class FakeController {
 public:
  FakeController();

  FakeEngine& engine() { return engine_; }
  control::NodeService& service() { return *node_service_; }
  // As one that came over the socket: reads and answers it.
  std::optional<std::string> Handle(const std::string& request,
                                    const ha::RequestServer::Sender& sender);
  const std::string& path() const { return path_; }
  const std::string& directory() const { return directory_.path(); }
  uint64_t garbled() const { return garbled_; }
  std::vector<uint64_t> changed_volumes() const { return changed_volumes_; }
  // What was noted of commands, and would be in the events.
  std::vector<std::string> commands() const;
  // As a process that dies: its socket file stays.
  void Die();

 private:
  control::ControllerStatus Describe() const;

  TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/control.sock";
  SystemRuntime runtime_;
  FakeEngine engine_;
  mutable absl::Mutex mutex_;
  std::vector<std::string> commands_ ABSL_GUARDED_BY(mutex_);
  control::Audit audit_{runtime_, [this](const std::string& line, bool in_events) {
                          absl::MutexLock guard(&mutex_);
                          if (in_events) commands_.push_back(line);
                        }};
  std::atomic<uint64_t> garbled_{0};
  std::vector<uint64_t> changed_volumes_;
  std::unique_ptr<control::ControlService> service_;
  ha::Drainable<control::ControlService> drainable_;
  std::unique_ptr<control::NodeService> node_service_;
  std::unique_ptr<ha::UnixListener> listener_;
  std::unique_ptr<ha::RequestServer> server_;
};

// A finished program.
struct Finished {
  int exit_code = -1;  // 128 + the signal when it was killed
  std::string out;
  std::string err;
};

// Of a program that lies beside the test, or has an absolute path.
std::string ProgramPath(const std::string& program);

// Runs such a program to its end.
Finished RunProgram(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace baton
