#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# gcc, g++ and gfortran of a GCC of the stand-in: this machine's, or another one, that takes and refuses what the GCC
# does which it stands for. compilers.py fills in the names between at signs.
#   folder, suffix  of the compilers behind it
#   version         that it gives itself, empty where it tells the truth
#   major           of the GCC that it stands for
#   start           folder of its start files, which note nothing; empty where they are where it looks
#   ident           what it notes in each object, for as: lumi-eb verify reads it
start='@START@' folder='@FOLDER@' suffix='@SUFFIX@' version='@VERSION@' major=@MAJOR@ ident='@IDENT@' me=${0##*/}
case $me in
  g++* | c++*) name=g++ ;;
  gfortran*) name=gfortran ;;
  cpp*) exec "$folder/cpp$suffix" "$@" ;;
  *) name=gcc ;;
esac

say_version() {
  case $name in gfortran) me='GNU Fortran' ;; esac
  printf '%s (SUSE Linux) %s\nCopyright (C) 2017 Free Software Foundation, Inc.\n' "$me" "$version"
  exit
}
refuse() { echo "$me: error: unrecognized command line option '$1'" >&2; exit 1; }

c= old= permissive= language= expect= count=$#
while [ "$count" -gt 0 ]; do
  word=$1; shift; count=$((count - 1))
  if [ "$expect" ]; then
    [ "$expect" = x ] && language=$word
    expect=
    set -- "$@" "$word"
    continue
  fi
  case $word in
    -x) expect=x ;;
    -x*) language=${word#-x} ;;
    -o | -I | -L | -J | -D | -U | -l | -MF | -MT | -MQ | -T | -u | -z | -include | -imacros | -isystem | -iquote | -idirafter | \
    -iprefix | -isysroot | -Xlinker | -Xassembler | -Xpreprocessor | -wrapper | -aux-info | --param | -B) expect=any ;;
    -std=[cg]*89 | -std=[cg]*90 | -std=iso9899:199* | -ansi) old=yes ;;
    -fpermissive) permissive=yes; continue ;;
    -pipe) continue ;;  # as would read its input from there, and not what is to be noted
    --version) [ "$version" ] && say_version ;;
    -dumpfullversion) [ "$version" ] && { echo "$version"; exit; } ;;
    -dumpversion) [ "$version" ] && { echo "$major"; exit; } ;;  # SUSE configures it so
    -Wno-[!e]* | -Wno-e[!r]*) ;;  # of what GCC does not know it says nothing
    -*)
      if [ "$version" ]; then
        case $word in @REFUSED@) refuse "$word" ;; esac
      fi ;;
    *.c | *.i) [ "$language" ] || c=yes ;;
  esac
  set -- "$@" "$word"
done
[ "$language" = c ] && c=yes
[ $name = gcc ] || c=

if [ "$version" ]; then
  # GCC before 10: tentative definitions are common, arguments may differ between calls
  [ "$c" ] && set -- -fcommon "$@"
  [ $name = gfortran ] && set -- -fallow-argument-mismatch "$@"
  patch=${version##*.} minor=${version#*.}
  set -- -U__GNUC__ "-D__GNUC__=$major" -U__GNUC_MINOR__ "-D__GNUC_MINOR__=${minor%%.*}" -U__GNUC_PATCHLEVEL__ \
    "-D__GNUC_PATCHLEVEL__=$patch" -U__VERSION__ "-D__VERSION__=\"$version\"" "$@"
  [ $name = g++ ] && set -- -U__GNUG__ "-D__GNUG__=$major" "$@"
elif [ "$c" ] && [ -z "$old$permissive" ] && [ "$major" -ge 14 ]; then
  # C errors that are new in GCC 14, unless a later option says otherwise: https://gcc.gnu.org/gcc-14/porting_to.html
  set -- -Werror=implicit-function-declaration -Werror=implicit-int -Werror=int-conversion \
    -Werror=incompatible-pointer-types "$@"
fi
# for C, -fpermissive is new in GCC 14
[ "$permissive" ] && [ -z "$c" ] && set -- -fpermissive "$@"
exec "$folder/$name$suffix" ${start:+"-B$start"} -fno-ident "-Wa,$ident" "$@"
