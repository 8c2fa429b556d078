// Writing to a descriptor, however little it takes at once.
#pragma once

#include <string_view>

namespace baton {

// False: not all of it was written, and errno says why.
bool WriteAll(int fd, std::string_view bytes);

}  // namespace baton
