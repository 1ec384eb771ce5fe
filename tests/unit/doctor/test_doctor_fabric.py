# SPDX-License-Identifier: GPL-2.0-only
"""Checks of the fabric: on a plain machine, and on one with Slingshot's libraries in a root of its own."""
import pytest
from doctoring import says
from elves import library
from test_record import a_record, put

from lumi_hooks.doctor import CHECKS, WARNING, examine
from lumi_hooks.doctor import fabric as checks
from lumi_hooks.fabric.matrix import load_fabric, shs_of, unproven, versions_of
from lumi_hooks.plan.pins import Pins
from lumi_hooks.releases import load_release, release_names
from lumi_hooks.site import make_site


@pytest.fixture
def slingshot(tmp_path, monkeypatch):
    """A machine with all parts of the fabric: their paths are below a folder."""
    root = tmp_path / 'machine'
    parts = [{**part, 'paths': [str(root) + path if '/cray/' not in path else path for path in part['paths']]}
             for part in load_fabric()['parts']]
    monkeypatch.setattr(checks, 'load_fabric', lambda: {**load_fabric(), 'parts': parts})
    for path in ('sys/class/cxi/cxi0', 'usr/lib64/libcxi.so.1', 'dev/xpmem', 'opt/cray/pals/1.3.2/lib/libpals.so.0',
                 'opt/cray/pe/pmi/6.1.15/lib/libpmi2.so.0'):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text('')
    return root


def pkg_config(folder, version='1.22.0', prefix='/opt/cray/libfabric/1.22.0'):
    """A pkg-config that knows libfabric; the environment of a process that finds it."""
    folder.mkdir(exist_ok=True)
    tool = folder / 'pkg-config'
    tool.write_text(f'#!/bin/sh\ncase $1 in --modversion) echo {version};; *) echo {prefix};; esac\n')
    tool.chmod(0o755)
    return {'PATH': f'{folder}:/usr/bin:/bin'}


def why_not(name, situation):
    examine(situation)
    return CHECKS[name].unless(situation)


def test_a_plain_machine_says_what_is_absent(here, tmp_path):
    env = {'LUMI_HOOKS_SYSTEM_ROOT': str(tmp_path), 'PATH': str(tmp_path)}
    assert why_not('fabric', here(env=env)) == 'this machine has no Slingshot: there is no CXI, no libcxi, no xpmem, ' \
        'no PMI, no PALS, no GTL, and no libfabric that pkg-config knows'
    assert says('fabric', here(env=env)) == [] and says('ranks', here(env=env)) == []
    assert why_not('gtl', here(env=env)) == 'partition C has no GPUs'
    assert why_not('gtl', here(env=env, partition='G')) == 'there is no GTL'


def test_a_machine_where_all_is_there(here, slingshot, tmp_path):
    env = {'LUMI_HOOKS_SYSTEM_ROOT': str(slingshot), **pkg_config(tmp_path / 'bin')}
    assert why_not('fabric', here(env=env)) is None and says('fabric', here(env=env)) == []
    (level, text), = says('fabric', here(env=env, partition='G'))
    assert level == WARNING and text.startswith('there is no GTL (')


def test_what_is_missing_is_named(here, slingshot, tmp_path):
    (slingshot / 'dev/xpmem').unlink()
    env = {'LUMI_HOOKS_SYSTEM_ROOT': str(slingshot), 'PATH': str(tmp_path)}
    assert [text.split(':')[0] for _, text in says('fabric', here(env=env))] == [
        'there is no xpmem (memory that the ranks of a node share)', 'pkg-config knows no libfabric']


def test_another_libfabric_than_software_was_built_with(here, slingshot, tmp_path):
    """Folder and version may differ."""
    env = {'LUMI_HOOKS_SYSTEM_ROOT': str(slingshot),
           **pkg_config(tmp_path / 'bin', '2.3.1', '/opt/cray/libfabric/2.3.0')}
    (_, text), = says('fabric', here(env=env))
    assert text.startswith('libfabric is 2.3.1 in /opt/cray/libfabric/2.3.0 (SHS 13.1 or 14.0), and what is installed '
                           'was built with 1.22.0')


@pytest.mark.parametrize('answer', ['exit 1', 'true', 'sleep 60'])
def test_a_pkg_config_that_knows_nothing(here, slingshot, tmp_path, monkeypatch, answer):
    monkeypatch.setattr(checks, '_SECONDS', 0.2)
    env = pkg_config(tmp_path / 'bin')
    (tmp_path / 'bin/pkg-config').write_text(f'#!/bin/sh\nexec {answer}\n' if 'sleep' in answer else
                                             f'#!/bin/sh\n{answer}\n')
    assert checks.libfabric(env) == {}


