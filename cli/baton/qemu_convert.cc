#include "cli/baton/qemu_convert.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "cli/baton/child_program.h"
#include "engine/base/status.h"

namespace baton {

absl::Status QemuConvert(const std::vector<std::string>& arguments, int input,
                         const std::string& path, uint64_t size_bytes,
                         const CopyProgress& progress) {
  std::vector<std::string> command = {"qemu-img", "convert", "-p"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  BATON_ASSIGN_OR_RETURN(const auto program, ChildProgram::Start(command, input));
  char text[256];
  while (true) {
    BATON_ASSIGN_OR_RETURN(const size_t count, program->Read(text, sizeof text));
    const std::string line(text, count);  // "    (12.34/100%)\r"
    double percent = 0;
    const size_t at = line.rfind('(');
    if (at != std::string::npos) percent = std::strtod(line.c_str() + at + 1, nullptr);
    const double share = std::clamp(percent / 100, 0.0, 1.0);
    const double done = static_cast<double>(size_bytes) * share;
    if (!progress(static_cast<uint64_t>(done))) {
      return Error(absl::StatusCode::kCancelled, "interrupted");
    }
    if (count == 0) return Annotate(program->Finish(), path);
  }
}

}  // namespace baton
