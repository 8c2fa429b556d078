#!/bin/bash
# An operator moves the ownership to the other controller, and back, in the middle of a clone.
#
# The owner stops cloning, finishes what is under way and says what is left; the other one compares
# that with what it reads from storage, and goes on. No extent is copied twice.
source "$(dirname "$0")/demo-lib"

begin "$@"
start_pair
start_hosts
start_clone 2M
sleep 2
progress a
baton a failover --to b
await_owner b
sleep 1
progress b
baton a failover --to a
await_owner a
finish
[[ $(field b copies_total clone status "$clone") == "$(field b extents_total clone status "$clone")" ]] ||
  fail "extents were copied twice"
