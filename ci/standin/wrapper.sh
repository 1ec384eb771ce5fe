#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# cc, CC and ftn of the stand-in Cray PE: run the compiler of the loaded PrgEnv with the loaded products.
# One file for the three names; @ROOT@ is filled in when it is installed.
root='@ROOT@'
lang=${0##*/}
target=${CRAY_CPU_TARGET-}
link=yes inputs=no openmp=no hip=no verbose=no dump=no print= before= after= static=no bypass=no expect=no
[ "${CRAYPE_VERBOSE-}" ] && verbose=yes
[ "${CRAYPE_LINK_TYPE-}" = static ] && static=yes

fail() { echo "$lang: $*" >&2; exit 1; }

[ "${PE_ENV-}" ] || fail 'no programming environment is loaded: load one, for instance: module load PrgEnv-gnu'
[ -r "$root/opt/standin/craype/$PE_ENV.sh" ] || fail "the stand-in has no compilers for PrgEnv $PE_ENV"

count=$#
while [ "$count" -gt 0 ]; do
  word=$1; shift; count=$((count - 1))
  if [ $expect != no ]; then
    case $expect$word in -xhip) hip=yes ;; -homp) openmp=yes ;; esac
    expect=no
    set -- "$@" "$word"
    continue
  fi
  case $word in
    -craype-verbose) verbose=yes; continue ;;
    -craype-prepend-opt=*) before="$before ${word#*=}"; continue ;;
    -craype-append-opt=*) after="$after ${word#*=}"; continue ;;
    -dynamic) static=no; continue ;;
    -craympich-* | -craype-* | -target-accel=* | -target-network=*) continue ;;
    -target-cpu=*) target=${word#*=}; continue ;;
    --cray-bypass-pkgconfig) bypass=yes; continue ;;
    --cray-print-opts) print=all; continue ;;
    --cray-print-opts=*) print=${word#*=}; continue ;;
    -V) word=--version ;;
    -static) static=yes; continue ;;
    -c | -S | -E | -M | -MM | -fsyntax-only) link=no ;;
    -dM) dump=yes ;;
    -fopenmp | -fopenmp=* | -homp) openmp=yes ;;
    -xhip) hip=yes ;;
    -o | -I | -L | -J | -D | -U | -l | -x | -MF | -MT | -MQ | -T | -u | -z | -include | -imacros | -isystem | -iquote | \
    -idirafter | -iprefix | -isysroot | -Xlinker | -Xassembler | -Xpreprocessor | -wrapper | -aux-info | --param | -B)
      expect=$word ;;
    -h) [ "$PE_ENV" = CRAY ] && expect=-h ;;
    -) inputs=yes ;;
    -*) ;;
    *) inputs=yes ;;
  esac
  set -- "$@" "$word"
done

march= mpi_name= libsci_name= product_name= openmp_dir= offload=no
# sets compiler, march and the names that libraries have for this programming environment
. "$root/opt/standin/craype/$PE_ENV.sh"
# crayftn has a word of its own for the processor
[ "$PE_ENV$lang" = CRAYftn ] && [ "$march" ] && { export STANDIN_MARCH="$march"; march=-hcpu=$target; }

# nothing to compile or link: a question to the compiler itself (--version, -dumpmachine, -print-search-dirs ...)
if [ $inputs = no ] && [ -z "$print" ]; then
  [ $verbose = yes ] && echo "$compiler $march $*" >&2
  exec $compiler $march "$@"
fi

includes= libs= dirs= always=
use() { # folder of headers, folder of libraries, libraries
  [ -d "$1" ] && includes="$includes -I$1"
  libs="$libs -L$2"; dirs="$dirs $2"
  shift 2
  for lib; do libs="$libs -l$lib"; done
}

