# SPDX-License-Identifier: GPL-2.0-only
"""Without any patch of EasyBuild, and with an EasyBuild whose functions are others."""
import json
import re
from pathlib import Path

import pytest

from lumi_hooks.eb.patches import table

from .test_live import tiny

ROOT = Path(__file__).resolve().parents[2]
# as ci/quickstart installs them
QUICKSTART = re.search(r'^recipes=\((.+)\)$', (ROOT / 'ci/quickstart').read_text(), re.M)[1].split()


@pytest.mark.long
@pytest.mark.parametrize('easybuild', ['5.1.2', '5.2.0', '5.4.1'])
def test_without_patches_the_three_of_the_quickstart_are_installed(fresh, slurm, easybuild):
    fresh.easybuild = easybuild
    done = fresh.eb(f'{" ".join(QUICKSTART)} -r', timeout=3600, LUMI_HOOKS_PATCHES='off')
    for name, feature in table().items():
        assert done.stdout.count(f'\n  * {name}: {feature["lost"]}\n') == 1, done.stdout[:4000]
    for recipe, module in zip(QUICKSTART, ('mpi4py/4.1.0', 'lz4/1.10.0', 'netCDF-C++4/4.3.1')):
        name, version = module.split('/')
        folder = fresh.software(name, f'{version}-cpeGNU-25.03')
        record = json.loads((folder / 'easybuild/lumi/record.json').read_text())
        assert record['source']['file'] == recipe
        assert record['network']['cut_off'] is False and 'LUMI_HOOKS_PATCHES' in record['network']['reason']
    program = 'from mpi4py import MPI; print(MPI.COMM_WORLD.allreduce(MPI.COMM_WORLD.rank))'
    ran = fresh.run(f'module load mpi4py/4.1.0-cpeGNU-25.03 && srun -n 2 python3 -c {program!r}', check=True, **slurm)
    assert ran.stdout.split()[-2:] == ['1', '1']


def test_a_recipe_is_run_once(fresh, tmp_path):
    """EasyBuild runs the text when it reads it; rules, doctor, checksums and record take what it found."""
    ran = tmp_path / 'ran'
    path = tiny(tmp_path, extra=f"open({str(ran)!r}, 'a').write('x')\n")
    fresh.eb(f'{path}')
    # two texts, each once: as it is written, which EasyBuild runs before any hook, and as it is stored: lumi-hooks
    # checks that, and the recipe is installed by the parser that has run it
    assert ran.read_text() == 'xx'
