#!/bin/bash
# The owner hangs: none of its processes runs any more, as on a machine that is stopped.
#
# It cannot be asked, so the other controller waits until its lease has run out: 5 s by default.
# When it wakes up it finds that its time is over, and nothing that it had begun is written.
source "$(dirname "$0")/demo-lib"

begin "$@"
start_pair
start_hosts
start_clone 2M
sleep 2
progress a
kill -STOP "${keeper[a]}" $(children "${keeper[a]}")
say "keeper and controller of a, the owner, are stopped"
await_owner b
progress b
kill -CONT "${keeper[a]}" $(children "${keeper[a]}")
say "they go on"
a_is_standby() { [[ $(field a role status) == standby ]]; }
await "a as a standby" a_is_standby
say "a is back, as the standby"
finish
