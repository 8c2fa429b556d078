// How long host writes took that met an extent of a source whose T0 content was not copied yet.
#pragma once

#include "engine/base/latency_histogram.h"

namespace baton {

struct FirstWrites {
  LatencyTotals logged;     // answered from the write log, with the wait for its room
  LatencyTotals preserved;  // written once the extents were copied
};

// Those that had no error. Thread-safe, without a lock.
class FirstWriteTimes {
 public:
  void NoteLogged(absl::Duration time) { logged_.Note(time); }
  void NotePreserved(absl::Duration time) { preserved_.Note(time); }
  FirstWrites Load() const { return {.logged = logged_.Load(), .preserved = preserved_.Load()}; }

 private:
  SummedHistogram logged_, preserved_;
};

}  // namespace baton
