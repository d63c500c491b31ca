#!/bin/sh
# A Ceph cluster of one monitor and one OSD in memory, and its gateway for S3, all on loopback and in one process group:
# radosgw.sh FOLDER PORT MONITOR_PORT ACCESS_KEY SECRET_KEY
set -eu
D=$1
mkdir -p "$D/mon" "$D/osd0" "$D/rgw" "$D/log"
export CEPH_CONF="$D/ceph.conf"
fsid=$(cat /proc/sys/kernel/random/uuid)
cat >"$CEPH_CONF" <<CONF
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:$3/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
run dir = $D
log file = $D/log/\$name.log
admin socket = $D/\$name.asok
keyring = $D/keyring
mon allow pool size one = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
mon max pg per osd = 1000
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
mon data = $D/mon
osd data = $D/osd0
mon data avail crit = 1
rgw frontends = beast endpoint=127.0.0.1:$2
rgw data = $D/rgw
CONF
ceph-authtool --create-keyring "$D/keyring" --gen-key -n mon. --cap mon 'allow *'
ceph-authtool "$D/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$3/0]" --enable-all-features "$D/monmap"
ceph-mon -i a --mkfs --monmap "$D/monmap" --keyring "$D/keyring"
ceph-mon -i a -f &
osd=$(cat /proc/sys/kernel/random/uuid)
ceph osd new "$osd"
ceph auth get-or-create osd.0 mon 'allow *' osd 'allow *' mgr 'allow *' >>"$D/keyring"
ceph-osd -i 0 --mkfs --osd-uuid "$osd" # must be the same
ceph-osd -i 0 -f &
until ceph osd stat | grep -q '1 up'; do sleep 0.2; done
radosgw-admin user create --uid=test --display-name=test --access-key="$4" --secret-key="$5" >/dev/null
exec radosgw -n client.admin -f
