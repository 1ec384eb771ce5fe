# shellcheck shell=sh disable=SC2012,SC2154
# SPDX-License-Identifier: GPL-2.0-only
# Part of ci/pilot: facts of a node that need no module: kernel, limits, commands, file systems, Slurm.

# How many users and groups have rights of their own to it; a question mark where nothing tells
acl_entries() {
    command -v getfacl >/dev/null 2>&1 || { echo '?'; return; }
    getfacl -cpE "$1" 2>/dev/null | grep -c '^\(user\|group\|default\):[^:]'
}

# Who owns a file and what others may do, without names
rights() {
    for rights_of in "$@"; do
        [ -e "$rights_of" ] || continue
        rights_user=$(stat -c %u "$rights_of") rights_group=$(stat -c %G "$rights_of")
        case $rights_user in 0) rights_user=root ;; "$(id -u)") rights_user=me ;; *) rights_user=other ;; esac
        case " $(id -Gn) " in *" $rights_group "*) rights_group=mine ;; *) [ "$rights_group" = root ] || rights_group=other ;; esac
        printf '%s %s owner=%s group=%s acl=%s\n' "$rights_of" "$(stat -c %a "$rights_of")" "$rights_user" "$rights_group" \
            "$(acl_entries "$rights_of")"
    done
}

facts_of_system() {
    # nid001234 is told as nid001***: enough to know the kind of node
    fact host.class "$(uname -n | sed 's/\..*//; s/[0-9]\{1,3\}$/***/')"
    fact kernel.release "$(uname -r)"
    sed -n 's/^PRETTY_NAME=//p; s/^VERSION_ID=/VERSION_ID=/p' /etc/os-release 2>/dev/null | tr -d '"' | fact os.name
    sed -n 's/^VERSION_ID=//p' /etc/os-release 2>/dev/null | tr -d '"' | fact os.version
    fact umask "$(umask)"
    # shellcheck disable=SC3045  # dash and bash have it
    ulimit -a 2>/dev/null | fact ulimit
    fact groups.count "$(id -G | wc -w | tr -d ' ')"
    fact groups.projects "$(id -Gn | tr ' ' '\n' | grep -c '^project_[0-9]*$')"
    case $HOME in /users/*|/pfs/lustrep*/users/*) fact home.area users ;; *) fact home.area other ;; esac
    for name in /project /projappl /scratch /flash; do [ ! -d "$name" ] || echo "$name"; done | fact areas
    fact shell.sh "$(readlink -f /bin/sh)"
    fact cpus "$(nproc)"
    fact cpus.allowed "$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)"
    limited 10 lscpu 2>/dev/null | grep -E '^(Architecture|Model name|CPU\(s\)|Thread|Core|Socket|NUMA)' | fact cpus.model
    grep -E '^(MemTotal|HugePages_Total|Hugepagesize)' /proc/meminfo | fact memory
    grep -E '^(Seccomp|Seccomp_filters|NoNewPrivs|CapEff):' /proc/self/status | fact seccomp
    fact seccomp.mode "$(sed -n 's/^Seccomp:[[:space:]]*//p' /proc/self/status)"
    for name in fs.protected_hardlinks fs.protected_symlinks fs.protected_fifos user.max_user_namespaces \
        kernel.unprivileged_userns_clone kernel.yama.ptrace_scope kernel.apparmor_restrict_unprivileged_userns; do
        path=/proc/sys/$(echo "$name" | tr . /)
        [ ! -r "$path" ] || fact "sysctl.$name" "$(cat "$path")"
    done
    fact_of userns 10 unshare -Ur true
    fact_of userns.network 10 unshare -rn true
    fact_of userns.mount 10 unshare -rm true
    fact fuse.device "$(ls -l /dev/fuse 2>/dev/null | cut -c 1-10)"
    if ( : <>/dev/fuse ) 2>/dev/null; then fact fuse.open yes; else fact fuse.open no; fi
    fact packed.base "$(ls "$(sed -n 's/^    "base": "\(.*\)",$/\1/p' "$root/lumi_hooks/sites/lumi/machine.json")" 2>/dev/null)"
    ls -d /appl/local/containers/sif-images/lumi-rocm-* 2>/dev/null | fact packed.images
}

