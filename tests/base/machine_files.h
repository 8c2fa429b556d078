// A directory that stands for the root of a machine.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/base/temporary_directory.h"

namespace baton {

class MachineFiles {
 public:
  void Write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = directory_.path() + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }
  const std::string& root() const { return directory_.path(); }

 private:
  TemporaryDirectory directory_;
};

}  // namespace baton
