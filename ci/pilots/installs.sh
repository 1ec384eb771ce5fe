# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: GPL-2.0-only
# Part of ci/pilot: plans and installations, on the login node.
MPI4PY=mpi4py-4.1.0-gompi-2025a.eb OSU='OSU-Micro-Benchmarks-7.5-gompi-2025a.eb' HYPRE=Hypre-2.32.0-foss-2024a.eb
OSU_CUDA='OSU-Micro-Benchmarks-7.5-gompi-2025a-CUDA-12.8.0.eb'
LIBFABRIC=libfabric-2.3.1-GCCcore-14.2.0-cxi.eb OPENMPI=OpenMPI-5.0.7-GCC-14.2.0.eb
AWS_OFI_NCCL=aws-ofi-nccl-1.18.0-rocm-compilers-19.0.0-ROCm-6.4.1.eb
# --applications: these take long
APPLICATIONS='HeFFTe-2.4.1-foss-2024a-CUDA-12.6.0.eb LAMMPS-29Aug2024_update2-foss-2023b-kokkos-CUDA-12.4.0.eb ELPA-2024.05.001-foss-2024a-CUDA-12.6.0.eb'

do_plan() { step plan 'plans, with the EasyBuild of the release' plan_recipes; }

plan_recipes() {
    enter_stack C
    mkdir -p "$results/plans"
    missed=''
    sed 's/#.*//; s/[[:space:]]//g; /^$/d' "$recipes" >"$state/recipes"
    while read -r recipe; do
        say "   $recipe"
        limited 300 "$root/bin/lumi-eb" plan --json "$recipe" >"$results/plans/$(basename "$recipe").json" \
            2>"$results/plans/$(basename "$recipe").err" || missed="$missed $(basename "$recipe")"
    done <"$state/recipes"
    find "$results/plans" -size 0 -exec rm -f {} +
    # a refusal is an answer; that there is no such recipe in this EasyBuild is one, too
    [ -z "$missed" ] || say "   without a plan (the reasons are in results/plans):$missed"
    ls "$results"/plans/*.json >/dev/null 2>&1 || give_up 'there is no plan at all'
}

do_cpu() {
    step install-mpi4py "installing $MPI4PY" install C mpi4py "$MPI4PY"
    step install-osu "installing $OSU" install C OSU-Micro-Benchmarks "$OSU"
    step install-hypre "installing $HYPRE" install C Hypre "$HYPRE"
    step osu-by-hand 'the same benchmarks, compiled by hand with cc' osu_by_hand
    step hypre-program 'a program that calls Hypre' hypre_program
    step cpu-job "programs of MPI on $nodes node(s)" job run_cpu
}

do_flagship() {
    [ "$(cat "$state/flagship" 2>/dev/null)" = "$flagship" ] || rm -f "$jobdir/run_flagship".*
    echo "$flagship" >"$state/flagship"
    step "install-$flagship" "installing $flagship and what it needs" install C "$flagship" "$flagship"
    step "test-$flagship" "the tests of $flagship, on two ranks" job run_flagship
}

do_gpu() {
    step install-osu-rocm "installing $OSU_CUDA as -rocm" install G OSU-Micro-Benchmarks "$OSU_CUDA"
    step gpu-job "buffers on GPUs, over $nodes node(s)" job run_gpu
    [ -n "$applications" ] || return 0
    for recipe in $APPLICATIONS; do
        step "install-${recipe%%-*}-rocm" "installing $recipe as -rocm" install G "${recipe%%-*}" "$recipe"
    done
}

do_fabric() {
    step install-openmpi "installing $OPENMPI" install C OpenMPI "$OPENMPI"
    step install-libfabric "installing $LIBFABRIC" install C libfabric "$LIBFABRIC"
    step install-aws-ofi-nccl "installing $AWS_OFI_NCCL" install G aws-ofi-nccl "$AWS_OFI_NCCL"
    step fabric-job "Open MPI over CXI on $nodes node(s)" job run_fabric
}

# Folder and module of what is installed: software PARTITION NAME, module_of PARTITION NAME
software() { for found in "$prefix/SW/LUMI-$release/$1/$2"/*/; do [ -d "$found" ] && printf '%s' "${found%/}" && return; done; return 1; }
module_of() {
    for found in "$prefix/modules/LUMI/$release/partition/$1/$2"/*.lua; do
        [ -e "$found" ] || return 1
        found=${found%.lua}
        printf '%s/%s' "$2" "${found##*/}"
        return
    done
}

