// Files of this folder that are part of the program; cli/http/CMakeLists.txt makes them.
#pragma once

namespace baton::http {

extern const char kOpenApi[];  // openapi.json
extern const char kPage[];     // page.html

}  // namespace baton::http
