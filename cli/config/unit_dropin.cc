#include "cli/config/unit_dropin.h"

#include <fmt/format.h>

#include <filesystem>

namespace baton {
namespace {

// As one word of a unit file: in quotes, without specifiers.
std::string Quote(const std::string& path) {
  std::string quoted = "\"";
  for (const char letter : std::filesystem::absolute(path).lexically_normal().string()) {
    if (letter == '"' || letter == '\\') quoted += '\\';
    if (letter == '%') quoted += '%';
    quoted += letter;
  }
  return quoted + '"';
}

}  // namespace

std::string UnitDropin(const DaemonOptions& options) {
  return fmt::format("[Unit]\nRequiresMountsFor={} {}\n", Quote(options.pool),
                     Quote(options.mount));
}

}  // namespace baton
