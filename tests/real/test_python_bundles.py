# SPDX-License-Identifier: GPL-2.0-only
"""What cray-python lacks of upstream's Python bundles, built on its numpy and scipy, and used beside them."""
import json
import re

import pytest

from lumi_hooks.recipe import read_recipe

from .conftest import ROOT

pytestmark = pytest.mark.long

EXTRAS = ('Python-extras/2025.04-cpeGNU-25.03', 'SciPy-extras/2024.05-cpeGNU-25.03')
# an extension of each, compiled on the carried numpy, computes with its arrays
PROGRAM = """
import bottleneck, json, mpmath, numexpr, numpy, pandas, scipy
numbers = numpy.arange(4.0)
frame = pandas.DataFrame({'a': [1, 1, 2], 'b': numbers[1:]})
print(json.dumps({'numpy': [numpy.__version__, numpy.__file__], 'scipy': [scipy.__version__, scipy.__file__],
                  'sums': frame.groupby('a').b.sum().tolist(), 'squares': numexpr.evaluate('numbers**2').tolist(),
                  'mean': bottleneck.nanmean(numbers), 'root': str(mpmath.sqrt(4)), 'pandas': pandas.__version__}))
"""


@pytest.fixture(name='built', scope='module')
def the_bundles(lumi):
    """A prefix with both bundles."""
    lumi.eb(f'{ROOT}/easyconfigs/s/SciPy-extras/SciPy-extras-2024.05-GCCcore-13.3.0.eb -r', timeout=3000)
    return lumi


@pytest.mark.parametrize('module', EXTRAS)
def test_every_member_is_there_and_pip_has_nothing_against_it(built, module):
    name, version = module.split('/')
    recipe, = (ROOT / 'easyconfigs').rglob(f'{name}-{version.split("-")[0]}-*.eb')
    done = built.run(f'module load {module} && python3 -m pip check && python3 -m pip list --format=json', check=True)
    assert 'No broken requirements found.' in done.stdout
    normal = {re.sub('[-_.]+', '-', item['name']).lower(): item['version']
              for item in json.loads(next(line for line in done.stdout.splitlines() if line.startswith('[{')))}
    for member, wanted, _ in read_recipe(str(recipe)).parameters['exts_list']:
        assert normal[re.sub('[-_.]+', '-', member).lower()] == wanted


def test_they_compute_with_the_carried_numpy(built):
    done = built.run(f'module load {EXTRAS[1]} && python3 -c "{PROGRAM}"', check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    for name, version in (('numpy', '1.24.4'), ('scipy', '1.10.1')):
        assert found[name][0] == version and '/opt/cray/pe/python/' in found[name][1]
    assert found['pandas'] == '2.2.2' and found['sums'] == [3.0, 3.0] and found['squares'] == [0.0, 1.0, 4.0, 9.0]
    assert found['mean'] == 1.5 and found['root'] == '2.0'
