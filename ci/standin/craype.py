# SPDX-License-Identifier: GPL-2.0-only
"""The wrappers cc, CC and ftn, and what each PrgEnv tells them."""

import pathlib
import re
import subprocess

from .layout import HERE, facts
from .steps import link, write

# The end of a version at the end of a path (.../12.3 -> 123) is in the names of libraries for GCC only.
NAMES = {
    'GNU': """abi() { version=${1##*/}; name=gnu_${version%%.*}${version#*.}; }
abi "${MPICH_DIR-}"; mpi_name=$name
prefix=${CRAY_PE_LIBSCI_PREFIX_DIR:-${CRAY_LIBSCI_PREFIX_DIR-}}
abi "${prefix%/*}"; libsci_name=$name
for prefix in "${HDF5_DIR-}" "${PNETCDF_DIR-}" "${NETCDF_DIR-}"; do
  [ "$prefix" ] && { abi "$prefix"; product_name=$name; }
done
""",
    None: 'mpi_name=%(library)s libsci_name=%(library)s product_name=%(library)s\n',
}

# PE_ENV -> lines that choose the compiler; the modules say where the compilers of the others are
COMPILERS = {
    'GNU': 'prefix=$root/opt/standin/gcc-${GNU_VERSION-}/bin\n'
    'case $lang in CC) compiler=$prefix/g++ ;; ftn) compiler=$prefix/gfortran ;; *) compiler=$prefix/gcc ;; esac',
    'CRAY': 'prefix=$root/opt/cray/pe/cce/${CRAY_CC_VERSION-}/bin\n'
    'case $lang in CC) compiler=$prefix/crayCC ;; ftn) compiler=$prefix/crayftn ;; *) compiler=$prefix/craycc ;; esac\n'
    'openmp_dir=$root/opt/cray/pe/cce/${CRAY_CC_VERSION-}/cce/x86_64/lib offload=yes',
    'AOCC': 'prefix=${CRAY_AOCC_PREFIX-}\n'
    'case $lang in CC) compiler=$prefix/bin/clang++ ;; ftn) compiler=$prefix/bin/flang ;; '
    '*) compiler=$prefix/bin/clang ;; esac\n'
    'openmp_dir=$prefix/lib',
    'AMD': 'prefix=${CRAY_AMD_COMPILER_PREFIX-}/llvm\n'
    'case $lang in CC) compiler=$prefix/bin/amdclang++ ;; ftn) compiler=$prefix/bin/amdflang ;; '
    '*) compiler=$prefix/bin/amdclang ;; esac\n'
    'openmp_dir=$prefix/lib offload=yes',
}

ENVIRONMENT = """# What the wrappers run under %(prgenv)s. Written by ci/standin/build.
%(compilers)s
[ -x "$compiler" ] || fail "there is no compiler $compiler: is the module %(module)s loaded?"
case $target in
%(march)s
  *) march= ;;
esac
%(names)s"""


def choose_march():
    """Return CPU target -> -march that this machine's CPU and compiler can really run.

    LUMI's CPUs are Zen 2 and Zen 3; where the building CPU is less, the stand-in still has to
    make programs that run.
    """
    data = facts()
    flags = re.search(r'^flags\s*:\s*(.*)$', pathlib.Path('/proc/cpuinfo').read_text(), re.M)
    flags = set(flags.group(1).split()) if flags else set()
    chosen = {}
    for target, about in data['cpu_targets'].items():
        for march in about['march'] + data['march_fallback']:
            if set(data['march_flags'][march]) <= flags and _accepted(march):
                chosen[target] = march
                break
    return chosen


def _accepted(march):
    return not subprocess.run(
        ['/usr/bin/gcc', '-march=' + march, '-E', '-x', 'c', '/dev/null'], capture_output=True, check=False
    ).returncode


def environment_text(pe_env, march):
    """Return the file that the wrappers read under one PrgEnv.

    pe_env: GNU, CRAY, AOCC or AMD. march: CPU target -> -march.
    """
    about = facts()['environments'][pe_env]
    return ENVIRONMENT % {
        'prgenv': about['prgenv'],
        'module': about['modules'][0],
        'compilers': COMPILERS[pe_env],
        'march': '\n'.join('  %s) march=-march=%s ;;' % pair for pair in sorted(march.items())),
        'names': NAMES.get(pe_env, NAMES[None]).replace('%(library)s', about['library']),
    }


def install_wrappers(builder, versions, march, environments):
    """Install the wrappers for the given craype versions.

    builder: the run. versions: of craype. march: CPU target -> -march. environments: names of PrgEnvs.
    """
    layout = builder.layout
    for target, about in facts()['cpu_targets'].items():
        if march.get(target) != about['march'][0]:
            builder.say(
                '  this machine cannot run %s code: %s gets -march=%s'
                % (about['march'][0], target, march.get(target))
            )
    for name in environments:
        write(layout.standin / 'craype' / (name + '.sh'), environment_text(name, march))
    text = (HERE / 'wrapper.sh').read_text().replace('@ROOT@', str(layout.root))
    for version in versions:
        folder = layout.pe / 'craype' / version / 'bin'
        write(folder / 'cc', text, 0o755)
        for name in ('CC', 'ftn'):
            link('cc', folder / name)
