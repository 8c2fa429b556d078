// What a check of this machine has found, for the person who asked for it.
#pragma once

#include <string>

namespace baton {

enum class Verdict { kOk, kWarn, kFail };

// "ok", "warn", "fail".
inline std::string Name(Verdict verdict) {
  if (verdict == Verdict::kOk) return "ok";
  return verdict == Verdict::kWarn ? "warn" : "fail";
}

struct Finding {
  std::string check;  // what was looked at: one word, or a few with hyphens
  Verdict verdict = Verdict::kOk;
  std::string text;  // what there is; of a warning or a failure also what to do, in one line
};

inline Finding Good(const std::string& check, const std::string& text) {
  return {.check = check, .verdict = Verdict::kOk, .text = text};
}
inline Finding Doubtful(const std::string& check, const std::string& text) {
  return {.check = check, .verdict = Verdict::kWarn, .text = text};
}
inline Finding Bad(const std::string& check, const std::string& text) {
  return {.check = check, .verdict = Verdict::kFail, .text = text};
}

}  // namespace baton
