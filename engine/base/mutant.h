// Switches that break one ordering rule each, so that the tests can show that they would notice.
// They exist only in the build of the crash tests (BATON_MUTANTS); elsewhere each is `false`.
#pragma once

#ifdef BATON_MUTANTS

namespace baton {

enum class Mutant {
  kNone,
  kSourceWriteBeforePreserve,  // O1: the source is overwritten before its T0 data is safe
  kSlotWithoutTargetData,      // O1: the slot is waited for, the target's data is only cached
  kTargetDataWithoutSlot,      // O1: no evidence is written
  kEntryNotDurable,            // O1: slot and data are in the intent log, but only cached
  kEntryWithoutData,           // O1: the slot is in the intent log, its data in memory only
  kCopierSkipsTargetSync,      // O2: the bit is recorded before the copied data is durable
  kWritebackSkipsTargetSync,   // O2: the bit is recorded before the data that was written back is
                               // durable
  kRecoverySkipsTargetSync,    // O2: recovery records a bit for data that is only cached
  kSlotFreedBeforeBit,         // O3: a slot is used again while its bit is not yet durable
  kEntryFreedBeforeFailure,    // O3: likewise, of a clone whose failure is not yet durable
  kTargetWriteBeforeBit,       // O4: the host overwrites the target while only the slot knows
  kFlushWithoutSync,           // O5: a flush is answered without a sync
  kStartWithoutSync,           // T0 is recorded while the source's content is only cached
  kStartWithoutQuiesce,        // T0 is taken while writes are in flight
  kStartNotDurable,            // the host writes on before T0 is durable
  kFailureNotDurable,          // the host writes on before the clone's failure is durable
  kStopEndsRunLate,            // a stopped clone's target is readable while its entries are dropped
  kRecoveryStopsAtEmptySlot,   // recovery does not look at all slots
  kRecoverySkipsHash,          // recovery believes a slot without looking at the data
  kRecoveryIgnoresLog,         // recovery looks for the data in the target alone
  kTargetReadIgnoresLog,     // a read of the target does not wait for what the intent log still has
  kTargetReadNoSecondLook,   // a read of the target from the source does not look again
  kCopyIgnoresLocks,         // the copier copies what a host write is preserving
  kActivateKeepsOldContent,  // holes are recorded over the target's old content
  // The write log.
  kLoggedWriteNotDurable,   // O5: a logged write is acknowledged when it is only cached
  kFlushForgetsLog,         // O5: a flush is answered without a sync of the log
  kDrainSkipsTargetSync,    // O2: a bit is recorded before the copy that draining made is durable
  kAppliedBeforePreserved,  // O6: a logged write goes to the source before its T0 data is safe
  kDrainSkipsSourceSync,    // O7: the log forgets writes that the source has only cached
  kForgetBeforeFree,        // O7: the source is written to while a recovery would replay the log
  kFreedBeforeNewerIsDurable,  // O7: what was flushed goes, and what has replaced it is only cached
  kListedBeforeDurable,        // a list is believed, and what it names was only cached
  kSegmentRecordNotDurable,    // O7: likewise, because the record is only cached
  kOldLogScannedAgain,         // what a deposed owner wrote late is taken for acknowledged
  kPlainWriteOvertakesLogged,  // a write goes to the file while the log has older content
  kDiscardOvertakesLogged,     // likewise, a discard
  kMergeIsOvertaken,           // a write goes to the file while another one was being merged
  kLogReadNoSecondLook,   // a read of the log does not look whether it was used again meanwhile
  kStartForgetsLog,       // T0 is taken while the log has writes from before it
  kChangeNotRecorded,     // a volume's file changes its size or name, and nobody would know why
  kChangedFileNotSynced,  // it is recorded that it did, and may be lost
};

// Set by the test before an engine is opened.
inline Mutant active_mutant = Mutant::kNone;

}  // namespace baton

#define BATON_MUTANT(name) (::baton::active_mutant == ::baton::Mutant::name)
#else
#define BATON_MUTANT(name) false
#endif