mp=
[ $openmp = yes ] && mp=_mp
products=:${PE_PRODUCT_LIST-}:
[ $bypass = yes ] && products=:
IFS=:
for product in $products; do
  unset IFS
  case $product in
    '') ;;
    CRAY_PARALLEL_NETCDF) use "$PNETCDF_DIR/include" "$PNETCDF_DIR/lib" "pnetcdf_$product_name" ;;
    CRAY_NETCDF | CRAY_NETCDF_HDF5PARALLEL)
      kind=; [ "$product" = CRAY_NETCDF_HDF5PARALLEL ] && kind=parallel_
      set_libs="netcdf_$kind$product_name"
      [ "$lang" = ftn ] && set_libs="netcdff_$kind$product_name $set_libs"
      use "$NETCDF_DIR/include" "$NETCDF_DIR/lib" $set_libs ;;
    CRAY_HDF5 | CRAY_HDF5_PARALLEL)
      kind=; [ "$product" = CRAY_HDF5_PARALLEL ] && kind=parallel_
      set_libs="hdf5_hl_$kind$product_name hdf5_$kind$product_name"
      [ "$lang" = ftn ] && set_libs="hdf5hl_fortran_$kind$product_name hdf5_fortran_$kind$product_name $set_libs"
      [ "$lang" = CC ] && set_libs="hdf5_hl_cpp_$kind$product_name hdf5_cpp_$kind$product_name $set_libs"
      use "$HDF5_DIR/include" "$HDF5_DIR/lib" $set_libs ;;
    CRAY_FFTW)
      set_libs='fftw3 fftw3f'
      case $products in *:CRAY_MPICH:*) set_libs='fftw3_mpi fftw3f_mpi fftw3 fftw3f' ;; esac
      # FFTW's OpenMP library needs GCC's run time, which must not come beside that of another compiler
      [ $openmp = yes ] && [ -z "$openmp_dir" ] && set_libs="fftw3_omp fftw3f_omp $set_libs"
      use "$FFTW_INC" "$FFTW_DIR" fftw3_threads fftw3f_threads $set_libs ;;
    CRAY_LIBSCI)
      prefix=${CRAY_PE_LIBSCI_PREFIX_DIR:-${CRAY_LIBSCI_PREFIX_DIR-}}
      set_libs="sci_${libsci_name}_lapacke$mp sci_$libsci_name$mp"
      case $products in *:CRAY_MPICH:*) set_libs="sci_${libsci_name}_mpi$mp $set_libs" ;; esac
      use "$prefix/include" "$prefix/lib" $set_libs ;;
    CRAY_MPICH)
      set_libs="mpi_$mpi_name"
      [ "$lang" = ftn ] && set_libs="mpifort_$mpi_name $set_libs"
      # the transport layer for GPU buffers, when the accelerator is targeted and the library is there
      if [ "${CRAY_ACCEL_TARGET-}" = amd_gfx90a ] && [ -e "${CRAY_MPICH_ROOTDIR-}/gtl/lib/libmpi_gtl_hsa.so" ]; then
        always="$always ${PE_MPICH_GTL_DIR_amd_gfx90a-} ${PE_MPICH_GTL_LIBS_amd_gfx90a-}"
      fi
      use "$MPICH_DIR/include" "$MPICH_DIR/lib" $set_libs ;;
    PAPI) use "$CRAY_PAPI_PREFIX/include" "$CRAY_PAPI_PREFIX/lib64" papi ;;
    *[!A-Z0-9_]*) ;;
    *) # other products say themselves what they want, as LUMI's ROCm modules do
      eval "includes=\"\$includes \${${product}_INCLUDE_OPTS-}\" always=\"\$always \${${product}_POST_LINK_OPTS-}\"" ;;
  esac
  IFS=:
done
unset IFS

rpath="-Wl,-rpath-link,$root/opt/cray/pe/lib64:$root/opt/standin/lib"
if [ "${CRAY_ADD_RPATH-}" = yes ]; then for dir in $dirs; do rpath="$rpath -Wl,-rpath,$dir"; done; fi
[ "$libs" ] && libs="-Wl,--as-needed $libs -Wl,--no-as-needed"
# not as needed: nothing in a program refers to GTL, and a product's own options are taken as they are
libs="$libs $always"
# OpenMP's library, for clang to find by -lomp under the name that this compiler has for it
[ "$openmp_dir" ] && [ $openmp = yes ] && libs="-L$openmp_dir $libs"
# HPE's wrappers compile OpenMP for the targeted GPU too; clang refuses that for HIP, and only that is made here
if [ $openmp$hip$offload = yesyesyes ] && [ "${CRAY_ACCEL_TARGET-}" = amd_gfx90a ]; then
  before="$before -fopenmp-targets=amdgcn-amd-amdhsa -Xopenmp-target=amdgcn-amd-amdhsa -march=gfx90a"
fi

case $print in
  '') ;;
  all) echo $march $includes $libs; exit ;;
  cflags | includes) echo $march $includes; exit ;;
  libs) echo $libs; exit ;;
  PKG_CONFIG_PATH) echo "${PKG_CONFIG_PATH-}"; exit ;;
  *) fail "the stand-in knows --cray-print-opts=all, cflags, libs and PKG_CONFIG_PATH, not '$print'" ;;
esac

[ $dump = yes ] && includes=
if [ $link = yes ] && [ $static = yes ]; then
  fail 'the stand-in has shared libraries only: do without -static and CRAYPE_LINK_TYPE=static'
fi
[ $link = yes ] || { libs= rpath=; }
[ $verbose = yes ] && echo "$compiler $march $before $* $includes $after $rpath $libs" >&2
exec $compiler $march $before "$@" $includes $after $rpath $libs
