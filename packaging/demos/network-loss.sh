#!/bin/bash
# The cable between the two controllers is cut, and healed.
#
# Both still reach the storage, and the owner goes on renewing its lease: so nobody takes over. Hosts
# on the standby's mount, which are served over the network, wait until it is back.
source "$(dirname "$0")/demo-lib"

begin "$@"
name=baton-demo-$$
for node in a b; do ip netns add "$name-$node"; done
clean_up_more() {
  for node in a b; do ip netns delete "$name-$node" 2>/dev/null; done
}
ip -n "$name-a" link add eth0 type veth peer name eth0 netns "$name-b"
number=1
for node in a b; do
  net[$node]=$name-$node
  address[$node]=10.91.0.$number:7400
  ip -n "$name-$node" address add "10.91.0.$((number++))/24" dev eth0
  for link in lo eth0; do ip -n "$name-$node" link set "$link" up; done
done

start_pair secure
start_hosts
start_clone 2M
sleep 1
epoch=$(field a epoch status)
ip -n "$name-a" link set eth0 down
say "the cable is cut"
sleep 3
say "a says: owner $(field a owner status) of epoch $(field a epoch status), healthy: $(field a healthy status)"
progress a
ip -n "$name-a" link set eth0 up
say "the cable is back"
b_reaches_a() { [[ $(field b healthy status) == True ]]; }
await "a connection" b_reaches_a
[[ $(field b epoch status) == "$epoch" ]] || fail "the owner has changed"
say "still epoch $epoch: nobody took over"
finish
