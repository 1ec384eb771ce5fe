# SPDX-License-Identifier: GPL-2.0-only
"""The wrappers cc, CC and ftn, and what each PrgEnv tells them."""

import pathlib
import re
import subprocess

from .layout import HERE, facts
from .steps import link, write

GNU = """# What the wrappers run under PrgEnv-gnu. Written by ci/standin/build.
case $lang in
  CC) compiler=/usr/bin/g++ ;;
  ftn) compiler=/usr/bin/gfortran ;;
  *) compiler=/usr/bin/gcc ;;
esac
case $target in
%(march)s
  *) march= ;;
esac
abi() { # the last two parts of a version at the end of a path: .../12.3 -> 123
  version=${1##*/}; name=gnu_${version%%%%.*}${version#*.}
}
abi "${MPICH_DIR-}"; mpi_name=$name
prefix=${CRAY_PE_LIBSCI_PREFIX_DIR:-${CRAY_LIBSCI_PREFIX_DIR-}}
abi "${prefix%%/*}"; libsci_name=$name
for prefix in "${HDF5_DIR-}" "${PNETCDF_DIR-}" "${NETCDF_DIR-}"; do
  [ "$prefix" ] && { abi "$prefix"; product_name=$name; }
done
"""


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


def install_wrappers(builder, versions, march):
    """Install the wrappers for the given craype versions.

    builder: the run. versions: of craype. march: CPU target -> -march.
    """
    layout = builder.layout
    lines = ['  %s) march=-march=%s ;;' % pair for pair in sorted(march.items())]
    for target, about in facts()['cpu_targets'].items():
        if march.get(target) != about['march'][0]:
            builder.say(
                '  this machine cannot run %s code: %s gets -march=%s'
                % (about['march'][0], target, march.get(target))
            )
    write(layout.standin / 'craype/GNU.sh', GNU % {'march': '\n'.join(lines)})
    text = (HERE / 'wrapper.sh').read_text().replace('@ROOT@', str(layout.root))
    for version in versions:
        folder = layout.pe / 'craype' / version / 'bin'
        write(folder / 'cc', text, 0o755)
        for name in ('CC', 'ftn'):
            link('cc', folder / name)
