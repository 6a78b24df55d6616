#!/bin/sh
# Installs or removes what belongs to dgrid: program, manual, completions, documents, examples, services. `make install` and
# `make uninstall` call it with the folders in the environment; one that is empty takes nothing.
#   install.sh install|uninstall
set -eu
umask 022
cd "$(dirname "$0")/.."
action=$1
made=$(mktemp -d "${TMPDIR:-/tmp}/dgrid-install.XXXXXX") # services that know where the program is
trap 'rm -rf "$made"' EXIT
unit=dgrid-worker@.service

# files: "mode, source, place" of each file; both actions go by this list.
files() {
	put 755 dgrid "$BINDIR/dgrid"
	for f in packaging/store/*; do put 755 "$f" "$BINDIR/${f##*/}"; done
	for f in docs/man/*.[1-9]; do put 644 "$f" "${MANDIR:+$MANDIR/man${f##*.}/${f##*/}}"; done
	for f in assets/completions/*; do
		case $f in
		*/dgrid.bash) put 644 "$f" "${BASHCOMPDIR:+$BASHCOMPDIR/dgrid}" ;;
		*/_dgrid) put 644 "$f" "${ZSHCOMPDIR:+$ZSHCOMPDIR/_dgrid}" ;;
		*/dgrid.fish) put 644 "$f" "${FISHCOMPDIR:+$FISHCOMPDIR/dgrid.fish}" ;;
		esac
	done
	for f in LICENSE NOTICE *.md docs/*.md; do put 644 "$f" "${DOCDIR:+$DOCDIR/$f}"; done
	for f in examples/*; do put 644 "$f" "${EXAMPLEDIR:+$EXAMPLEDIR/tasks/${f##*/}}"; done
	put 644 packaging/worker.env "${EXAMPLEDIR:+$EXAMPLEDIR/worker.env}"
	put 644 packaging/systemd/bubblewrap.conf "${EXAMPLEDIR:+$EXAMPLEDIR/bubblewrap.conf}"
	put 644 "$made/$unit" "${UNITDIR:+$UNITDIR/$unit}"
	put 644 packaging/systemd/sysusers.conf "${SYSUSERSDIR:+$SYSUSERSDIR/dgrid.conf}"
	put 755 "$made/dgrid-worker.initd" "${INITDIR:+$INITDIR/dgrid-worker}"
	put 640 packaging/openrc/dgrid-worker.confd "${CONFDIR:+$CONFDIR/dgrid-worker}"
}
put() { # MODE SOURCE PLACE
	case $2:$3 in
	*'*'*) ;; # a pattern that nothing has
	*:/*) "$action"_file "$1" "$2" "$DESTDIR$3" ;;
	esac
}
install_file() {
	if [ "$1" = 640 ] && [ -e "$3" ]; then return; fi # settings: whoever changed them wants to keep them
	mkdir -p "${3%/*}"
	install -m "$1" "$2" "$3"
	echo "  INSTALL  $3"
}
# Folders that bear the program's name go with their last file; a place's own folders stay.
uninstall_file() {
	if [ "$1" = 640 ] && ! cmp -s "$2" "$3"; then return; fi
	rm -f "$3"
	for dir in "${3%/*}" "${3%/*/*}"; do
		case $dir in
		*/dgrid | */dgrid/*) rmdir "$dir" 2>/dev/null || true ;;
		esac
	done
}

case $action in
install)
	for name in "$unit:systemd/$unit" dgrid-worker.initd:openrc/dgrid-worker.initd; do
		sed "s|@BINDIR@|$BINDIR|g" "packaging/${name#*:}" >"$made/${name%%:*}"
	done
	;;
uninstall) ;;
*)
	echo "usage: $0 install|uninstall" >&2
	exit 64
	;;
esac
files
