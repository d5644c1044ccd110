# Becomes a process in a container's files, as an engine would run it: the root cannot be written to, /tmp is empty, a volume
# is mounted if there is one, and there are no rights to be had. The process id stays what it was.
#
# enter.sh ROOT USER FOLDER HOSTS_FILE VOLUME MOUNTED_AT COMMAND…   in a mount namespace of its own
set -eu
root=$1 user=$2 folder=$3 hosts=$4 volume=$5 mounted_at=$6
shift 6
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
mount --bind "$hosts" "$root/etc/hosts"
if [ -n "$volume" ]; then
    mount --bind "$volume" "$root$mounted_at"
fi
mount -o remount,bind,ro "$root"
# The user's change takes the signal away that ends it with its parent: it is asked for last.
exec chroot "$root" setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs \
    --inh-caps=-all --bounding-set=-all --pdeathsig KILL -- env --chdir="$folder" -- "$@"
