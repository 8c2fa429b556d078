#!/bin/bash
# The owner's controller is killed in the middle of a clone.
#
# Its keeper sees it die and says so: with that certificate the other controller takes over at once
# and copies only what is left. Hosts on both mounts see a pause.
source "$(dirname "$0")/demo-lib"

begin "$@"
start_pair
start_hosts
start_clone 2M
sleep 2
progress a
kill -KILL "$(field a pid status)"
say "SIGKILL to the controller of a, the owner"
await_owner b
progress b
a_is_standby() { [[ $(field a role status) == standby ]]; }
await "a as a standby" a_is_standby
say "a is back, as the standby"
finish