facts_of_commands() {
    for name in squashfuse squashfuse_ll mksquashfs unsquashfs fusermount fusermount3 singularity apptainer bwrap \
        mpirun mpiexec srun sbatch sacct gcc g++ gfortran python3 perl pkg-config autoconf make git patchelf readelf \
        objdump ldd strace getfacl setfattr flock setsid lfs dot lumi-workspaces fi_info rocminfo hipcc; do
        fact "command.$name" "$(command -v "$name" 2>/dev/null)"
    done
    for name in gcc python3 perl git singularity mksquashfs lfs fi_info; do
        command -v "$name" >/dev/null 2>&1 || continue
        case $name in mksquashfs) option=-version ;; *) option=--version ;; esac
        fact "command.$name.version" "$(limited 20 "$name" $option 2>&1 | sed '/./!d; q')"
    done
    fact gcc.bare.version "$(limited 20 gcc -dumpfullversion -dumpversion 2>/dev/null)"
    ls /usr/bin/gcc-[0-9]* /usr/bin/g++-[0-9]* /usr/bin/gfortran-[0-9]* 2>/dev/null | fact gcc.others
    # what rules take from the operating system
    for name in openssl/opensslv.h zlib.h ncurses.h curl/curl.h; do fact "header.$name" "$(ls "/usr/include/$name" 2>/dev/null)"; done
    ls /usr/lib64/libcxi.so* /usr/lib64/libpmi*.so* /usr/lib64/libfabric.so* 2>/dev/null | fact system.network
}

# Folders: of a node, and the one that is written to
facts_of_folders() {
    fact tmpdir "${TMPDIR:-}"
    fact xdg_runtime_dir "$(echo "${XDG_RUNTIME_DIR:-}" | sed 's/[0-9][0-9]*/***/')"
    for name in /tmp /dev/shm /var/tmp "${XDG_RUNTIME_DIR:-/run/user/$(id -u)}" "$output"; do
        [ -d "$name" ] || continue
        case $name in "$output") key=output ;; /run/user/*) key=run.user ;; *) key=$(echo "${name#/}" | tr / .) ;; esac
        fact "folder.$key.type" "$(stat -f -c %T "$name")"
        fact "folder.$key.kib" "$(df -Pk "$name" | awk 'NR == 2 { print $2 }')"
        fact "folder.$key.inodes" "$(df -Pi "$name" | awk 'NR == 2 { print $2 }')"
        grep " $(df -P "$name" | awk 'NR == 2 { print $6 }') " /proc/mounts | awk '{ print $3, $4 }' | fact "folder.$key.mount"
    done
    try_files
    rights "$output" "$root" "/project/$account" "/scratch/$account" "/flash/$account" "$HOME" | fact rights.mine
    appl=$(stack_root)
    rights "$appl" "$appl"/* "$appl/LUMI-SoftwareStack/easybuild" "$appl/modules/easybuild" "$appl/SW/LUMI-$release" |
        fact rights.stack
    getfacl -cpE "$output" 2>/dev/null | fact acl.output
    fact_of lustre.quota 60 lfs quota -q -u "$(id -un)" "$output"
    fact_of lustre.stripe 60 lfs getstripe -d "$output"
    fact_of lustre.project 60 lfs project -d "$output"
    # the names of the fields, not what they say
    for kind in user:users/"$(id -un)"/"$(id -un)" project:users/"$account"/"$account"; do
        path=/var/lib/${kind%%:*}_info/${kind#*:}.json
        [ ! -r "$path" ] || grep -o '"[a-z_]*" *:' "$path" | tr -d '": ' | sort -u | fact "quota.${kind%%:*}.fields"
    done
}

# What one may do with files where the pilot writes, on LUMI a Lustre file system
try_files() {
    try=$output/try
    rm -rf "$try"
    mkdir -p "$try"
    # a command that is not there says nothing of the file system
    tried() { command -v "$2" >/dev/null 2>&1 || return 0; if ( cd "$try" && shift && "$@" ) >/dev/null 2>&1; then fact "file.$1" yes; else fact "file.$1" no; fi; }
    tried fifo mkfifo fifo
    tried symlink ln -s nowhere symlink
    echo text >"$try/file"
    tried hardlink ln file hardlink
    tried xattr python3 -c 'import os; os.setxattr("file", "user.pilot", b"1")'
    tried acl setfacl -m u:root:r file
    tried flock flock -n file true
    tried setgid chmod 2770 .
    mkdir "$try/below" && fact file.setgid.inherited "$(stat -c %a "$try/below")"
    echo text >"$try/sed" && chmod 664 "$try/sed" && sed -i s/text/other/ "$try/sed" && fact file.mode.after.sed "$(stat -c %a "$try/sed")"
    rm -rf "$try"
}

facts_of_slurm() {
    command -v srun >/dev/null 2>&1 || return 0
    fact slurm.version "$(limited 20 srun --version 2>&1)"
    fact_of slurm.mpi 30 srun --mpi=list
    fact_of slurm.partitions 30 sinfo -h -o '%R %l %s %D %z %m %G'
    limited 30 scontrol show config 2>/dev/null | grep -E '^(MpiDefault|LaunchParameters|TaskPlugin|JobAcctGatherType|SelectTypeParameters|SwitchType) ' |
        fact slurm.config
    [ -z "${SLURM_JOB_ID:-}" ] || env | grep -E '^(SLURM_(CPU|MEM|TASK|NTASKS|JOB_CPUS|JOB_PARTITION|GPUS|MPI)|SRUN_|PMI|PALS)' | sort | fact slurm.environment
}