def test_gtl_wants_the_hip_of_the_rocm_that_is_loaded(here, slingshot, tmp_path):
    hip = library(tmp_path / 'rocm6/lib', 'libamdhip64.so.6')
    (tmp_path / 'rocm7/lib').mkdir(parents=True)
    library(slingshot / 'opt/cray/pe/mpich/8.1.32/gtl/lib', 'libmpi_gtl_hsa.so.0', needs=[hip])
    env = {'LUMI_HOOKS_SYSTEM_ROOT': str(slingshot)}
    assert 'ROCM_PATH' in why_not('gtl', here(env=env, partition='G'))
    assert says('gtl', here(env={**env, 'ROCM_PATH': str(tmp_path / 'rocm6')}, partition='G')) == []
    (_, text), = says('gtl', here(env={**env, 'ROCM_PATH': str(tmp_path / 'rocm7')}, partition='G'))
    assert 'wants libamdhip64.so.6, which' in text


def test_ranks_that_would_be_alone_and_large_pages(here):
    (_, alone), (_, pages) = says('ranks', here(env={
        'SLURM_MPI_TYPE': 'none', 'LOADEDMODULES': 'craype-x86-milan:craype-hugepages8M:craype-hugepages2M'}))
    assert 'rank 0 of 1' in alone and 'craype-hugepages8M' in pages
    assert says('ranks', here(env={'SLURM_MPI_TYPE': 'cray_shasta'})) == []


def test_eb_itself_does_not_ask(here):
    for name in ('fabric', 'versions', 'gtl', 'ranks'):
        assert 'not before each build' in why_not(name, here(inside=True, partition='G'))


def test_what_is_known_of_each_release():
    """Frontier's log: libfabric 1.22 does not go with the Cray MPICH of 23.09."""
    found = {name: [(one.what, one.other) for one in unproven(versions_of(load_release(name)))]
             for name in release_names()}
    assert ('cray-mpich/8.1.27', 'libfabric/1.22.0') in found['23.09']
    assert found['25.03'] == found['25.09'] == found['26.03'] == []
    assert ('cce/17.0.1', 'rocm/6.3.4') in found['24.03']


@pytest.mark.parametrize('modules, notes', [
    (['rocm/6.3.4', 'cray-fftw'], []), (['rocm/6.4.4'], ['cray-mpich/8.1.32 with rocm/6.4.4 is not proven']),
    (['cray-pmi/6.1.17', 'rocm'], ['cray-mpich/8.1.32 with cray-pmi/6.1.17 is not proven']),
    (['cray-mpich/8.1.27', 'libfabric/1.22.0'], ['cray-mpich/8.1.27 with libfabric/1.22.0 is not proven']), ([], [])])
def test_a_plan_notes_modules_that_are_not_known_to_fit(modules, notes):
    found = list(Pins(make_site('25.03', 'G', env={})).unproven(modules))
    assert [text.partition(':')[0] for text in found] == notes


def test_bounds():
    assert [one.other for one in unproven({'cray-mpich': '9.0.1', 'rocm': '7.0.3', 'cray-pmi': '6.1.15'})] == [
        'rocm/7.0.3', 'cray-pmi/6.1.15']
    assert list(unproven({'cray-mpich': '9.0.1', 'rocm': '6.4.9', 'cray-pmi': '6.1.20'})) == []
    assert list(unproven({'cray-mpich': '8.1.32'})) == list(unproven({})) == []
    assert (shs_of('1.22.0'), shs_of('2.3.1'), shs_of('9.9')) == (('12.0',), ('13.1', '14.0'), ())


def test_only_what_concerns_a_partition_is_told(here, monkeypatch):
    monkeypatch.setattr(checks, 'versions_of', lambda release: {'cray-mpich': '9.0.1', 'rocm': '7.0.3'})
    assert says('versions', here()) == []
    (level, text), = says('versions', here(partition='G'))
    assert level == WARNING and 'is not proven' in text and 'Frontier' in text


def test_software_that_was_built_with_a_newer_libfabric(here, slingshot, tmp_path):
    env = {'LUMI_HOOKS_SYSTEM_ROOT': str(slingshot), **pkg_config(tmp_path / 'bin')}
    situation = here(env=env)
    for name, fabric in (('Old', '1.15.2'), ('Same', '1.22.0'), ('New', '2.3.1'), ('None', None)):
        put(tmp_path / 'prefix', a_record(module=f'{name}/1-cpeGNU-25.03', fabric=fabric and {
            'libfabric': fabric, 'prefix': '/opt/cray/libfabric/x', 'shs': []}), software=name)
    (level, text), = says('built-with', situation)
    assert (level, text) == (WARNING, 'New/1-cpeGNU-25.03: built with libfabric 2.3.1 (SHS 13.1 or 14.0), and the '
                                      'machine has libfabric 1.22.0 (SHS 12.0): build again what does not start')
    assert says('built-with', here(env={'PATH': str(tmp_path), 'LUMI_HOOKS_SYSTEM_ROOT': str(slingshot)})) == []
