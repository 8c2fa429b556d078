#include "cli/baton/help_topics.h"

#include <array>

namespace baton {
namespace {

constexpr std::array kTopics = {
    HelpTopic{"exit-codes", "what the exit status says",
              R"(0  done
1  refused or failed, with one line on standard error; also a wrong size, rate,
   time or name
2  the command line is wrong
3  status found something degraded
4  no controller could be reached
5  timed out)"},
    HelpTopic{"failover", "when another controller owns the pool",
              R"(One controller, the owner, writes to the pool. The others forward the requests
of their mounts to it. `baton status` says which node is which.

Planned: `baton failover --to NODE` hands the pool over. Programs notice a pause
and no error. `baton failover` alone lets any other node have it.

Unplanned: a node that does not hear the owner takes over once it has proof that
the owner is gone. Nothing is to be done. `baton events` tells when and why.

Without a proof nobody takes over, and requests wait. Where you know that the
owner's node is off, say so on another node:
`baton failover --owner-is-dead`. If you are wrong, data is lost.)"},
    HelpTopic{"names", "names, sizes and clones on the command line",
              R"(Names have 1 to 63 of a-z 0-9 . _ - and begin with a letter or digit.
Sizes are a whole number with K, M, G or T (powers of 1024). A volume's size is a
multiple of 4K.
Rates are a size per second, such as 100M/s, or unlimited.
A clone is named by its number or by its target. +7 is always the number.)"},
    HelpTopic{"states", "states of clones, extents and volumes",
              R"(A clone is
created    its two volumes are chosen, and both are as they were
activated  its target is emptied and offline
copying    its target shows the source as it was at T0, and is being filled
paused     likewise; only what programs overwrite in the source is preserved
completed  everything is copied, and source and target are independent
stopped    given up; the target is offline
failed     something could not be preserved; the target is offline

Of its extents, those that are
pending    are to be copied
copying    are being copied
landing    are preserved, and not in the target yet
copied     are in the target

A volume is ready, importing (an import has not ended), or offline (a target
that shows nothing: `baton clone delete` makes zeros of it).)"},
};

}  // namespace

std::span<const HelpTopic> HelpTopics() { return kTopics; }

const HelpTopic* FindHelpTopic(const std::string& name) {
  for (const HelpTopic& topic : kTopics) {
    if (name == topic.name) return &topic;
  }
  return nullptr;
}

}  // namespace baton
