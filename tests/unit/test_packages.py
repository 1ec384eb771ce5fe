# SPDX-License-Identifier: GPL-2.0-only
"""What is known about packages, as data: each entry and each group does what it says."""
import os
import re
import subprocess
from itertools import product

import pytest

from lumi_hooks import jobtests
from lumi_hooks.adapt import adapt
from lumi_hooks.backends import stands_for
from lumi_hooks.data import ROOT, load_json
from lumi_hooks.dependency import Dependency
from lumi_hooks.index import NOTHING
from lumi_hooks.packages import package
from lumi_hooks.releases import python_packages, release_names
from lumi_hooks.rules import RULES
from lumi_hooks.rules.draft import DEPENDENCY_LISTS, Draft
from lumi_hooks.selection import choose_version
from lumi_hooks.site import make_site
from lumi_hooks.sites import filled
from lumi_hooks.versions import same_minor, version_key

BY_ID = {entry.id: entry for entry in RULES}


def says(rule_id, recipe, site):
    """What one rule says of a recipe that no other rule has changed."""
    return list(BY_ID[rule_id](Draft(recipe), site))


ENTRIES = sorted(name[:-5] for name in os.listdir(os.path.join(ROOT, 'packages'))
                 if name.endswith('.json') and name not in ('groups.json', 'gpu.json'))


def check_uses(name, uses, recipe, site):
    """HDF5 and netCDF in the flavour that is said, though the recipe says MPI."""
    io = uses.get('parallel-io')
    text = "toolchainopts = {'usempi': True}\ndependencies = [('HDF5', '1.14.6'), ('netCDF', '4.9.3')]\n"
    if io:
        adaptation = adapt(recipe(text, name=name), site)
        loaded = {item.name for parameter in DEPENDENCY_LISTS for item in adaptation.dependencies(parameter)}
        flavour = {True: {'cray-hdf5-parallel', 'cray-netcdf-hdf5parallel'}, False: {'cray-hdf5', 'cray-netcdf'}}
        assert loaded >= flavour[io['value']] and not loaded & flavour[not io['value']]
        assert io['link'].startswith('https://')
    for what, module in (('mpi', 'cray-mpich'), ('blas', 'cray-libsci')):
        if what in uses:  # upstream's foss has both
            assert (module in adapt(recipe(name=name), site).kept_out) is not uses[what]['value']
    if 'rocm' in uses:  # foss has none of it
        on_gpus = make_site(partition='G', env={})
        assert ('rocm' in adapt(recipe(name=name), on_gpus).kept_out) is not uses['rocm']['value']
    if 'xpmem' in uses:  # GCC has no MPI
        kept_out = adapt(recipe("toolchain = {'name': 'GCC', 'version': '14.2.0'}\n", name=name), site).kept_out
        assert 'cray-mpich' in kept_out and ('xpmem' in kept_out) is not uses['xpmem']['value']
    if 'mpi-tests' in uses:
        tested = adapt(recipe("runtest = 'check'\n", name=name), site).parameters['runtest']
        assert (tested is False) is uses['mpi-tests']['value'] and uses['mpi-tests']['link']
    assert set(uses) <= {'fft', 'parallel-io', 'mpi', 'mpi-tests', 'blas', 'rocm', 'xpmem'}


def check_dependencies(name, entries, recipe, site):
    """What is added, moved or left out."""
    for other, entry in entries.items():
        text = '' if entry['change'].startswith('add') else f"dependencies = [({other!r}, '1.0')]\n"
        draft = Draft(recipe(text, name=name, version=entry.get('min', '1.0')))
        for change in list(BY_ID['package-dependencies'](draft, site)):
            draft.apply(change)
        expected = {'add': ([other], []), 'add-to-build': ([], [other]), 'build-only': ([], [other]),
                    'leave-out': ([], []), 'any-version': ([other], []), 'same-major': ([other], [])}[entry['change']]
        found = tuple([item.name for item in draft.dependencies(where) if item.name == other]
                      for where in ('dependencies', 'builddependencies'))
        assert found == expected
        if entry['change'] in ('any-version', 'same-major'):
            asked = {source.version for source in site.index.sources(other)}
            chosen = {next(item.version for item in adapt(recipe(
                f"dependencies = [({other!r}, {version!r})]\n", name=name, version=entry.get('min', '1.0')),
                site).dependencies() if item.name == other) for version in asked}
            majors = {version_key(version)[0] for version in asked}
            assert len(asked) > 1 and len(chosen) == (1 if entry['change'] == 'any-version' else len(majors))


