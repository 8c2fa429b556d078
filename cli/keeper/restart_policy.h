// How long to wait before the next controller is started. Pure.
#pragma once

#include <absl/time/time.h>

namespace baton::keeper {

struct Death {
  bool served = false;
  absl::Duration served_for;  // zero when it did not serve
  bool killed = false;        // by SIGKILL, and not by the keeper: not a fault of its own
};

// The first death in a row costs no wait, each further one twice as much as the one before, and
// from kDeathsOfALoop on it is a crash loop: kLoopPause. Whoever is killed from outside is started
// at once, or, when that happens before it serves, after a moment: it is no crash loop, but it must
// not keep a processor busy either.
class RestartPolicy {
 public:
  absl::Duration WaitAfter(const Death& death);

  // Deaths in a row, none of them after kHealthyAfter of service.
  int deaths() const { return deaths_; }
  bool looping() const;

 private:
  absl::Duration WaitAfterKill(const Death& death);

  int deaths_ = 0;
  int kills_ = 0;  // in a row, before they served
};

}  // namespace baton::keeper
