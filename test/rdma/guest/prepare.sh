#!/bin/bash
# prepare.sh DIR: Debian's kernel and an initramfs for it, as DIR/kernel and DIR/initrd.gz. Needs a list of packages
# that is not too old (apt-get update). Nothing is installed, and no right of root is asked for.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
mkdir -p "$1"
dir=$(realpath "$1")
files=$dir/files root=$dir/root

# What is there before the host's files are, and what is loaded once they are.
root_modules=(virtio_pci 9pnet_virtio 9p overlay)
rdma_modules=(crc32_generic crc32-pclmul rdma_rxe ib_uverbs rdma_ucm veth sch_netem)

fetch() {
  local package
  package=$(apt-cache depends linux-image-amd64 | awk '/Depends:/ { print $2; exit }')
  [ -n "$package" ] || { echo "prepare: apt knows no linux-image-amd64 (apt-get update?)" >&2; exit 1; }
  (cd "$dir" && apt-get download "$package" >&2)
}

unpack() {
  local drivers='./lib/modules/*/kernel'
  mkdir -p "$files"
  dpkg-deb --fsys-tarfile "$dir"/linux-image-*.deb | tar -x -C "$files" --wildcards './boot/vmlinuz-*' \
    './lib/modules/*/modules.*' "$drivers/drivers/virtio" "$drivers/net/9p" "$drivers/fs/9p" "$drivers/fs/netfs" \
    "$drivers/fs/fscache" "$drivers/fs/overlayfs" "$drivers/fs/configfs" "$drivers/drivers/infiniband/core" \
    "$drivers/drivers/infiniband/sw/rxe" "$drivers/net/ipv4/udp_tunnel.ko" "$drivers/net/ipv6/ip6_udp_tunnel.ko" \
    "$drivers/crypto/crc32_generic.ko" "$drivers/arch/x86/crypto/crc32-pclmul.ko" "$drivers/drivers/net/veth.ko" \
    "$drivers/net/sched/sch_netem.ko"
  version=$(basename "$files"/lib/modules/*)
  /sbin/depmod -b "$files" "$version"
  extract "$files"/boot/vmlinuz-*
}

# extract VMLINUZ: an emulated processor takes five seconds of each boot to decompress the kernel, so it is done here.
# One that is not compressed by xz is left to decompress itself.
extract() {
  local at
  at=$(LC_ALL=C grep -abo -P '\xfd7zXZ\x00' "$1" | head -n 1 | cut -d : -f 1)
  if [ -z "$at" ] || ! xz -dc --single-stream > "$dir/kernel" < <(tail -c "+$((at + 1))" "$1"); then
    cp "$1" "$dir/kernel"
  fi
}

# add LIST MODULE...: the modules and what they need, in the order they have to be loaded.
add() {
  local list=$root/modules/$1.list module file name
  shift
  : > "$list"
  for module in "$@"; do
    /sbin/modprobe -d "$files" -S "$version" --show-depends "$module" | awk '$1 == "insmod" { print $2 }'
  done | while read -r file; do
    name=$(basename "$file")
    ! grep -hqx "$name" "$root"/modules/*.list || continue
    strip --strip-debug -o "$root/modules/$name" "$file"
    echo "$name" >> "$list"
  done
}

pack() {
  mkdir -p "$root"/{bin,modules,proc,sys,dev,ro,rw,root}
  cp /bin/busybox "$root/bin/"
  for applet in sh mount umount insmod mkdir cp switch_root; do ln -s busybox "$root/bin/$applet"; done
  install -m 755 "$here/init" "$root/init"
  install -m 755 "$here/stage2" "$root/stage2"
  install -m 644 "$here/hosts.sh" "$root/hosts.sh"
  add root "${root_modules[@]}"
  add rdma "${rdma_modules[@]}"
  (cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) > "$dir/initrd.gz"
}

fetch
unpack
pack
rm -rf "$files" "$root" "$dir"/linux-image-*.deb
