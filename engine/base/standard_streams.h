// The standard streams of a program, also where they are closed, or lead to a full disk.
#pragma once

#include <string_view>

namespace baton {

// Call it first. Where a standard stream was closed at the start its number is taken, so that no
// file, socket or mount that is opened later gets it and what is printed with it. Printing on a
// standard output that was closed fails, on a standard error it is dropped.
void HoldStandardStreams();

// Is standard error a stream of systemd's journal? Then each line may begin with its priority,
// "<3>", and the journal notes the time.
bool StandardErrorIsJournal();

// "LINE\n" on standard error, for the journal with the priority of an error. What cannot be written
// is dropped: nobody is there to be told.
void SayError(std::string_view line);
// Likewise, of what is no error.
void SayNotice(std::string_view line);

}  // namespace baton