# An unmodified recipe of upstream's, its dependencies, and verify's judgement
install() {
    enter_stack "$1"
    log=$results/eb.$2.$1.txt
    # the name of a software alone: the recipe that suits the release best
    case $3 in
        *.eb) eb "$3" -r ;;
        *) "$root/bin/lumi-eb" install --yes "$3" ;;
    esac >"$log" 2>&1
    code=$?
    cat "$log"
    if [ $code != 0 ]; then
        grep -h -o '/[^ ]*easybuild-[^ ]*\.log' "$log" | sort -u | head -n 4 | while read -r path; do
            [ ! -r "$path" ] || tail -c 300000 "$path" >"$results/failed.$2.$1.$(basename "$path")"
        done
        if grep -q "Couldn't find file\|Failed to download\|unable to download" "$log"; then
            cannot "the sources of $3 can't be had: put them into $prefix/sources, and try again"
        fi
        if grep -q "Can't find path\|not found in robot\|no recipe" "$log"; then cannot "EasyBuild has no recipe $3"; fi
        give_up "$(grep -h 'ERROR\|lumi-hooks:' "$log" | tail -n 1 | cut -c 1-200)"
    fi
    name=$(module_of "$1" "$2") || give_up "eb said that it was installed, and there is no module $2"
    limited 300 "$root/bin/lumi-eb" verify --json "$name" >"$results/verify.$2.$1.json" 2>"$results/verify.$2.$1.err"
    code=$?
    say "   $name, verify: exit code $code"
    [ $code -le 1 ] || cat "$results/verify.$2.$1.err"
    limited 120 "$root/bin/lumi-eb" explain --json "$name" >"$results/explain.$2.$1.json" 2>"$results/explain.$2.$1.err"
    { echo "inodes $(find "$(software "$1" "$2")" | wc -l)"; echo "KiB $(du -sk "$(software "$1" "$2")" | cut -f 1)"; } >"$results/size.$2.$1.txt"
}

# The same source, as its manual says it: configure with the wrappers, make
osu_by_hand() {
    enter_stack C
    load "cpeGNU/$release" || give_up "cpeGNU/$release can't be loaded"
    for source in "$prefix"/sources/o/OSU-Micro-Benchmarks/osu-micro-benchmarks-*.tar.gz; do :; done
    [ -e "$source" ] || cannot 'the source of OSU-Micro-Benchmarks is not there'
    rm -rf "$output/by-hand" && mkdir -p "$output/by-hand" && cd "$output/by-hand" || exit 1
    tar -xzf "$source" && cd osu-micro-benchmarks-* && ./configure CC=cc CXX=CC && make -j 8 && [ -n "$(find . -name osu_bw -perm -100)" ]
}

hypre_program() {
    enter_stack C
    name=$(module_of C Hypre) || cannot 'Hypre is not installed'
    load "$name" || give_up "$name can't be loaded"
    cc -I"$EBROOTHYPRE/include" -o "$output/hypre" "$parts/programs/hypre.c" -L"$EBROOTHYPRE/lib" -lHYPRE -lm
}

do_packed() {
    step pack-image 'an installation as one squashfs file' squashfs
    step packed-job 'the file mounted in a job' job run_packed
}

squashfs() {
    command -v mksquashfs >/dev/null 2>&1 || cannot 'there is no mksquashfs'
    source=$(software C OSU-Micro-Benchmarks || software C mpi4py) || cannot 'nothing is installed yet (cpu does that)'
    mksquashfs "$source" "$output/packed.part" -noappend -quiet -no-progress -comp zstd -Xcompression-level 3 || give_up 'mksquashfs failed'
    mv "$output/packed.part" "$output/packed.squashfs"
    { echo "source ${source#"$prefix"/}"; echo "inodes $(find "$source" | wc -l)"; echo "KiB $(du -sk "$source" | cut -f 1)"
      echo "packed KiB $(du -sk "$output/packed.squashfs" | cut -f 1)"; } >"$results/packed.txt"
}
