# Two hosts in one guest, and what may happen between them. For commands that run in it: `. /run/hosts.sh`.
# A cable joins the network devices left and right; each has an RDMA device of its own, rxe_left and rxe_right, whose
# GID 0 is link-local. Their MTU leaves room for an RDMA MTU of 4096.

two_hosts() {
  ip link add left mtu 4200 type veth peer name right mtu 4200
  for host in left right; do
    # An address that is still being checked for duplicates cannot be used.
    echo 0 > /proc/sys/net/ipv6/conf/$host/accept_dad
    ip link set $host up
    rdma link add rxe_$host type rxe netdev $host
  done
}

# impair HOST netem-arguments...: what HOST sends is lost, delayed, reordered: `impair left loss 5%`
impair() {
  local host=$1
  shift
  tc qdisc replace dev "$host" root netem "$@"
}

# mend HOST
mend() { tc qdisc del dev "$1" root; }

# unplug HOST, plug HOST: its port goes down, and comes up
unplug() { ip link set "$1" down; }
plug() { ip link set "$1" up; }

# await_port PORT: until somebody listens there, for at most 30 s
await_port() {
  local tries=0
  until [ -n "$(ss -Hltn "sport = :$1")" ]; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { echo "nobody listens on $1" >&2; return 1; }
    sleep 0.1
  done
}
