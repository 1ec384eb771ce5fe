# SPDX-License-Identifier: GPL-2.0-only
"""The rules of the driver, the system's ROCm and upstream's toolchains for it."""
import re
from pathlib import Path

import pytest
from ruling import BY_ID, says
from writing import put_recipe

from lumi_hooks import gpu
from lumi_hooks.adapt import adapt
from lumi_hooks.index import Index
from lumi_hooks.releases import load_release, load_rocm, release_names
from lumi_hooks.site import make_site

CUDA = "versionsuffix = '-CUDA-%(cudaver)s'\ndependencies = [('CUDA', '12.8.0', '', SYSTEM)]\n"


# --- the driver and the system

@pytest.mark.parametrize('version, moved', [
    ('', False), ('6.3.4', False), ('6.2.2', False), ('6.3.4-extras', False), ('6.0.3', True), ('6.2.1', True),
    ('5.6.1', True), ('7.1.0', True), ('6.9.9', True)])
def test_rule_driver_window_of_a_pinned_rocm(recipe, g, version, moved):
    module = f'rocm/{version}' if version else 'rocm'
    text = f"dependencies = [({module!r}, EXTERNAL_MODULE)]\n"
    found = says('driver-window', recipe(text), g)
    assert bool(found) is moved
    for change in found:
        assert change.after.module == g.release.module('rocm') and change.reason
    native = adapt(recipe(text, toolchain=('cpeGNU', '25.03')), g)
    assert (native.status == 'refused') is moved
    assert not moved or native.refusals[0].code == 'driver'
    plan = g.release.module('rocm')
    assert moved or plan


@pytest.mark.parametrize('rocm, refused', [('6.4.1', False), ('7.2.0', True), ('5.7.1', True), ('7.0.1', False)])
def test_rule_driver_window_of_upstreams_recipes_for_rocm(recipe, g, rocm, refused):
    found = says('driver-window', recipe(f"versionsuffix = '-ROCm-{rocm}'\n"), g)
    assert [item.code for item in found] == (['driver'] if refused else [])


def test_aliases_are_none_of_the_modules_that_exist():
    facts = load_rocm()
    names = set(facts['aliases']['names'])
    assert not names & set(facts['modules']['versions']) and facts['aliases']['of'] not in names
    for release in release_names():
        assert load_release(release).modules.get('rocm') not in names


@pytest.mark.parametrize('release, rdc, refused', [('24.03', True, True), ('24.03', False, False),
                                                    ('25.03', True, False)])
def test_rule_hip_bitcode(recipe, thing, release, rdc, refused):
    thing(compile={'by': 'wrapper', 'what': 'all', 'link': 'wrapper', 'rdc': rdc})
    found = says('hip-bitcode', recipe(CUDA), make_site(release, 'G', 'cpeCray', env={}))
    assert [item.code for item in found] == (['gpu-compiler'] if refused else [])
    assert says('hip-bitcode', recipe(CUDA), make_site(release, 'G', 'cpeGNU', env={})) == []
    text = CUDA + "buildopts = 'CXXFLAGS=-fgpu-rdc'\n"
    thing()
    assert bool(says('hip-bitcode', recipe(text), make_site(release, 'G', 'cpeCray', env={}))) is (release == '24.03')


@pytest.mark.parametrize('module, after', [('craype-hugepages8M', True), ('craype-hugepages2M', False)])
def test_rule_hugepages(recipe, g, module, after):
    found = says('hugepages', recipe(f"builddependencies = [({module!r}, EXTERNAL_MODULE)]\n"), g)
    assert [change.after.module for change in found] == (['craype-hugepages2M'] if after else [])


def test_no_data_of_ours_falls_into_a_known_trap():
    """
    `--cray-print-opts=libs` names every cray-libsci at once, and so does CMake that asks the wrapper for MPI's
    libraries; default targets are those of the build node.
    """
    from test_gpu_packages import ENTRIES
    for name in ENTRIES:
        text = str(gpu.package(name))
        assert not re.search(r'MPI_\w+_COMPILER=', text), name
        assert '--cray-print-opts=libs' not in text and 'native' not in text.replace('native would', ''), name


# --- recipes for upstream's ROCm toolchains

@pytest.mark.parametrize('toolchain', ['rocm-compilers', 'rompi', 'rfbf', 'rfoss'])
def test_recipes_for_upstreams_rocm_toolchains(recipe, g, site, toolchain):
    version = '19.0.0-ROCm-6.4.1' if toolchain == 'rocm-compilers' else '2025a'
    found = recipe(toolchain=(toolchain, version))
    assert adapt(found, g).toolchain[0] == 'cpeAMD' and adapt(found, g).versionsuffix == ''
    assert adapt(found, site).toolchain[0] == 'cpeGNU', 'there is no cpeAMD on partition C'
    assert adapt(found, make_site(partition='G', toolchain='cpeCray', env={})).toolchain[0] == 'cpeCray'


def test_file_names_of_upstreams_rocm_toolchains(tmp_path):
    put_recipe(tmp_path, 'Lib', '1.0', ('rocm-compilers', '19.0.0-ROCm-6.4.1'), '-x')
    source, = Index((), (), [str(tmp_path)]).sources('Lib')
    assert source.toolchain == ('rocm-compilers', '19.0.0-ROCm-6.4.1') and source.versionsuffix == '-x'


def test_traps_in_the_docs_are_rules_with_a_reference_and_a_test():
    """docs/rocm.md, section Traps: each rule that it names exists, says where the trap is described, and is tested."""
    text = (Path(__file__).resolve().parents[3] / 'docs/rocm.md').read_text()
    text = text.split('## Traps, and the rule for each')[1].split('\n## ')[0]
    rows = [line.split(' | ') for line in text.splitlines() if line.startswith('| ') and '|---' not in line][1:]
    tests = ''.join(path.read_text() for path in Path(__file__).parent.glob('test_*.py'))
    named = [name for row in rows for name in re.findall(r'`([a-z-]+)`', row[2].split(';')[0]) if name in BY_ID]
    assert len(rows) > 10 and set(named) >= {
        'openmp-hip', 'gtl', 'hipcc-libs', 'gpu-options', 'gpu-target', 'openmp-run-time', 'hip-bitcode',
        'driver-window', 'hugepages', 'gpu-usage'}
    for name in named:
        assert f'def test_rule_{name.replace("-", "_")}' in tests, name
        # of what the data say each change has its own
        assert name == 'gpu-options' or (BY_ID[name].link or '').startswith('https://'), name
    for row in rows:
        assert '](https://' in row[0] or re.search(r'\((?:`man |[^)]*LUMI)', row[0]), f'without a reference: {row[0]}'
