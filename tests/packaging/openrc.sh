#!/bin/bash
# The Alpine package's files on a machine with OpenRC's programs. Debian's busybox has no adduser, so one that knows the options
# that the package's script uses stands in.
# shellcheck disable=SC1091,SC2016,SC2009 # it is there then; texts for inner shells; ps shows arguments too
. /run/machine/common.sh
cat >/usr/local/bin/addgroup <<'ADD'
#!/bin/sh
[ "$1" = -S ] && exec groupadd --system "$2"
ADD
cat >/usr/local/bin/adduser <<'ADD'
#!/bin/sh
while getopts SDh:s:G:g: o; do
	case $o in
	h) home=$OPTARG ;; s) shell=$OPTARG ;; G) group=$OPTARG ;; g) gecos=$OPTARG ;; S | D) ;;
	*) exit 1 ;;
	esac
done
shift $((OPTIND - 1))
exec useradd --system --no-create-home --home-dir "$home" --shell "$shell" --gid "$group" --comment "$gecos" "$1"
ADD
chmod +x /usr/local/bin/addgroup /usr/local/bin/adduser
PATH=/usr/local/bin:$PATH sh /run/machine/dgrid-openrc.pre-install
PATH=/usr/local/bin:$PATH sh /run/machine/dgrid-openrc.pre-install # an upgrade finds it there
getent passwd dgrid | grep -q ':/var/lib/dgrid:/sbin/nologin$'
tar -xf /run/machine/apk.tar -C / --no-same-owner
make_grid
# openrc-run's idea of a system that has booted.
mkdir -p /run/openrc/{starting,started,stopping,inactive,wasinactive,failed,hotplugged,daemons,options,exclusive,scheduled,init.d,tmp}
touch /run/openrc/softlevel
ln -s dgrid-worker /etc/init.d/dgrid-worker.n1
service() { /etc/init.d/dgrid-worker.n1 --nodeps --nocolor "$@"; }
worker() { pgrep -x dgrid; }

# Without settings it says what to do.
! service start >/run/said 2>&1 || refuse "it started"
grep -q '/etc/dgrid/n1.env is not there: copy worker.env' /run/said
! worker || refuse "a worker runs"

# The settings that come with it hold for sh as they do for systemd.
mkdir -p /etc/dgrid
sed 's|^DGRID_REPO_URL=.*|DGRID_REPO_URL=/srv/grid.git|; s|^#GIT_TOKEN=|GIT_TOKEN=not-for-others|
	s|^DGRID_WORKER_OPTIONS=.*|DGRID_WORKER_OPTIONS="--slots 2 --engine docker --poll-ms 100"\nFAKE_DOCKER=/srv/fake|' \
	/run/machine/worker.env >/etc/dgrid/n1.env
printf '%s\n' 'export PATH=/usr/local/bin:$PATH' respawn_delay=1 >>/etc/conf.d/dgrid-worker # where the test's docker is
service start
service status
dgrid submit --id place -- 'id -un; umask; echo "$HOME"'
dgrid wait --timeout "$(scaled 30)" place || { cat /var/log/dgrid/n1.log && false; }
[[ $(dgrid logs place | xargs) == 'dgrid 0077 /var/lib/dgrid' ]]
[[ $(stat -c %a:%U /var/lib/dgrid/n1) == 700:dgrid && $(stat -c %a:%U /var/log/dgrid/n1.log) == 640:dgrid ]]
tr '\0' '\n' </proc/"$(worker)"/environ | grep -qx 'GIT_TOKEN=not-for-others'
! ps axww | grep 'not-for-other[s]' || refuse "the token shows"

# It dies, and is started again.
first=$(worker)
kill -KILL "$first"
wait_until 30 eval '[[ $(worker) && $(worker) != '"$first"' ]]'
service status

# Stopping drains: what runs may finish, and is recorded.
touch /srv/fake/slow
dgrid submit --id slow -- 'echo finished'
wait_until 30 running slow
service stop >/run/said 2>&1 &
wait_until 20 grep -q draining /var/log/dgrid/n1.log
worker >/dev/null
rm /srv/fake/slow
wait "$!"
! worker || refuse "a worker runs"
dgrid show slow | grep -qE '^state +completed$'
! service status || refuse "it says that it runs"
