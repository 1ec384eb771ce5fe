#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A Fortran compiler of the stand-in: gfortran behind the options of crayftn (rules cray) or of classic flang, which
# AOCC 5 and ROCm 6 have (rules flang: clang's own list of options decides). What those refuse is refused.
rules='@RULES@' openmp='@OPENMP@' clang='@CLANG@' me=${0##*/}

refuse() { echo "$1" >&2; exit 1; }

checked= expect= count=$#
while [ "$count" -gt 0 ]; do
  word=$1; shift; count=$((count - 1))
  if [ "$expect" ]; then
    case $expect in
      keep) ;;
      module) word=-J$word ;;
      form) word=-f$word-form ;;
      s) word=-s$word ;;
      drop) expect=; continue ;;
      N) word=-N$word ;;
    esac
    [ "$expect" = s ] || [ "$expect" = N ] || { expect=; set -- "$@" "$word"; continue; }
    expect=
  fi
  case $word in
    -o | -I | -L | -D | -U | -l | -x | -J | -include | -Xlinker | -isystem | -T | -u | -z) expect=keep ;;
    -module) expect=module; continue ;;
    -[IDULloJ]* | -W[lap],* | -c | -S | -E | -v | -w | -g* | -O* | -B* | -shared | -pthread | -pie | -no-pie | \
    -rdynamic | -static* | -print-* | -dump* | --version | -### | -fopenmp | -fPIC | -fpic | -fPIE | -fpie | -ffree-form | \
    -ffixed-form | -cpp | -fno-openmp | -nostartfiles | -nostdlib | -nodefaultlibs | -pipe | @* | -) ;;
    -*)
      if [ "$rules" = cray ]; then
        case $word in
          -f) expect=form; continue ;;
          -ffree | -ffixed) word=$word-form ;;
          -s) expect=s; continue ;;
          -sinteger64) word=-fdefault-integer-8 ;;
          -sreal64) word=-fdefault-real-8 ;;
          -sdefault64) set -- "$@" -fdefault-integer-8; word=-fdefault-real-8 ;;
          -sdefault32 | -sinteger32 | -sreal32) continue ;;
          -homp) word=-fopenmp ;;
          -hpic | -hPIC) word=-fPIC ;;
          -eF | -eZ) word=-cpp ;;
          -N) expect=N; continue ;;
          -N72 | -N80 | -N132 | -N255 | -N1023) # of fixed and of free form
            set -- "$@" -ffixed-line-length-${word#-N}; word=-ffree-line-length-${word#-N} ;;
          -[hedrRKGmM]*) continue ;;  # of Cray's own optimiser, listings and messages: no counterpart, no effect
          -march=* | -mtune=* | -fno-fast-math | -ffast-math | -flto* | -W*) ;;
          -V) word=--version ;;
          -f*) refuse "ftn-78 $me: ERROR in command line
  The -f option has an invalid argument, \"${word#-f}\"." ;;
          *) refuse "ftn-2105 $me: ERROR in command line
  \"$word\" is not a valid option of the Cray Fortran compiler." ;;
        esac
      else
        case $word in
          -i8) word=-fdefault-integer-8 ;;
          -r8) set -- "$@" -fdefault-double-8; word=-fdefault-real-8 ;;
          -Mfree | -Mfreeform) word=-ffree-form ;;
          -Mfixed) word=-ffixed-form ;;
          -Mextend) word=-ffixed-line-length-132 ;;
          -Mpreprocess) word=-cpp ;;
          -Mbackslash) word=-fbackslash ;;
          -Mnobackslash) word=-fno-backslash ;;
          -mp) word=-fopenmp ;;
          -M*) continue ;;
          *)
            checked="$checked $word"
            case $word in
              -ffp-model=fast) word=-ffast-math ;;
              -ffp-model=* | -fmath-errno | -Rpass* | -mllvm | --gcc-toolchain=*) continue ;;
              -fvectorize) word=-ftree-vectorize ;;
              -fno-vectorize) word=-fno-tree-vectorize ;;
            esac ;;
        esac
      fi ;;
  esac
  set -- "$@" "$word"
done

# what clang does not know, flang, which is a clang with another front end, does not either
if [ "$checked" ]; then
  "$clang" -### $checked -x c -c /dev/null -o /dev/null >/dev/null 2>&1 ||
    "$clang" --driver-mode=flang -### $checked -c /dev/null -o /dev/null >/dev/null 2>&1 ||
    { "$clang" -### $checked -x c -c /dev/null -o /dev/null 2>&1 | sed -n "s/^clang[^:]*: error/$me: error/p" >&2; exit 1; }
fi
exec /usr/bin/gfortran -B"$openmp" -L"$openmp" "$@"
