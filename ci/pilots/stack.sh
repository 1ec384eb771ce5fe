# shellcheck shell=sh disable=SC2012,SC2154
# SPDX-License-Identifier: GPL-2.0-only
# Part of ci/pilot: facts of the Cray PE and LUMI's stack: modules, compilers, Python, EasyBuild, MPI.
PRGENVS='PrgEnv-gnu PrgEnv-cray PrgEnv-aocc PrgEnv-amd'

# Names of modules, hidden ones as well, one a line
module_names() { lmod_says -t --show_hidden avail "$@" | grep -v -e ':$' -e '/$' -e ' ' | sed 's/(.*//' | sort -u; }

facts_of_modules() {
    [ -n "${LMOD_CMD:-}" ] || return 0
    env | grep '^LMOD_' | grep -v '^LMOD_FAMILY' | sort | fact lmod.environment
    lmod_says --config >"$logs/lmod-config.txt"
    fact lmod.version "$(sed -n 's/^Lmod version  *//p' "$logs/lmod-config.txt")"
    fact lmod.config <"$logs/lmod-config.txt"
    module_names LUMI | fact lumi.releases
    fact lumi.default "$(lmod_says -t -d avail LUMI | grep '^LUMI/')"
    fact lumi.folder "$(stack_root)"
    for number in $(module_names LUMI | sed -n 's/^LUMI\/\([0-9][0-9]\.[0-9][0-9]\)$/\1/p'); do
        for letter in C G; do
            ( EBU_USER_PREFIX=$prefix && export EBU_USER_PREFIX && load "LUMI/$number" "partition/$letter" &&
                module_names >"$logs/modules.$number.$letter" && env >"$logs/env.$number.$letter" &&
                load EasyBuild-user && env >"$logs/env-eb.$number.$letter" ) || rm -f "$logs/env.$number.$letter"
            [ -s "$logs/env.$number.$letter" ] || continue
            fact "release.$number.$letter.modules" <"$logs/modules.$number.$letter"
            sed -n 's/^LOADEDMODULES=//p' "$logs/env.$number.$letter" | tr : '\n' | fact "release.$number.$letter.loaded"
            grep -s '^EASYBUILD_\|^EB_' "$logs/env-eb.$number.$letter" | sort | fact "release.$number.$letter.easybuild"
            fact "release.$number.$letter.optarch" "$(sed -n 's/^EASYBUILD_OPTARCH=//p' "$logs/env-eb.$number.$letter" 2>/dev/null)"
            rm -f "$logs/env.$number.$letter" "$logs/env-eb.$number.$letter"
        done
    done
    fact_shows "buildtools/$release" "buildtools-python" OpenGL craype-network-ofi craype-network-none craype-accel-host \
        craype-accel-amd-gfx90a craype-x86-milan craype-x86-trento rocm libfabric xpmem cray-mpich cray-libsci cray-python
    ( load "LUMI/$release" partition/C "buildtools/$release" && ls "$EBROOTBUILDTOOLS/bin" >"$logs/buildtools.list" &&
        cmake --version >"$logs/cmake.version" 2>/dev/null ) && fact buildtools.programs <"$logs/buildtools.list"
    [ ! -s "$logs/cmake.version" ] || fact buildtools.cmake "$(sed -n 's/^cmake version //p' "$logs/cmake.version")"
}

# The partition that LUMI chooses for this node
facts_of_partition() {
    [ -n "${LMOD_CMD:-}" ] || return 0
    fact lumi.partition "$(load "LUMI/$release" >/dev/null 2>&1; echo "${LUMI_STACK_PARTITION:-}")"
}

# module.show.NAME: what the modules do, as partition C of the release has them
fact_shows() {
    (
        load "LUMI/$release" partition/C || exit
        for name in "$@"; do
            lmod_says show "$name" >"$work/show.txt" 2>/dev/null
            ! grep -q 'Failed to find\|are unknown' "$work/show.txt" || : >"$work/show.txt"
            fact "module.show.${name%%/*}" <"$work/show.txt"
        done
    )
}

