// Who listens at a port of this machine.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace baton::ha {

struct PortHolder {
  pid_t pid = 0;
  pid_t parent = 0;
  std::string name;  // of its program, 15 characters
};

// By /proc, at any address of this network namespace. nullopt: nobody, or no process that this one
// may look at. Looks at all processes: some milliseconds.
std::optional<PortHolder> FindPortHolder(uint16_t port);

}  // namespace baton::ha
