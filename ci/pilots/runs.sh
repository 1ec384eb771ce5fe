# shellcheck shell=sh disable=SC2012,SC2154
# SPDX-License-Identifier: GPL-2.0-only
# Part of ci/pilot: what runs within jobs. What a program prints is kept in results/.
missing='' ran_any=''

# ran NAME SECONDS COMMAND…: its output in results/NAME.txt; a failure is noted, and the next one is tried
ran() {
    run_name=$1 run_limit=$2
    shift 2
    { echo "\$ $*"; limited "$run_limit" "$@"; } >"$results/$run_name.txt" 2>&1
    run_code=$? ran_any=yes
    echo "exit code $run_code" >>"$results/$run_name.txt"
    echo "== $run_name: exit code $run_code"
    [ $run_code = 0 ] || missing="$missing $run_name"
}

# Ends a job: what failed is named.
all_ran() {
    [ -n "$ran_any" ] || cannot 'there is nothing to run: see the steps before'
    [ -z "$missing" ] || give_up "failed:$missing (what they printed is in $results)"
}

# One rank on each of two nodes, or two on one
two_ranks() { if [ "$nodes" = 2 ]; then echo '-N 2 -n 2 --ntasks-per-node=1'; else echo '-N 1 -n 2'; fi; }

# What `lumi-eb job MODULE --test` writes, within this job: its own lines for Slurm are comments here
inside_run_flagship() {
    enter_stack C
    flagship=$(cat "$state/flagship")
    name=$(module_of C "$flagship") || cannot "$flagship is not installed: see the step before"
    limited 300 "$root/bin/lumi-eb" job "$name" --test --account "${account:-x}" --output "$jobdir/test.$flagship.sh" ||
        cannot "there is no test of $name: lumi-eb job $name --test says why"
    ran "test.$flagship" 1500 bash "$jobdir/test.$flagship.sh"
    all_ran
}

# shellcheck disable=SC2046  # options of srun
inside_run_cpu() {
    enter_stack C
    if name=$(module_of C mpi4py) && load "$name"; then
        ran mpi4py 120 srun $(two_ranks) python3 -c 'from mpi4py import MPI; c = MPI.COMM_WORLD; print("rank", c.rank, "of", c.size, c.allreduce(1), MPI.Get_library_version())'
    else
        echo 'mpi4py is not installed'
    fi
    [ ! -x "$output/hypre" ] || { name=$(module_of C Hypre) && load "$name" && ran hypre 120 srun $(two_ranks) "$output/hypre"; }
    installed=$(software C OSU-Micro-Benchmarks) && name=$(module_of C OSU-Micro-Benchmarks) && load "$name"
    # turn by turn: what else uses the network disturbs both alike
    for turn in 1 2 3; do
        for place in ${installed:+"$installed"} "$output/by-hand"; do
            [ -d "$place" ] || continue
            case $place in "$output/by-hand") kind=by-hand ;; *) kind=installed ;; esac
            for test in osu_bw osu_latency; do
                program=$(find "$place" -name $test -type f -perm -100 | head -n 1)
                [ -z "$program" ] || ran "$test.$kind.$turn" 120 srun $(two_ranks) "$program"
            done
        done
    done
    compare_bandwidth
    all_ran
}

# The largest value of each, in MB/s
compare_bandwidth() {
    for kind in installed by-hand; do
        cat "$results"/osu_bw.$kind.*.txt 2>/dev/null | awk -v kind=$kind '$1 ~ /^[0-9]+$/ && $2 + 0 > best { best = $2 + 0 }
            END { if (best) print kind, best, "MB/s" }'
    done >"$results/osu_bw.txt"
    cat "$results/osu_bw.txt"
}

inside_run_packed() {
    [ -e "$output/packed.squashfs" ] || cannot 'there is no packed installation'
    program=$(command -v squashfuse_ll || command -v squashfuse) || cannot 'there is no squashfuse on this node'
    unmount=$(command -v fusermount3 || command -v fusermount) || unmount=''
    # in the file system of the results: environments are mounted over folders of a prefix
    mount=$(mktemp -d "$output/mount.XXXXXX") || give_up 'no folder to mount on can be made'
    if ! limited 60 "$program" "$output/packed.squashfs" "$mount"; then
        rmdir "$mount"
        cannot "$program can't mount: $(ls -l /dev/fuse 2>&1 | cut -c 1-10)"
    fi
    trap 'cd /; ${unmount:+$unmount -u "$mount"} || umount "$mount"; rmdir "$mount"' EXIT
    trap 'exit 130' INT TERM HUP
    ls "$mount"
    enter_stack C
    program=$(find "$mount" -name osu_bw -type f | head -n 1)
    if [ -n "$program" ]; then
        load "$(module_of C OSU-Micro-Benchmarks)"
        ran packed.osu_bw 120 srun -N 1 -n 2 "$program"
    else
        load "$(module_of C mpi4py)"
        folder=$(find "$mount" -type d -name site-packages | head -n 1)
        ran packed.mpi4py 120 env PYTHONPATH="$folder" srun -N 1 -n 2 python3 -c 'from mpi4py import MPI; import mpi4py; print(mpi4py.__file__, MPI.COMM_WORLD.size)'
    fi
    all_ran
}

# Open MPI is started by its own mpirun, and a wrong provider has to end it
inside_run_fabric() {
    enter_stack C
    if place=$(software C libfabric); then
        ran fi_info.cxi 60 srun -n 1 "$place/bin/fi_info" -p cxi
        ran fi_info.lnx 60 env FI_LNX_PROV_LINKS=shm+cxi srun -n 1 "$place/bin/fi_info" -p lnx
    fi
    name=$(module_of C OpenMPI) || cannot 'Open MPI is not installed'
    load "$name" || give_up "$name cannot be loaded"
    module unload cray-mpich
    mpicc -o "$jobdir/hello.openmpi" "$parts/programs/hello.c" || give_up 'mpicc of Open MPI failed'
    ran openmpi.cxi 120 env FI_PROVIDER=cxi mpirun -n 2 --map-by "ppr:$((3 - nodes)):node" "$jobdir/hello.openmpi"
    if limited 120 env FI_PROVIDER=nosuch mpirun -n 2 "$jobdir/hello.openmpi" >"$results/openmpi.nosuch.txt" 2>&1; then
        give_up 'Open MPI ran without a provider: it does not go over libfabric'
    fi
    all_ran
}

# shellcheck disable=SC2046  # options of srun
inside_run_gpu() {
    enter_stack G
    installed=$(software G OSU-Micro-Benchmarks) || cannot "OSU's benchmarks are not installed for GPUs"
    load "$(module_of G OSU-Micro-Benchmarks)" || give_up 'their module cannot be loaded'
    MPICH_GPU_SUPPORT_ENABLED=1
    export MPICH_GPU_SUPPORT_ENABLED
    for test in osu_bw osu_latency; do
        program=$(find "$installed" -name $test -type f -perm -100 | head -n 1)
        [ -n "$program" ] || continue
        ran "$test.gpu.needed" 30 readelf -d "$program"
        ran "$test.gpu" 180 srun $(two_ranks) "$program" -d rocm D D
        ran "$test.host" 180 srun $(two_ranks) "$program" H H
    done
    for name in HeFFTe LAMMPS ELPA; do
        place=$(software G $name) || continue
        find "$place" -type f \( -name '*.so*' -o -perm -100 \) | head -n 50 | while read -r path; do
            limited 10 readelf -d "$path" 2>/dev/null | grep -e NEEDED | sed "s|^|${path##*/}: |"
        done >"$results/$name.needed.txt"
    done
    all_ran
}