facts_of_easybuild() {
    ( EBU_USER_PREFIX=$prefix && export EBU_USER_PREFIX && load "LUMI/$release" partition/C EasyBuild-user && facts_of_eb )
}

facts_of_eb() {
    fact easybuild.version "$(limited 120 eb --version 2>/dev/null | sed -n 's/.*framework: \([0-9.]*\).*/\1/p')"
    limited 120 eb --show-config 2>&1 | fact easybuild.config
    fact easybuild.python "$(limited 20 "${EB_PYTHON:-python3}" --version 2>&1 | sed 's/^Python //')"
    fact easybuild.recipes "$(limited 300 find -L "${EBROOTEASYBUILD:-/nonexistent}" -name '*.eb' 2>/dev/null | grep -c .)"
    limited 60 "$root/bin/lumi-eb" --version 2>&1 | fact lumi-eb.version
    limited 120 "$root/bin/lumi-eb" status --json 2>&1 | fact lumi-eb.status
    for name in rich elftools zstandard graphviz cyclonedx; do
        if limited 30 "${EB_PYTHON:-python3}" -c "import $name" 2>/dev/null; then fact "easybuild.python.$name" yes; else fact "easybuild.python.$name" no; fi
    done
}

# Each Cray PE's Python: what it carries. Its own packages alone: -I leaves those of the user's home out
facts_of_python() {
    for folder in "$(system_root)"/opt/cray/pe/python/*/; do
        [ -x "${folder}bin/python3" ] || continue
        number=$(basename "$folder")
        limited 60 "${folder}bin/python3" -I -m pip list --disable-pip-version-check --format=freeze 2>/dev/null | fact "python.$number.packages"
        limited 60 "${folder}bin/python3" -I -c 'import numpy; numpy.show_config()' 2>&1 | fact "python.$number.numpy"
    done
}

facts_of_libraries() {
    pe=$(system_root)/opt/cray/pe
    ls "$pe/lib64" 2>/dev/null | fact pe.lib64
    find -L "$pe/lib64" -maxdepth 1 -type f -name '*.so*' -exec readelf -d {} + 2>/dev/null |
        sed -n 's/.*(SONAME).*\[\(.*\)\].*/\1/p' | sort -u | fact pe.sonames
    ls "$pe" 2>/dev/null | fact pe.products
    ls "$(system_root)/opt/cray/libfabric" 2>/dev/null | fact libfabric.folders
    find "$(system_root)/opt" -maxdepth 1 -name 'rocm*' -exec basename {} \; 2>/dev/null | sort | fact rocm.folders
    cat /etc/ld.so.conf /etc/ld.so.conf.d/* 2>/dev/null | grep '^/' | fact loader.folders
    limited 20 /sbin/ldconfig -p 2>/dev/null | grep -e cray -e libfabric -e libcxi | awk '{ print $1, $NF }' | fact loader.cray
    fact libfabric.version "$(limited 10 pkg-config --modversion libfabric 2>/dev/null)"
    fact libfabric.prefix "$(limited 10 pkg-config --variable=prefix libfabric 2>/dev/null)"
    fact xpmem.version "$(limited 10 pkg-config --modversion cray-xpmem 2>/dev/null)"
}

# Each programming environment of the release: versions, variables, what the wrappers add
facts_of_prgenvs() {
    for prgenv in $PRGENVS; do
        ( load "LUMI/$release" partition/C "$prgenv" && facts_of_prgenv "$prgenv" )
    done
}

facts_of_prgenv() {
    key=prgenv.$1
    echo "${LOADEDMODULES:-}" | tr : '\n' | fact "$key.loaded"
    env | grep -E '^(CRAY|PE_|MPICH|CPE|GCC_|AOCC|ROCM|HIP|LIBSCI|FFTW|HDF5|NETCDF)' | grep -v -i -e token -e secret -e passw | sort | fact "$key.environment"
    for wrapper in cc CC ftn; do
        fact "$key.$wrapper.version" "$(limited 30 "$wrapper" --version 2>&1 | head -n 3)"
    done
    case $1 in PrgEnv-gnu) fact gcc.PrgEnv-gnu.version "$(limited 30 cc -dumpfullversion -dumpversion 2>/dev/null)" ;; esac
    fact "gcc.under.$1.version" "$(limited 30 gcc -dumpfullversion -dumpversion 2>/dev/null)"
    limited 30 cc --cray-print-opts=cflags 2>&1 | fact "$key.print-opts.cflags"
    limited 30 cc --cray-print-opts=libs 2>&1 | fact "$key.print-opts.libs"
    echo 'int main(void) { return 0; }' >"$work/empty.c"
    limited 60 cc -craype-verbose -o "$work/empty" "$work/empty.c" 2>&1 | head -n 3 | fact "$key.cc.command"
    ls "${CRAY_LIBSCI_PREFIX_DIR:-${CRAY_PE_LIBSCI_PREFIX_DIR:-/nonexistent}}/lib" 2>/dev/null | fact "$key.libsci.files"
    ls "${CRAY_MPICH_DIR:-/nonexistent}/lib" 2>/dev/null | fact "$key.mpich.files"
    ls "${CRAY_MPICH_DIR:-/nonexistent}/bin" 2>/dev/null | fact "$key.mpich.programs"
    ls "${CRAY_MPICH_ROOTDIR:-/nonexistent}/gtl/lib" 2>/dev/null | fact "$key.gtl.files"
    [ "$1" != PrgEnv-gnu ] || facts_of_products
    facts_of_fortran "$1"
}

# product.NAME.variables: folders that each module of the Cray PE sets, here under PrgEnv-gnu
facts_of_products() {
    for name in gcc-native cray-mpich cray-libsci cray-hdf5 cray-hdf5-parallel cray-netcdf cray-netcdf-hdf5parallel \
        cray-parallel-netcdf cray-fftw papi cray-pmi cray-python cray-R rocm; do
        ( load "$name" && env ) >"$work/product" 2>/dev/null || continue
        sed -n 's/^\([A-Z0-9_]*\(PREFIX\|PATH\|DIR\|ROOT\)[A-Z_]*\)=.*/\1/p' "$work/product" | sort | fact "product.$name.variables"
        [ "$name" != cray-hdf5-parallel ] || ls "$(sed -n 's/^CRAY_HDF5_PARALLEL_PREFIX=//p' "$work/product")/lib" | fact product.cray-hdf5-parallel.files
        [ "$name" != cray-netcdf ] || ls "$(sed -n 's/^CRAY_NETCDF_PREFIX=//p' "$work/product")/bin" | fact product.cray-netcdf.programs
    done
}

