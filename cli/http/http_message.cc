#include "cli/http/http_message.h"

#include <nlohmann/json.hpp>

namespace baton::http {

HttpAnswer ErrorAnswer(int status, const std::string& code, const std::string& message) {
  const nlohmann::ordered_json error = {{"error", {{"code", code}, {"message", message}}}};
  return {
      .status = status,
      .type = "application/json",
      .body = error.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n"};
}

}  // namespace baton::http
