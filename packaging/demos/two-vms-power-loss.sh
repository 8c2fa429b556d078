#!/bin/bash
# Two virtual machines share a pool over NFS; the owner's loses its power in the middle of a clone.
#
# What is in its memory is gone. The other machine waits for the lease to run out, takes over, and
# copies what is left. First: packaging/install-packages vm. Guests are emulated: it takes minutes.
source "$(dirname "$0")/demo-lib"

begin "$@"
vms=$top/packaging/demos/vm/vms
export VM_DIR=$work/vms VM_IMAGE=$top/build/vm-image
mkdir -p "$VM_DIR/work/bin" "$VM_DIR/shared"
clean_up_more() { "$vms" down; }
for program in batond baton verifying_host; do
  strip -o "$VM_DIR/work/bin/$program" "$top/build/$program"
done
"$(dirname "$vms")/make-image" "$VM_IMAGE"
"$vms" up 1 2
say "two guests share $VM_DIR/shared over NFS"

"$top/build/baton" --quiet pool init "$VM_DIR/shared/pool"
for node in a b; do
  "$top/build/baton" --quiet keygen --out "$work/key-$node" --node "$node" >/dev/null
  cp "$work/key-$node" "$VM_DIR/work/"
  cat "$work/key-$node.pub" >>"$VM_DIR/work/allowed"
done
declare -A guest=([a]=1 [b]=2)
on() { "$vms" exec "${guest[$1]}" "cd /baton; ${*:2}" 120; } # NODE COMMAND
baton() { on "$1" baton --quiet --control /run/control "${@:2}"; }
for node in a b; do
  other=$([[ $node == a ]] && echo b || echo a)
  on "$node" "cp key-$node /run/key; chmod 600 /run/key; mkdir -p /run/mount; (batond --pool /pool/pool \
    --node $node --mount /run/mount --control /run/control --liveness-timeout 60 --key /run/key \
    --allowed-keys allowed --listen tcp://10.77.0.${guest[$node]}:7400 \
    --peer $other=tcp://10.77.0.${guest[$other]}:7400 >log-$node 2>&1 &)"
  await "controller $node" grep --quiet '^ready$' "$VM_DIR/work/log-$node"
  [[ $node == b ]] || await "a as the owner" owns a
done
say "two controllers; the owner is $(owner)"

baton a volume create golden --size 16M
baton a volume create copy --size 16M
on a "dd if=/dev/zero of=/run/mount/golden bs=1M count=16 conv=notrunc 2>/dev/null" # no holes
cd "$VM_DIR/work"
"$top/build/verifying_host" make history $((16 << 20)) 1 2
for node in a b; do
  writer=$((guest[$node] - 1))
  on "$node" "(verifying_host run /run/mount/golden history $writer 1 80000 0 >host-$node 2>&1 &)"
done
clone=$(baton b clone create golden copy --rate 1M)
baton b clone activate "$clone"
cp history history-before
baton b clone start "$clone"
cp history history-after
say "a host in each guest writes, and a clone copies"
sleep 5
progress b
"$vms" kill 1
say "the guest of a, the owner, has lost its power"
await_owner b
progress b

baton b clone set "$clone" --rate 1G
baton b clone wait "$clone"
on b "killall verifying_host; while pidof verifying_host >/dev/null; do sleep 0.1; done"
cp host-b "$work/host-b"
say "host in b: $(describe b)"
stored=$VM_DIR/shared/pool/volumes
"$top/build/verifying_host" check "$stored/golden" history >/dev/null || fail "an acknowledged write is lost"
"$top/build/verifying_host" check-instant "$stored/copy" history-before history-after >/dev/null ||
  fail "the clone is of no one instant"
say "every acknowledged write is there, and the clone is exact"
say "$(field b copies_total clone status "$clone") copies were made of $(field b extents_total clone status "$clone") extents"
say "done: every check passed"
cd /