# Options of gfortran, taken or refused by this Fortran compiler (releases/compilers.json says by which)
facts_of_fortran() {
    command -v ftn >/dev/null 2>&1 || return 0
    printf 'program p\nend program p\n' >"$work/p.f90"
    while read -r option; do
        case $option in -*) ;; *) continue ;; esac
        if ( cd "$work" && limited 30 ftn "$option" -c p.f90 ) >/dev/null 2>&1; then echo "$option yes"; else echo "$option no"; fi
    done <"$parts/fortran-options.list" | fact "prgenv.$1.fortran.options"
    printf 'module Some_Module\nend module Some_Module\n' >"$work/m.f90"
    ( cd "$work" && limited 30 ftn -c m.f90 && ls -- *.mod *.MOD 2>/dev/null ) 2>/dev/null | fact "prgenv.$1.fortran.module-file"
}

# An MPI program: without a launcher, without a network, with GPU support that it was not linked for
facts_of_mpi() {
    ( load "LUMI/$release" partition/C "cpeGNU/$release" && facts_of_program )
}

facts_of_program() {
    fact_of mpi.compile 120 cc -o "$work/hello" "$parts/programs/hello.c"
    [ -x "$work/hello" ] || return 0
    limited 10 readelf -d "$work/hello" 2>/dev/null | sed -n 's/.*(\(NEEDED\|RPATH\|RUNPATH\)).*\[\(.*\)\].*/\1 \2/p' | fact mpi.linked
    fact_of mpi.bare 30 "$work/hello"
    fact_of mpi.no-network 30 unshare -rn "$work/hello"
    fact_of mpi.gpu-support 30 env MPICH_GPU_SUPPORT_ENABLED=1 "$work/hello"
    [ -z "${SLURM_JOB_ID:-}" ] || fact_of mpi.srun 90 srun -n 2 "$work/hello"
    if [ -n "${SLURM_JOB_ID:-}" ]; then fact_of mpi.version 60 env MPICH_VERSION_DISPLAY=1 MPICH_ENV_DISPLAY=1 srun -n 1 "$work/hello"; fi
    load cray-python || return 0
    fact_of mpi.python.bare 60 python3 -c 'from mpi4py import MPI; print(MPI.Get_library_version())'
}

