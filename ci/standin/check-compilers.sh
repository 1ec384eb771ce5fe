# SPDX-License-Identifier: GPL-2.0-only
# Part of ci/standin/check, run after the checks of PrgEnv-gnu: the other PrgEnvs, HIP and GTL, where the root has them.
needs() { grep -q "NEEDED.*\[$2" <(readelf -d "$1"); }
gfx90a() { # the device code of a HIP object or program is for gfx90a, and for nothing else
  local list
  objcopy -O binary --only-section=.hip_fatbin "$1" fat.bin &&
    list=$("$ROCM_PATH/llvm/bin/clang-offload-bundler" --list --type=o --input=fat.bin) &&
    [ "$(grep -v ^host <<< "$list")" = hipv4-amdgcn-amd-amdhsa--gfx90a ] || { echo "device code: $list"; return 1; }
}
has_compiler() { [ -d "$root/opt/cray/pe/lmod/modulefiles/core/PrgEnv-$1" ]; }
enter_prgenv() { # PrgEnv, compiler module, target modules...
  module purge 2>/dev/null
  module load "${@:3}" craype-network-ofi "PrgEnv-$1/$(version PrgEnv-$1)" "$2/$(version $2)" 2>/dev/null
  for name in craype cray-mpich cray-libsci; do module load "$name/$(version $name)" 2>/dev/null; done
}

for words in 'cray cce libmpi_cray libcraymp' 'aocc aocc libmpi_aocc libomp' 'amd amd libmpi_amd libomp'; do
  read -r env compiler mpi openmp <<< "$words"
  has_compiler "$env" || { echo "    --   no PrgEnv-$env"; continue; }
  enter_prgenv "$env" "$compiler" craype-x86-milan craype-accel-host
  is "PrgEnv-$env: \$PE_ENV" test "$PE_ENV" = "${env^^}"
  is "$env: module $compiler/$(version $compiler)" module is-loaded "$compiler/$(version $compiler)"
  is "$env: cc is clang" grep -q '^#define __clang_major__' <(cc -dM -E -x c /dev/null)
  is "$env: cc, MPI" both cc -O2 hello.c c
  is "$env: CC, MPI" both CC '-O2 -x c++' hello.c cxx
  is "$env: ftn, use mpi" both ftn '' hello.f90 f
  is "$env: ftn, use mpi_f08" both ftn '' hello08.f90 f08
  is "$env: MPI is $mpi" needs c "$mpi\.so\.12"
  is "$env: ... and for nobody else" not grep -q 'libmpi_gnu' <(ldd f)
  is "$env: mpicc" both mpicc '' hello.c mc
  is "$env: dgemm, pdgesv, OpenMP" both ftn -fopenmp algebra.f90 algebra_mp
  is "$env: OpenMP is $openmp" grep -q "$openmp\.so" <(ldd algebra_mp)
  is "$env: ... and not libgomp beside it" not grep -q libgomp <(ldd algebra_mp)
  is "$env: cc refuses what clang does not know" fails_with 'unknown argument' cc -fallow-argument-mismatch -c "$programs/hello.c"
  is "$env: ftn refuses what its compiler does not know" fails_with 'error' ftn -fallow-argument-mismatch -c "$programs/hello.f90"
  is "$env: --cray-print-opts=libs" grep -q -- "-lmpi_$env" <(cc --cray-print-opts=libs)
  module load "cray-hdf5-parallel/$(version cray-hdf5-parallel)" "cray-netcdf-hdf5parallel/$(version cray-netcdf-hdf5parallel)" \
    "cray-fftw/$(version cray-fftw)" 2>/dev/null
  is "$env: HDF5, parallel" both cc '' hdf5.c hdf5
  is "$env: ftn, netCDF" one ftn '' netcdf.f90 netcdff
  is "$env: FFTW over MPI" both cc -lm fftw.c fftw
  is "$env: one MPI in a program with FFTW and HDF5" not grep -q 'libmpi_gnu' <(ldd fftw; ldd hdf5)
