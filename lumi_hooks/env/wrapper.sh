#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Written by lumi-eb env pack. Runs @name@ from an image, which is mounted on this node as long as something uses it.
image=@image@ folder=@folder@ program=@program@ key=@key@ base=@base@ mark=@mark@
why=

say() { echo "${0##*/}: $*" >&2; }
fail() { say "$*"; exit 126; }

# what is preloaded or found first is meant for the program, not for the tools that mount
preload=${LD_PRELOAD-} libraries=${LD_LIBRARY_PATH-} path=$PATH
unset LD_PRELOAD LD_LIBRARY_PATH
PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH

# Each process that uses the mount inherits a shared lock, which ends with the last of them: who unmounts needs it alone.
by_fuse() {
    tool=$(command -v squashfuse_ll || command -v squashfuse) || { why='there is no squashfuse'; return 1; }
    unmount=$(command -v fusermount3 || command -v fusermount) || { why='there is no fusermount'; return 1; }
    { [ -r /dev/fuse ] && [ -w /dev/fuse ]; } || { why='/dev/fuse is closed'; return 1; }
    run=/tmp/lumi-hooks-$(id -u)
    mkdir -m 700 "$run" 2>/dev/null
    if [ ! -d "$run" ] || [ -L "$run" ] || [ ! -O "$run" ]; then fail "$run is not a folder of yours: have it removed"; fi
    # the program may have been given some of them, as PMI does
    for file in 9 8 7 6 5 4 3 ''; do [ -e "/proc/self/fd/$file" ] || break; done
    eval "exec ${file:-9}>>\"\$run/\$key.use\"" || fail "no lock can be made in $run"
    flock -s "${file:-9}" || fail 'the command flock is missing'
    [ -e "$folder/$mark" ] || { flock 8 && mount_it; } 8>>"$run/$key.mount"
}

mount_it() {
    [ ! -e "$folder/$mark" ] || return 0
    # the server of an earlier mount was killed
    [ -e "$folder" ] || "$unmount" -u -z "$folder" 2>/dev/null
    if [ ! -d "$folder" ]; then why="$folder is not there, or somebody else has mounted it on this node"; return 1; fi
    echo "$unmount $folder" >"$run/$key.use"
    if ! said=$("$tool" "$image" "$folder" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-); then
        why="$tool: $said"
        return 1
    fi
    # in a session of its own, and a child of nobody's: it outlives a program that is killed
    # shellcheck disable=SC2016 # for the inner shell
    ( setsid sh -c 'until flock -x "$3" "$1" -u "$2" || [ ! -e "$2/$4" ]; do sleep 2; done' sh \
        "$unmount" "$folder" "$run/$key.use" "$mark" </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- & )
}

by_singularity() {
    tool=$(command -v singularity || command -v apptainer) || { why="$why; there is no Singularity"; return 1; }
    if [ ! -e "$base" ]; then why="$why; there is no base image for Singularity ($base)"; return 1; fi
    binds=
    for top in /*; do
        case $top in /proc|/sys|/dev|/tmp) ;; *) [ -L "$top" ] || binds=$binds${binds:+,}$top ;; esac
    done
}

wanted=${LUMI_HOOKS_MOUNT-} way=fuse
if [ "$wanted" = singularity ]; then why='FUSE is not wanted' way=singularity; elif ! by_fuse; then way=singularity; fi
if [ $way = singularity ]; then
    if [ "$wanted" = fuse ] || ! by_singularity; then fail "$image cannot be mounted on $(uname -n): $why"; fi
fi
[ -z "$wanted" ] || say "mounted by $way${why:+ ($why)}"

case $program in
    */) program=$program${0##*/} ;;
    '') [ $# -gt 0 ] || fail 'name a command to run'; program=$1; shift ;;
esac
PATH=$folder/bin:$path
export PATH
[ -z "$libraries" ] || export LD_LIBRARY_PATH="$libraries"
if [ $way = fuse ]; then
    [ -z "$preload" ] || export LD_PRELOAD="$preload"
    exec "$program" "$@"
fi
exec "$tool" exec --bind "$binds" --bind "$image:$folder:image-src=/,ro" "$base" /usr/bin/env "PATH=$PATH" \
    ${HOME:+"HOME=$HOME"} ${libraries:+"LD_LIBRARY_PATH=$libraries"} ${preload:+"LD_PRELOAD=$preload"} "$program" "$@"
