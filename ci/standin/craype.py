# SPDX-License-Identifier: GPL-2.0-only
"""The wrappers cc, CC and ftn, and what each PrgEnv tells them."""

import pathlib
import re
import subprocess

from .layout import HERE, Release, facts, known_releases
from .steps import link, write

# What the names of libraries end in: variable of the wrappers, the prefixes of the products, their modules
NAMES = (
    ('mpi_name', '${MPICH_DIR-}', ('cray-mpich',)),
    ('libsci_name', '${CRAY_PE_LIBSCI_PREFIX_DIR:-${CRAY_LIBSCI_PREFIX_DIR-}}', ('cray-libsci',)),
    (
        'product_name',
        '${HDF5_DIR-}:${PNETCDF_DIR-}:${NETCDF_DIR-}',
        ('cray-hdf5', 'cray-hdf5-parallel', 'cray-netcdf', 'cray-netcdf-hdf5parallel', 'cray-parallel-netcdf'),
    ),
)

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
        'names': names_text(pe_env),
    }


def names_text(pe_env):
    """Return the lines that say what libraries are called, by the versions in the products' prefixes."""
    text = ''
    for variable, prefixes, modules in NAMES:
        cases = {
            '*/%s/%s/*' % (module[len('cray-') :], release.version(module)): release.library(module)
            for release in [Release(name, pe_env) for name in known_releases()]
            for module in modules
        }
        lines = ['  %s) %s=%s ;;' % (pattern, variable, name) for pattern, name in sorted(cases.items())]
        text += 'case "%s" in\n%s\nesac\n' % (prefixes, '\n'.join(lines))
    return text


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
