#!/bin/bash
# The owner loses its storage: every access fails, while the network is well.
#
# It cannot renew its lease and stops itself; the other controller takes over, and the hosts of the
# first one are served over the network. When its storage is back it is a standby.
source "$(dirname "$0")/demo-lib"

begin "$@"
mkdir "$work/pool-a"
mkfifo "$work/faults"
"$top/build/faulty_fs" "$work/pool" "$work/pool-a" <"$work/faults" >"$work/faulty_fs.log" &
processes+=($!)
exec 9>"$work/faults"
clean_up_more() {
  exec 9>&-
  umount --lazy "$work/pool-a" 2>/dev/null
}
await "the storage of a" grep --quiet ready "$work/faulty_fs.log"
pool[a]=$work/pool-a # what a sees of the pool passes through there

start_pair
start_hosts
start_clone 2M
sleep 2
progress a
echo "all eio" >&9
say "every access of a, the owner, to its storage fails"
await_owner b
progress b
sleep 1
echo "heal" >&9
say "the storage of a is back"
a_is_standby() { [[ $(field a role status) == standby ]]; }
await "a as a standby" a_is_standby
say "a is back, as the standby"
finish
