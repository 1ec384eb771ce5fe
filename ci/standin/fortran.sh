#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A Fortran compiler of the stand-in: gfortran behind the options of crayftn (rules cray) or of classic flang, which
# AOCC 5 and ROCm 6 have (rules flang: clang's own list of options decides). What those refuse is refused, and nothing
# says that it is GNU's. Module files of crayftn have names in upper case, unless -ef is given.
rules='@RULES@' openmp='@OPENMP@' clang='@CLANG@' version='@VERSION@' ident='@IDENT@' me=${0##*/}
major=${version%%.*} minor=${version#*.} minor=${minor%%.*}

refuse() { echo "$1" >&2; exit 1; }
argument() { # option, its argument
  refuse "ftn-78 $me: ERROR in command line
  The -$1 option has an invalid argument, \"$2\"."
}
unknown() {
  refuse "ftn-2105 $me: ERROR in command line
  \"$1\" is an invalid command-line option."
}
say_version() {
  if [ "$rules" = cray ]; then echo "Cray Fortran : Version $version"; else "$clang" --version; fi
}

words=() checked=() folders=() expect= modules=. lower= sources= output= only= asked=
cray_word() { # sets word, or adds to words and returns 1 where nothing is left to add
  case $word in
    -f) expect=form; return 1 ;;
    -ffree | -ffixed) word=$word-form ;;
    -s) expect=s; return 1 ;;
    -sinteger64) word=-fdefault-integer-8 ;;
    -sreal64) word=-fdefault-real-8 ;;
    -sdefault64) words+=(-fdefault-integer-8); word=-fdefault-real-8 ;;
    -sdefault32 | -sinteger32 | -sreal32) return 1 ;;
    -s*) argument s "${word#-s}" ;;
    -homp) word=-fopenmp ;;
    -hpic | -hPIC) word=-fPIC ;;
    -e | -d | -h) expect=${word#-}; return 1 ;;
    -[ed]*[!0ABcCdDEfFghIjmnoPpqQRsSTvwxXZ]*) argument "${word:1:1}" "${word:2}" ;;
    -e*f*) lower=yes; return 1 ;;
    -e*P*) only=.i; words+=(-E); word=-cpp ;;
    -e*[FTZ]* | -F) word=-cpp ;;
    -d*[TZ]*) word=-nocpp ;;
    -cpp) word=-c ;;  # -c, and -p with a folder of modules
    -N) expect=N; return 1 ;;
    -N72 | -N80 | -N132 | -N255 | -N1023) # of fixed and of free form
      words+=("-ffixed-line-length-${word#-N}"); word=-ffree-line-length-${word#-N} ;;
    -hcpu=*) word=${STANDIN_MARCH:--O2} ;;  # the wrapper names the target so, and says for us what that means here
    -m[0-4] | -[hedrRKGM]*) return 1 ;;  # of Cray's own optimiser, listings and messages: no counterpart, no effect
    -m*) argument m "${word#-m}" ;;
    -g) ;;
    -g*) unknown -g ;;
    -O | -O[0-3] | -Ofast) ;;
    -O*) argument O "${word#-O}" ;;
    -W*)
      echo "ftn-2103 $me: WARNING in command line" >&2
      echo "  The -W ${word#-W} option is not supported or invalid and will be ignored." >&2
      return 1 ;;
    -f*) argument f "${word#-f}" ;;
    -p* | -dump*) refuse "ftn-2107 $me: ERROR in command line
  No valid filenames are specified on the command line." ;;
    *) unknown "$word" ;;
  esac
}
flang_word() { # the same for classic flang
  case $word in
    -i8) word=-fdefault-integer-8 ;;
    -r8) words+=(-fdefault-double-8); word=-fdefault-real-8 ;;
    -ffree-form | -ffixed-form | -cpp | -nocpp | -g* | -O* | -print-* | -dump*) ;;
    -Mfree | -Mfreeform) word=-ffree-form ;;
    -Mfixed) word=-ffixed-form ;;
    -Mextend) word=-ffixed-line-length-132 ;;
    -Mpreprocess) word=-cpp ;;
    -Mbackslash) word=-fbackslash ;;
    -Mnobackslash) word=-fno-backslash ;;
    -mp) word=-fopenmp ;;
    -M*) return 1 ;;
    *)
      checked+=("$word")
      case $word in
        -ffp-model=fast) word=-ffast-math ;;
        -ffp-model=* | -fmath-errno | -Rpass* | -mllvm | --gcc-toolchain=*) return 1 ;;
        -fvectorize) word=-ftree-vectorize ;;
        -fno-vectorize) word=-fno-tree-vectorize ;;
      esac ;;
  esac
}