def check_version(name, bound, recipe, site):
    """The version that a release chooses keeps the bound, whatever upstream's recipe of it is asked for."""
    same = {'exact': None, 'same-minor': 2, 'same-major': 1}
    for release in release_names():
        here = make_site(release, index=site.index, env={})
        for source in site.index.sources(name):
            if source.versionsuffix or not source.toolchain:
                continue
            chosen = choose_version(Dependency(name, source.version), here).version
            if bound['policy'] == 'not-newer':
                limit = choose_version(Dependency(bound['of'], source.version), here).version
                assert version_key(chosen) <= version_key(limit)
            elif bound['policy'] == 'newest-of-major':
                assert version_key(chosen) == max(key for key in map(version_key, {
                    item.version for item in site.index.sources(name)}) if key[:1] == version_key(source.version)[:1])
            elif bound['policy'] == 'as-carried':
                python = here.release.modules['cray-python']
                if bound['of'] == 'cray-python':
                    assert same_minor(chosen, python)
                    continue
                carried = python_packages(python)[bound['of']]
                held = package(name)['as_dependency']['members'][chosen][bound['of']]
                assert not carried['verified'] or version_key(held)[:1] == version_key(carried['version'])[:1]
            elif bound['policy'] == 'between-breaks':
                for start in map(version_key, bound['breaks']):
                    assert (version_key(chosen) >= start) == (version_key(source.version) >= start)
            else:
                size = same[bound['policy']]
                assert version_key(chosen)[:size] == version_key(source.version)[:size]


def check_told(name, told, recipe, site):
    """It is told of who was made with an earlier version and gets a later one, and of no other."""
    versions = {source.version for source in site.index.sources(name)}
    seen = set()
    for version, release in product(versions, release_names()):
        here = make_site(release, index=site.index, env={})
        for change in says('release-version', recipe(f'dependencies = [({name!r}, {version!r})]\n'), here):
            crossed = version_key(version) < version_key(told['from']) <= version_key(change.after.version)
            assert (told['reason'] in change.reason, change.link == told['link']) == (crossed, crossed)
            seen.add(crossed)
    assert seen == {True, False}


def check_needs(name, needs, recipe, site):
    """Where cray-python carries what is needed it stands in, and for no other package in the same place."""
    for other, need in needs.items():
        if other == 'Python':
            check_python_packages(name, need, recipe, site)
            continue
        found = adapt(recipe(f"dependencies = [({other!r}, '2025.06')]\n", name=name), site)
        carried = python_packages(site.release.modules['cray-python'])
        asked = need.get('packages', {other: need.get('min')})
        stands = all(carried.get(item.lower(), {}).get('verified')
                     and version_key(carried[item.lower()]['version']) >= version_key(version)
                     for item, version in asked.items())
        names = {item.name for item in found.dependencies()}
        assert ('cray-python' in names, other in names) == (stands, not stands)


def check_python_packages(name, need, recipe, site):
    """Of what upstream's Python brings it gets what it needs and cray-python is not known to carry, and no more."""
    module = load_json('releases/pythonbuild.json')['run_time']['module']
    found = adapt(recipe("easyblock = 'PythonPackage'\ndependencies = [('Python', '3.13.5')]\n", name=name), site)
    added = {change.after.name: change.reason for change in found.changes if change.rule == 'python-run-time'}
    assert added == ({module: need['reason']} if need['packages'] else {})


def check_although(name, entry, recipe, site):
    """The dependency is built, and a note says why."""
    found = adapt(recipe(f'dependencies = [({name!r}, "1.0")]\n'), site)
    assert name in {item.name for item in found.dependencies()}
    assert any(entry['reason'] in note and site.release.module(entry['module']) in note for note in found.notes)


def check_parameters(name, entries, recipe, site):
    """Another value, or more options, once."""
    version = next((entry['min'] for entry in entries.values() if 'min' in entry), '1.0')
    draft = Draft(recipe("configopts = '--before'\ntoolchainopts = {'pic': True}\n", name=name, version=version))
    for change in list(BY_ID['package-parameters'](draft, site)):
        draft.apply(change)
    for parameter, entry in entries.items():
        value = draft.parameters[parameter]
        if parameter == 'toolchainopts':
            assert value == {'pic': True, **entry['value']}, 'options of the recipe stay'
            continue
        assert value == entry['value'] if 'value' in entry else value.split()[-1] == entry['append'].split()[-1]
    assert list(BY_ID['package-parameters'](draft, site)) == []


def check_words(name, entries, recipe, site):
    """The words are replaced in options, and once."""
    for entry in entries:
        text = f'before {entry["replace"]} after'
        draft = Draft(recipe(f'configopts = {text!r}\n', name=name, version=entry.get('min', '1.0')))
        change, = BY_ID['package-words'](draft, site)
        assert change.after == f'before {entry["by"]} after'
        draft.apply(change)
        assert list(BY_ID['package-words'](draft, site)) == []


