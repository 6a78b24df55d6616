#!/bin/bash
# The Debian package on a machine where systemd is the first process.
# shellcheck disable=SC1091,SC2016,SC2009 # it is there then; texts for inner shells; ps shows arguments too
. /run/machine/common.sh
# In var/tmp are folders of workers outside, in var/lib/cni their networks.
ours() { (cd / && find etc usr var srv opt -xdev \( -path usr/local -o -path var/tmp -o -path var/lib/cni \) -prune -o -name '*dgrid*' -print | sort); }
before=$(ours)
dpkg -i /run/machine/dgrid.deb
getent passwd dgrid | grep -q ':/var/lib/dgrid:/usr/sbin/nologin$'
[[ $(stat -c %a:%U /etc/dgrid) == 755:root ]]
dpkg -L dgrid | while read -r file; do [[ -e $file ]] || refuse "$file is not there"; done
for file in /usr/share/man/man1/dgrid.1.gz /usr/share/man/man5/dgrid-task.5.gz /usr/share/man/man5/dgrid-ledger.5.gz \
	/usr/share/bash-completion/completions/dgrid /usr/share/zsh/vendor-completions/_dgrid \
	/usr/share/fish/vendor_completions.d/dgrid.fish /usr/share/doc/dgrid/README.md /usr/share/doc/dgrid/docs/TASK_FORMAT.md; do
	dpkg -L dgrid | grep -qx "$file" || refuse "the package has no $file"
done
make_grid
# What somebody may have installed on this machine by hand would come before the package's.
rm -f /usr/local/lib/systemd/system/dgrid-worker@.service /usr/local/bin/dgrid
systemctl daemon-reload
[[ $(systemctl show -P FragmentPath dgrid-worker@n1) =~ ^(/usr)?/lib/systemd/system/dgrid-worker@.service$ ]]

# Without settings: skipped, not failed.
systemctl start dgrid-worker@n1
[[ $(systemctl show -P ActiveState,ConditionResult dgrid-worker@n1 | xargs) == 'inactive no' ]]

# The grid is a folder here, so it must be one that the worker may write to.
mkdir -p /etc/systemd/system/dgrid-worker@.service.d
printf '[Service]\nReadWritePaths=/srv\n' >/etc/systemd/system/dgrid-worker@.service.d/grid.conf
settings n1 '--slots 2 --engine docker --poll-ms 100'
systemctl daemon-reload
systemctl start dgrid-worker@n1
# What a script says of where it is: this docker runs it in the worker's own place.
dgrid submit --id place -- 'id -un; grep -E "^(NoNewPrivs|Seccomp|CapBnd):" /proc/self/status | tr -d "\t"; echo "$HOME"
	for d in /etc /usr /var/lib /home; do ! touch "$d/x" 2>/dev/null || echo "wrote to $d"; done
	! unshare -U true 2>/dev/null || echo "made a namespace"; ls /home 2>/dev/null || echo "home is shut"; [ -e /proc/1/status ] || echo "sees no other"'
dgrid wait --timeout "$(scaled 30)" place || { dgrid show place && false; }
dgrid logs place >/run/place
cat /run/place
diff /run/place - <<'PLACE'
dgrid
CapBnd:0000000000000000
NoNewPrivs:1
Seccomp:2
/var/lib/dgrid
home is shut
sees no other
PLACE
# The token is in the worker's environment only: not in the unit, its arguments or the log.
tr '\0' '\n' </proc/"$(systemctl show -P MainPID dgrid-worker@n1)"/environ | grep -qx 'GIT_TOKEN=not-for-others'
! { systemctl cat dgrid-worker@n1 && systemctl show dgrid-worker@n1 && journalctl --no-pager && ps axww; } | grep -q 'not-for-other[s]' ||
	refuse "the token shows"
! setpriv --reuid nobody --regid nogroup --clear-groups cat /etc/dgrid/n1.env 2>/dev/null || refuse "everybody reads the token"

# Stopping drains: what runs may finish, and is recorded.
touch /srv/fake/slow
dgrid submit --id slow -- 'echo finished'
wait_until 20 running slow
systemctl stop --no-block dgrid-worker@n1
wait_until 20 eval 'journalctl --no-pager -u dgrid-worker@n1 | grep -q "draining"'
[[ $(systemctl is-active dgrid-worker@n1) == deactivating ]]
rm /srv/fake/slow
wait_until 30 eval '[[ $(systemctl is-active dgrid-worker@n1) == inactive ]]'
[[ $(systemctl show -P Result dgrid-worker@n1) == success ]]
dgrid show slow | grep -qE '^state +completed$'

# The packed static program in the package's place: the unit lets no memory be executed that was written.
mv /usr/bin/dgrid /run/dgrid
cp /run/machine/dgrid-static /usr/bin/dgrid
[[ $(systemctl show -P MemoryDenyWriteExecute dgrid-worker@n1) == yes ]]
systemctl start dgrid-worker@n1
dgrid submit --id packed -- 'echo packed'
dgrid wait --timeout "$(scaled 30)" packed || { dgrid show packed && journalctl --no-pager -u dgrid-worker@n1 && false; }
[[ $(readlink "/proc/$(systemctl show -P MainPID dgrid-worker@n1)/exe") == /usr/bin/dgrid ]]
systemctl stop dgrid-worker@n1
mv /run/dgrid /usr/bin/dgrid

# bubblewrap: nothing goes without its drop-in, all goes with it.
settings n2 '--engine bwrap --poll-ms 100'
systemctl start dgrid-worker@n2
wait_until 20 eval '[[ $(systemctl show -P NRestarts,ExecMainStatus dgrid-worker@n2 | xargs) == *69* ]]'
journalctl --no-pager -u dgrid-worker@n2 | grep -q 'bwrap cannot make a sandbox here'
systemctl stop dgrid-worker@n2
mkdir -p /etc/systemd/system/dgrid-worker@n2.service.d
cp /usr/share/doc/dgrid/examples/bubblewrap.conf /etc/systemd/system/dgrid-worker@n2.service.d/
systemctl daemon-reload
systemctl start dgrid-worker@n2
dgrid submit --id boxed -- 'hostname; id -u; grep -E "^(NoNewPrivs|Seccomp):" /proc/self/status | tr -d "\t"'
dgrid wait --timeout "$(scaled 30)" boxed || { dgrid show boxed && journalctl --no-pager -u dgrid-worker@n2 && false; }
[[ $(dgrid logs boxed | xargs) == 'dgrid 1000 NoNewPrivs:1 Seccomp:2' ]]
systemctl stop dgrid-worker@n2

# A wrong setting is not tried again.
settings n3 '--slots none'
systemctl start dgrid-worker@n3 || true # it may be gone by then
wait_until 20 eval '[[ $(systemctl is-active dgrid-worker@n3) == failed ]]'
[[ $(systemctl show -P ExecMainStatus dgrid-worker@n3) == 64 ]]

rm -r /etc/systemd/system/dgrid-worker@* /srv/grid.git
dpkg --purge dgrid
! getent passwd dgrid || refuse "its user is left"
! getent group dgrid || refuse "its group is left"
rm -r /srv/fake
after=$(ours)
[[ $after == "$before" ]] || refuse "left: $after"