# On a node with GPUs, under partition G
facts_of_gpus() {
    ( load "LUMI/$release" partition/G "cpeGNU/$release" rocm && facts_of_rocm )
}

facts_of_rocm() {
    echo "${LOADEDMODULES:-}" | tr : '\n' | fact rocm.loaded
    fact rocm.path "${ROCM_PATH:-}"
    fact rocm.version "$(head -n 1 "${ROCM_PATH:-/nonexistent}/.info/version" 2>/dev/null | sed 's/-.*//')"
    env | grep -E '^(CMAKE_PREFIX_PATH|HIP|ROCM|CRAY_ROCM|CRAY_ACCEL|PE_MPICH_GTL|HSA|LD_LIBRARY_PATH)' | sort | fact rocm.environment
    fact rocm.cmake_prefix_path "${CMAKE_PREFIX_PATH:-}"
    [ ! -r /sys/module/amdgpu/version ] || fact gpu.driver "$(cat /sys/module/amdgpu/version)"
    ! command -v rocminfo >/dev/null 2>&1 || limited 60 rocminfo 2>/dev/null | grep -o 'gfx[0-9a-f]*[:a-z+-]*' | sort -u | fact gpu.targets
    fact_of gpu.arch 60 "${ROCM_PATH:-}/llvm/bin/amdgpu-arch"
    fact_of gpu.topology 60 rocm-smi --showtoponuma
    fact rocm.alias "$(load rocm/6.0.3 2>/dev/null; echo "${ROCM_PATH:-}")"
    ls /sys/class/cxi 2>/dev/null | fact gpu.cxi
    fact_of hip.version 60 hipcc --version
    # is GTL, named in a link of hipcc, still needed by what comes out?
    # shellcheck disable=SC2086  # flags
    fact_of hip.gtl.compile 180 hipcc --offload-arch=gfx90a -I"${CRAY_MPICH_DIR:-}/include" -o "$work/gtl" "$parts/programs/gtl.hip" \
        -L"${CRAY_MPICH_DIR:-}/lib" -lmpi ${PE_MPICH_GTL_DIR_amd_gfx90a:-} ${PE_MPICH_GTL_LIBS_amd_gfx90a:-}
    [ ! -x "$work/gtl" ] || limited 10 readelf -d "$work/gtl" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' | fact hip.gtl.needed
    [ ! -x "$work/gtl" ] || fact_of hip.gtl.run 60 env MPICH_GPU_SUPPORT_ENABLED=1 srun -n 1 "$work/gtl"
    fact_of fabric.cxi 60 "$(command -v fi_info || echo "$(pkg-config --variable=prefix libfabric 2>/dev/null)/bin/fi_info")" -p cxi
}