def check_rocm(name, entry, recipe, site):
    """A recipe for CUDA becomes one for AMD's GPUs, or is refused: more is in test_gpu_packages.py."""
    here = make_site(partition='G', index=site.index, env={})
    found = adapt(recipe("dependencies = [('CUDA', '12.8.0', '', SYSTEM)]\n", name=name, version='9999'), here)
    if 'refuse' in entry:
        assert entry['refuse']['code'] in {refusal.code for refusal in found.refusals}
    else:
        assert found.versionsuffix == '-rocm' or found.status == 'refused'
        assert found.toolchain[0] == entry['compiler']['toolchain']


def check_check(name, entry, recipe, site):
    """A job tests it so where its installation was left with nothing to test."""
    found = jobtests.stated(f'{name}/1.0-cpeGNU-25.03')
    assert [check.why for check in found] == [item['reason'] for item in entry]
    for check, item in zip(found, entry):
        assert item['command'] in check.command and check.by_srun is not bool(re.search(r'\bsrun\b', item['command']))
        assert ('says' in item) is check.command.endswith('<<< "$said"')
        assert subprocess.run(['bash', '-n', '-c', check.command], check=False).returncode == 0
        assert subprocess.run(['grep', '-E', '-q', '--', item.get('says', 'x')], input='', text=True,
                              check=False).returncode in (0, 1), 'grep takes the pattern'


def check_serial(name, entry, recipe, site):
    """A recipe without MPI depends on the variant without MPI, and one with MPI on the other."""
    text = f"dependencies = [({name!r}, '1.0')]\n"
    for more, suffix in (('', entry['versionsuffix']), ("toolchainopts = {'usempi': True}\n", '')):
        found = adapt(recipe(more + text), site).dependencies()
        assert [item.versionsuffix for item in found if item.name == name] == [suffix]


CHECKS = {'check': check_check, 'parameters': check_parameters, 'words': check_words, 'uses': check_uses,
          'serial': check_serial,
          'dependencies': check_dependencies, 'version': check_version, 'told': check_told, 'needs': check_needs,
          'built_although': check_although, 'rocm': check_rocm}


@pytest.mark.parametrize('name', ENTRIES)
def test_each_package_entry_does_what_it_says(recipe, upstream_site, name):
    entry = package(name)
    fft = entry.get('uses', {}).get('fft')
    if fft:
        assert bool(says('toolchain-fft', recipe(name=name), upstream_site)) is fft['value'] and len(fft['reason']) > 20
    verb = entry.get('as_dependency', {}).get('verb')
    if verb == 'cray':
        version = upstream_site.cray[entry['as_dependency'].get('serial', entry['as_dependency'].get('parallel'))[-1]]
        text = f"dependencies = [({name!r}, {version.upstream_version!r})]\n"
        loaded = {item.name for item in adapt(recipe(text), upstream_site).dependencies()}
        assert loaded & {*entry['as_dependency'].get('serial', ()), *entry['as_dependency'].get('parallel', ())}
        note, = adapt(recipe(name=name), upstream_site).notes
        assert 'other recipes use that' in note
    tested = {'name'}
    for field, check in CHECKS.items():
        if field in entry:
            check(name, entry[field], recipe, upstream_site)
            tested.add(field)
    # what is said of linkage and of downloads is tested in test_verify_symbols.py and doctor/test_doctor_sources.py
    assert set(entry) - {'as_dependency', 'python', 'verify', 'downloads'} <= tested and (fft or verb != 'module'), \
        f'no test knows what packages/{name}.json says: write one'


@pytest.mark.parametrize('group', sorted(load_json('packages/groups.json')['groups']))
def test_each_group_does_what_it_says(recipe, group, tmp_path, upstream_index):
    entry = load_json('packages/groups.json')['groups'][group]
    # ours stand for nothing where no recipes of upstream's are
    index = upstream_index if entry['verb'] == 'python' else NOTHING
    site = make_site(partition='G', index=index, env={})
    if group == 'cuda':  # a recipe that needs them may have a counterpart for AMD's GPUs: that is another rule's
        for member in entry['members']:
            refusal, = says('impossible', recipe(name=member), site)
            assert refusal.code == 'cuda' and entry['reason'] in refusal.reason
            refusal, = says('gpu-back-end', recipe(f"dependencies = [({member!r}, '1.0')]\n"), site)
            assert refusal.code == 'cuda' and member in refusal.reason
        return
    rules = {'drop': 'toolchain-provided', 'module': 'central-tools', 'refuse': 'impossible', 'cray': 'cray-provided',
             'python': 'python-carried'}
    parameter = entry.get('lists', ['dependencies'])[0]
    for member in entry['members']:
        version = stands_for('').get(member, '99.0' if entry['verb'] == 'python' else '1.0')
        found = says(rules[entry['verb']], recipe(f"{parameter} = [({member!r}, {version!r})]\n"), site)
        assert len(found) == 1 and filled(entry['reason']) in found[0].reason, member