done
echo 'int main(void) { return there(); } int there(void) { return 0; }' > implicit.c
printf 'module mymath\ninteger :: three = 3\nend module\n' > mymath.f90
printf 'use mymath\nif (three /= 3) stop 1\nend\n' > usesmath.f90
enter_prgenv gnu "$gcc" craype-x86-milan craype-accel-host
if [ "$(version "$gcc" | cut -d. -f1)" -ge 14 ]; then
  is 'gnu: cc rejects C that GCC 14 rejects' fails_with implicit-function-declaration cc -c implicit.c
  is 'gnu: the bare gcc does too' fails_with implicit-function-declaration gcc -c implicit.c
  is 'gnu: cc -std=gnu89 takes it' cc -std=gnu89 -w -c implicit.c
fi
is 'gnu: the bare gcc links no MPI' fails_with 'mpi.h\|MPI_Init' gcc "$programs/hello.c" -o bare
if has_compiler cray; then
  enter_prgenv cray cce craype-x86-milan craype-accel-host
  is 'cray: the bare gcc is 7.5' grep -q '7\.5\.0' <(gcc --version)
  is 'cray: ... and refuses what is newer' fails_with 'unrecognized command' g++ -std=c++20 -c implicit.c
  is 'cray: ftn is not GNU' not grep -qi gnu <(ftn --version 2>&1)
  is 'cray: ftn writes MYMATH.mod' eval 'ftn -c mymath.f90 && test -e MYMATH.mod && ! test -e mymath.mod'
  is 'cray: ... and reads it' eval 'ftn usesmath.f90 mymath.o -o usesmath && ./usesmath'
  is 'cray: ftn refuses -march=native' fails_with ftn-78 ftn -march=native -c mymath.f90
  printf 'if (kind(1) /= 8 .or. kind(1.0) /= 8) stop 1\nend\n' > kind.f90
  is 'cray: cc takes the options of craycc' cc -ffp=1 -c "$programs/hello.c"
  is 'cray: ftn takes the options of crayftn' eval 'ftn -sinteger64 -sreal64 -hpic -ef kind.f90 -o kind && ./kind'
fi

if [ -d "$root/opt/cray/pe/lmod/modulefiles/core/rocm" ]; then
  for words in "gnu $gcc" 'cray cce' 'amd amd'; do
    read -r env compiler <<< "$words"
    has_compiler "$env" || continue
    enter_prgenv "$env" "$compiler" craype-x86-trento craype-accel-amd-gfx90a
    module load "rocm/$(version rocm)" 2>/dev/null
    is "$env: hipcc for gfx90a" hipcc --offload-arch=gfx90a "$programs/axpy.hip" -o axpy
    is "$env: device code is for gfx90a only" gfx90a axpy
    is "$env: without a GPU the program says so" fails_with hipErrorNoDevice ./axpy
    is "$env: GTL is linked for craype-accel-amd-gfx90a" cc "$programs/hello.c" -o with_gtl
    is "$env: ... by its name" needs with_gtl 'libmpi_gtl_hsa\.so'
    module load craype-accel-host 2>/dev/null
    is "$env: ... and not for craype-accel-host" cc "$programs/hello.c" -o without_gtl
    is "$env: ... at all" not needs without_gtl libmpi_gtl
    module load craype-accel-amd-gfx90a 2>/dev/null
    is "$env: both run without GPU support" eval 'srun -n 2 ./with_gtl && srun -n 2 ./without_gtl'
    export MPICH_GPU_SUPPORT_ENABLED=1
    is "$env: with it, the one with GTL runs" srun -n 2 ./with_gtl
    is "$env: ... and calls HIP" grep -q '0 GPUs (hipErrorNoDevice)' <(STANDIN_GTL_VERBOSE=1 srun -n 2 ./with_gtl 2>&1)
    is "$env: ... and the other stops in MPI_Init" fails_with 'GTL library is not linked' srun -n 2 ./without_gtl
    unset MPICH_GPU_SUPPORT_ENABLED
    [ "$env" = gnu ] && continue
    is "$env: CC -x hip" CC -x hip --offload-arch=gfx90a -c "$programs/axpy.hip" -o axpy.o
    is "$env: ... is for gfx90a only" gfx90a axpy.o
    is "$env: CC -fopenmp -x hip is refused while the GPU is targeted" \
      fails_with 'fopenmp-targets.*HIP' CC -fopenmp -x hip --offload-arch=gfx90a -c "$programs/axpy.hip" -o axpy.o
    module load craype-accel-host 2>/dev/null
    is "$env: ... and taken with craype-accel-host" CC -fopenmp -x hip --offload-arch=gfx90a -c "$programs/axpy.hip" -o axpy.o
  done
else echo '    --   no rocm'; fi