while [ $# -gt 0 ]; do
  word=$1; shift
  case $expect in
    '') ;;
    form) expect=; words+=("-f$word-form"); continue ;;
    s | N | e | d | h) word=-$expect$word; expect= ;;
    I) expect=; folders+=("$word"); words+=("$word"); continue ;;
    J) expect=; modules=$word; continue ;;
    o) expect=; output=$word; words+=("$word"); continue ;;
    *) expect=; words+=("$word"); continue ;;
  esac
  case $word in
    -I) expect=I ;;
    -J) expect=J; continue ;;
    -module) [ "$rules" = cray ] && argument m odule; expect=J; continue ;;
    -o) expect=o ;;
    -L | -D | -U | -l | -x | -include | -Xlinker | -isystem | -T | -u | -z) expect=keep ;;
    -I*) folders+=("${word#-I}") ;;
    -J*) modules=${word#-J}; continue ;;
    -o*) output=${word#-o} ;;
    -pipe) continue ;;  # as would read its input from there, and not what is to be noted
    --version | -V) asked=yes; continue ;;
    -E) only=- ;;
    -[DULl]* | -W[lap],* | -c | -S | -v | -w | -B* | -shared | -pthread | -pie | -no-pie | -rdynamic | -static* | \
    -### | -fopenmp | -fno-openmp | -fPIC | -fpic | -fPIE | -fpie | -nostartfiles | -nostdlib | -nodefaultlibs | @*) ;;
    -) sources=yes ;;
    -*) if [ "$rules" = cray ]; then cray_word || continue; else flang_word || continue; fi ;;
    *.o | *.a | *.so | *.so.*) ;;
    *) sources=yes first=${first:-$word} ;;
  esac
  words+=("$word")
done
if [ "$asked" ]; then say_version; [ "$sources" ] || exit 0; fi

# what clang does not know, flang, which is a clang with another front end, does not either
if [ ${#checked[@]} -gt 0 ]; then
  "$clang" -### "${checked[@]}" -x c -c /dev/null -o /dev/null >/dev/null 2>&1 ||
    "$clang" --driver-mode=flang -### "${checked[@]}" -c /dev/null -o /dev/null >/dev/null 2>&1 ||
    { "$clang" -### "${checked[@]}" -x c -c /dev/null -o /dev/null 2>&1 | sed -n "s/^clang[^:]*: error/$me: error/p" >&2; exit 1; }
fi

# what a preprocessor is told of the compiler
names=(-U__GFORTRAN__ -U__GNUC__ -U__GNUC_MINOR__ -U__GNUC_PATCHLEVEL__)
if [ "$rules" = cray ]; then
  names+=(-D_CRAYFTN=1 "-D_RELEASE_MAJOR=$major" "-D_RELEASE_MINOR=$minor" "-D_RELEASE_PATCHLEVEL=${version##*.}")
else
  names+=(-D__FLANG=1 "-D__FLANG_MAJOR__=$major" "-D__FLANG_MINOR__=$minor" "-D__FLANG_PATCHLEVEL__=${version##*.}")
fi
if [ "$only" = .i ] && [ -z "$output" ]; then output=${first##*/}; words+=(-o "${output%.*}.i"); fi
command=(/usr/bin/gfortran "-B$openmp" "-L$openmp" -fno-ident "-Wa,$ident" "${names[@]}")

if [ -z "$sources" ] || [ "$only" ]; then
  [ "$modules" = . ] || words+=("-J$modules")
  exec "${command[@]}" "${words[@]}"
fi

# gfortran reads and writes names in lower case: a folder of links to what it may read, another one for what it writes
[ "$rules" = cray ] || lower=yes
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/in" "$work/out"
perl -e '
  my ($lower, $in, @folders) = @ARGV;
  for my $folder (@folders) {
    opendir(my $list, $folder) or next;
    my @names = sort grep { /\.s?mod$/ } readdir($list);
    @names = reverse @names if $lower;
    for my $name (@names) {
      my $path = $folder =~ m{^/} ? "$folder/$name" : "$ENV{PWD}/$folder/$name";
      symlink($path, "$in/" . lc($name));  # of the first folder that has it
    }
  }' "$lower" "$work/in" "$modules" . "${folders[@]}"
"${command[@]}" "-I$work/in" "-J$work/out" "${words[@]}"
code=$?
# the file of a submodule is named as CMake looks for it: by its own name (crayftn), or by both with "-" between (flang)
perl -MFile::Copy=copy -MFile::Compare=compare -e '
  my ($lower, $rules, $out, $folder) = @ARGV;
  for my $path (glob("$out/*mod")) {
    my ($name) = $path =~ m{([^/]*)$};
    my @names = $name;
    push @names, $rules eq "cray" ? "$2.mod" : "$1-$2.mod" if $name =~ /^(.*)@(.*)\.smod$/;
    for (@names) {
      my $to = "$folder/" . (!$lower && /^(.*)\.mod$/ ? uc($1) . ".mod" : $_);
      next if -e $to && !compare($path, $to);
      copy($path, "$folder/.$$.new") && rename("$folder/.$$.new", $to) or die "crayftn: $to: $!\n";
    }
  }' "$lower" "$rules" "$work/out" "$modules" || code=1
exit $code
