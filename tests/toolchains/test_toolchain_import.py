# SPDX-License-Identifier: GPL-2.0-only
"""The toolchain classes by every way that EasyBuild gets them, alone and beside others of the same names."""

import importlib.util
import os

import pytest
from small_cray import INCLUDE_TOOLCHAINS, RELEASE, ROOT

NAMES = ['cpeGNU', 'cpeCray', 'cpeAOCC', 'cpeAMD']

# classes of the names and constants of LUMI's own, in files of LUMI's names
FOREIGN = """
from easybuild.toolchains.compiler.craype import CrayPECompiler
from easybuild.toolchains.compiler.gcc import TC_CONSTANT_GCC
TC_CONSTANT_CPE = 'CPE'
TC_CONSTANT_CCE = 'CCE'
class Compiler{name}(CrayPECompiler):
    TOOLCHAIN_FAMILY = TC_CONSTANT_CPE
    COMPILER_FAMILY = TC_CONSTANT_GCC
    PRGENV_MODULE_NAME_SUFFIX = 'gnu'
"""
FOREIGN_TOOLCHAIN = """
from easybuild.toolchains.compiler.cpecomp{name} import Compiler{name}
from easybuild.toolchains.linalg.libsci import LibSci
from easybuild.toolchains.mpi.craympich import CrayMPICH
class {name}(Compiler{name}, CrayMPICH, LibSci):
    NAME = '{name}'
    SUBTOOLCHAIN = 'system'
"""


@pytest.fixture(scope='module')
def foreign(tmp_path_factory):
    """What $EASYBUILD_INCLUDE_TOOLCHAINS holds on LUMI."""
    folder = tmp_path_factory.mktemp('foreign') / 'toolchains'
    (folder / 'compiler').mkdir(parents=True)
    for name in NAMES:
        (folder / 'compiler' / ('cpecomp%s.py' % name)).write_text(FOREIGN.format(name=name))
        (folder / (name.lower() + '.py')).write_text(FOREIGN_TOOLCHAIN.format(name=name))
    return '%s/*.py,%s/compiler/*.py' % (folder, folder)


def has_entry_points():
    return importlib.util.find_spec('easybuild.tools.entrypoints') is not None


@pytest.mark.parametrize(
    'how, included',
    [
        ('package', ''),
        ('package', 'foreign'),
        ('package', 'ours'),
        ('package', 'both'),
        ('include', 'ours'),
    ],
)
def test_classes_found(cray, foreign, how, included):
    include = {
        '': '',
        'foreign': foreign,
        'ours': INCLUDE_TOOLCHAINS,
        'both': foreign + ',' + INCLUDE_TOOLCHAINS,
    }[included]
    more = {'EASYBUILD_INCLUDE_TOOLCHAINS': include} if include else {}
    package = 'lumi_hooks_toolchains' if how == 'package' else 'easybuild.toolchains'
    cases = [{'version': RELEASE, 'search': name} for name in NAMES]
    for name, found in zip(NAMES, cray.probe(*cases, how=how, **more)):
        assert found['module'] == package + '.lumi_toolchains', (name, found)
        assert found['count'] == 1
        assert found['constants'] == {name: name for name in ('CPE', 'GCC', 'CCE', 'AOCC', 'AMD')}


def test_cached_instance_is_dropped(cray, foreign):
    """EasyBuild keeps toolchain instances, and parses recipes before hooks may act."""
    first, second = cray.probe(
        {'version': RELEASE, 'search': 'cpeGNU', 'cache': True},
        {'version': RELEASE, 'supersede': True},
        how='late',
        EASYBUILD_INCLUDE_TOOLCHAINS=foreign,
    )
    assert first['module'] == 'easybuild.toolchains.cpegnu'
    assert second['class'] == 'lumi_hooks_toolchains.lumi_toolchains'


def test_included_alone_is_enough(cray):
    """Without hooks, with --include-toolchains only."""
    (result,) = cray.probe(
        {'version': RELEASE}, how='include', EASYBUILD_INCLUDE_TOOLCHAINS=INCLUDE_TOOLCHAINS
    )
    assert result['class'] == 'easybuild.toolchains.lumi_toolchains'
    assert result['environment']['LIBBLAS'] == '-lsci_gnu'


@pytest.mark.skipif(not has_entry_points(), reason='this EasyBuild has no entry points')
def test_entry_points(cray, foreign, tmp_path):
    """Installed as a package, with --use-entrypoints, against classes of the same names."""
    for folder in ('toolchains', 'easyblocks'):
        os.symlink(os.path.join(ROOT, folder), tmp_path / ('lumi_hooks_' + folder))
    info = tmp_path / 'lumi_hooks-0.0.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: lumi-hooks\nVersion: 0.0\n')
    lines = ['[easybuild.toolchain]'] + [
        '%s = lumi_hooks_toolchains.lumi_toolchains:%s' % (n, n) for n in NAMES
    ]
    lines += [
        '[easybuild.easyblock]',
        'CrayPEToolchain = lumi_hooks_easyblocks.craypetoolchain:CrayPEToolchain',
    ]
    (info / 'entry_points.txt').write_text('\n'.join(lines) + '\n')
    cases = [{'version': RELEASE, 'search': name} for name in NAMES]
    for name, found in zip(
        NAMES,
        cray.probe(
            *cases,
            how='include',
            arguments=['--use-entrypoints'],
            PYTHONPATH=str(tmp_path),
            EASYBUILD_INCLUDE_TOOLCHAINS=foreign,
        ),
    ):
        assert found['module'] == 'lumi_hooks_toolchains.lumi_toolchains', name
    done = cray.eb('--list-toolchains', '--use-entrypoints', PYTHONPATH=str(tmp_path))
    assert done.returncode == 0 and all(name in done.stdout for name in NAMES)


@pytest.mark.parametrize(
    'name, family, flags',
    [
        ('cpeCray', 'CCE', '-xhip -fgpu-rdc -Xlinker --hip-link'),
        ('cpeAMD', 'AMD', '-xhip -fgpu-rdc -Xlinker --hip-link'),
        ('cpeAOCC', 'AOCC', None),
        ('cpeGNU', 'GCC', None),
    ],
)
def test_hip_options(cray, name, family, flags):
    """Every option starts with a dash; compilers that know no HIP refuse the options."""
    options = {'usehip': True, 'gpu-rdc': True}
    (result,) = cray.probe({'name': name, 'version': RELEASE, 'options': options, 'flags': True})
    if flags is None:
        assert 'usehip' in result['error']
        (result,) = cray.probe({'name': name, 'version': RELEASE, 'flags': True})
    else:
        assert flags in result['CXXFLAGS']
        assert 'hip' not in result['CFLAGS'] + result['FCFLAGS']
    assert result['family'] == family
    assert all(word.startswith('-') for v in ('CFLAGS', 'CXXFLAGS', 'FCFLAGS') for word in result[v].split())
