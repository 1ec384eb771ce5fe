#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Written by lumi-eb env pack, for Slurm's --task-epilog: when the last task of a step has ended on a node, by itself or
# killed, Slurm kills what the step has left there, the servers of mounts too. Unmounts what nothing uses any more.
PATH=/usr/bin:/bin:/usr/sbin:/sbin
for use in "/tmp/lumi-hooks-$(id -u)"/*.use; do
    [ -O "$use" ] && read -r unmount folder <"$use" && flock -n -x "$use" "$unmount" -u "$folder" 2>/dev/null
done
exit 0
