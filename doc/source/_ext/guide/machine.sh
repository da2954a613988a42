#!/usr/bin/env bash
#
# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
#
# Boots a copy of this machine, with its files and programs, a network of its
# own, and systemd as process 1. Changes are kept in memory. Ends when the
# copy ends, and ends the copy on SIGTERM. machine.py runs it, as
#
#     unshare --mount bash machine.sh start FOLDER FILES [SOURCE TARGET]...
#
# FOLDER is an empty folder, and FILES what machine.py saved of an earlier
# copy, or nothing. SOURCE is seen at TARGET in the copy. Prints the number of
# the copy's process 1.
set -euo pipefail

stage=$1 folder=$2
case $stage in
start)
    if [ ! -x /lib/systemd/systemd ]; then
        echo 'systemd is not installed' >&2
        exit 1
    fi
    mount -t tmpfs machine "$folder"
    mkdir "$folder"/{cgroup,changes,work,root}
    if [ -n "$3" ]; then
        tar -C "$folder/changes" --xattrs --xattrs-include='*' -xf "$3"
    fi
    # A control group for the copy, so that its systemd leaves alone what is
    # in the one of this process.
    mount -t cgroup2 cgroup2 "$folder/cgroup"
    group=$folder/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/machine.$$
    mkdir "$group"
    trap 'find "$group" -depth -type d -exec rmdir {} +' EXIT
    exec 3< <(exec unshare --mount --pid --fork --kill-child --net --uts --ipc \
        bash "$0" enter "$folder" "$group" "${@:4}")
    copy=$!
    read -r init <&3
    trap 'kill -KILL "$init"' TERM
    echo "$init"
    # A trap interrupts the first one.
    wait "$copy" || wait "$copy" || true
    ;;
enter)
    echo $$ > "$3/cgroup.procs"
    exec unshare --cgroup bash "$0" boot "$folder" "${@:4}"
    ;;
boot)
    # /proc is still the one from outside, and so is this number.
    read -r init _ < /proc/self/stat
    cd "$folder/root"
    mount -t overlay overlay . \
        -o "lowerdir=/,upperdir=$folder/changes,workdir=$folder/work"
    cd "$folder/root"

    mount -t proc proc proc
    # The kernel is shared: nothing in the copy changes its values.
    mount --bind proc/sys proc/sys
    mount -o remount,bind,ro proc/sys
    mount -t sysfs -o ro sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs run
    mount -t tmpfs -o mode=1777 tmpfs tmp
    mount -t tmpfs -o mode=755 tmpfs dev
    mkdir dev/{pts,shm}
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
    mount -t tmpfs -o mode=1777 tmpfs dev/shm
    for name in null zero full random urandom tty; do
        touch "dev/$name"
        mount --bind "/dev/$name" "dev/$name"
    done
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    for number in 0:stdin 1:stdout 2:stderr; do
        ln -s "/proc/self/fd/${number%:*}" "dev/${number#*:}"
    done

    # The disks of this machine are not for the copy, nor is what it does now
    # and then.
    : > etc/fstab
    ln -sf /dev/null etc/systemd/system/timers.target
    echo machine > etc/hostname
    printf '127.0.0.1 localhost\n127.0.1.1 machine\n' > etc/hosts
    shift 2
    while [ $# -gt 0 ]; do
        mkdir -p "./$2"
        mount --bind "$1" "./$2"
        shift 2
    done

    pivot_root . .
    umount -l .
    echo "$init"
    # No services but those that others need: basic.target starts no server.
    exec setpriv --bounding-set -sys_module,-sys_rawio,-sys_time \
        env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --system --unit=basic.target \
        < /dev/null &> /dev/null
    ;;
esac
