# SPDX-License-Identifier: GPL-2.0-only
"""
What is known of GPU back ends, entry by entry: a real recipe of upstream's of each package becomes the GPU variant,
with toolchain, suffix, ROCm and flags, and without CUDA. And all of upstream's recipes that carry CUDA.
"""
import os
import re
from urllib.parse import urlsplit

import pytest
from cuda_figures import BEGIN, END, part, write_part

from lumi_hooks import gpu
from lumi_hooks.adapt import adapt
from lumi_hooks.data import ROOT
from lumi_hooks.dependency import Dependency
from lumi_hooks.packages import package, treatment
from lumi_hooks.plan import REASONS
from lumi_hooks.recipe import parse_recipe, read_recipe
from lumi_hooks.releases import load_toolchains
from lumi_hooks.site import make_site
from lumi_hooks.survey import Survey, Surveyor, for_cuda, recipes_below
from lumi_hooks.versions import within

NAMES = sorted(name[:-5] for name in os.listdir(os.path.join(ROOT, 'packages')) if name.endswith('.json'))
ENTRIES = [name for name in NAMES if name not in ('groups', 'gpu') and 'back_end' in package(name).get('rocm', {})]
REFUSED = [name for name in NAMES if name not in ('groups', 'gpu') and 'refuse' in package(name).get('rocm', {})]


@pytest.fixture(scope='module')
def g(upstream_index):
    """Partition G of the default release, with upstream's recipes."""
    return make_site(partition='G', index=upstream_index, env={})


# of software that upstream has no recipe of: a user's own
OWN = {'Neko': "easyblock = 'ConfigureMake'\nname = 'Neko'\nversion = '1.0.1'\nhomepage = 'https://neko.cfd'\n"
               "description = 'spectral elements'\ntoolchain = {'name': 'foss', 'version': '2025a'}\n"
               "toolchainopts = {'usempi': True}\n"
               "dependencies = [('json-fortran', '9.0.3')]\nmoduleclass = 'phys'\n"}


def example(name, site):
    """The upstream recipe that an entry names."""
    if name in OWN:
        return parse_recipe(OWN[name])
    file = gpu.package(name)['rocm']['example']
    path = next(source.path for source in site.index.sources(name) if os.path.basename(source.path) == file)
    return read_recipe(path)


def test_enough_is_known():
    assert len(ENTRIES) >= 30
    assert {'GROMACS', 'LAMMPS', 'Kokkos', 'PETSc', 'Hypre', 'ELPA', 'magma', 'CP2K', 'NAMD', 'HeFFTe', 'CuPy',
            'OSU-Micro-Benchmarks'} <= set(ENTRIES)


@pytest.mark.parametrize('name', ENTRIES)
def test_each_back_end(name, g):
    entry, recipe = package(name)['rocm'], example(name, g)
    site = g if gpu.is_cuda(recipe) else g.with_gpu(name)
    found = adapt(recipe, site)
    assert found.status == 'adapted', found.reason
    assert found.toolchain == (entry['compiler']['toolchain'], site.release.cpe)
    assert found.versionsuffix.endswith('-rocm') and 'CUDA' not in found.module
    assert Dependency.external_module(site.release.module('rocm')) in found.dependencies()
    assert 'rocm' not in found.kept_out and 'craype-accel-amd-gfx90a' not in found.kept_out
    for parameter in ('dependencies', 'builddependencies'):
        for item in found.dependencies(parameter):
            known = None if item.external else treatment(item.name)
            assert not gpu.in_place_of(item.name) and 'CUDA' not in item.versionsuffix, item
            assert not known or known.code != 'cuda', item
    # every change that applies to this recipe left its trace, or what it looks for is not there
    for change in entry['changes']:
        if 'add' in change and within(recipe.version, change) and re.match(change.get('only', ''), recipe.version) \
                and 'from' not in change:
            text = str(found.parameters[change['parameter']])
            start = re.split(r'[{ ]', change['add'])[0]
            assert start in text, change
    # the target is named: by a flag, or to hipcc
    said = {key: value for key, value in found.parameters.items() if key not in ('usage', 'description')}
    assert 'gfx90a' in str(said), name
    # and the CPU recipe of the same software is the other variant
    assert adapt(recipe, make_site(partition='C', index=g.index, env={})).status == \
        ('refused' if gpu.is_cuda(recipe) else 'adapted')


@pytest.mark.parametrize('name', ENTRIES)
def test_each_back_end_says_what_it_is(name):
    entry = package(name)['rocm']
    toolchains = [entry['compiler']['toolchain'], *entry['compiler'].get('others', ())]
    there = make_site(partition='G', env={}).partition_facts['toolchains']
    assert set(toolchains) <= set(load_toolchains()['toolchains']) and set(toolchains) <= set(there)
    assert len(set(toolchains)) == len(toolchains)
    for pattern in [change[key] for change in entry['changes'] for key in ('replace', 'remove', 'only')
                    if key in change] + entry.get('harmless', []):
        re.compile(pattern)
    for change in entry['changes']:
        assert len(change['reason']) > 5 and _tells_where(change['link']), change
    assert len(entry['source'].split()) > 1
    for needed in entry.get('needs', {}):
        assert 'back_end' in package(needed).get('rocm', {}), f'{name} needs {needed}, of which nothing is known'
    assert not set(entry.get('needs', {})) & set(entry.get('plain', {}))


@pytest.mark.parametrize('name', ENTRIES)
def test_each_back_end_has_a_bound_by_rocm(name, g):
    """For the release's ROCm it is said which versions compile, and where that was seen."""
    bounds = package(name)['rocm']['works_with']
    assert any(within(g.release.modules['rocm'], bound.get('rocm', {})) for bound in bounds)
    assert all(len(bound['reason'].split()) > 4 and _tells_where(bound['link']) for bound in bounds)


@pytest.mark.parametrize('file,release,expected', [
    ('magma-2.7.2-foss-2023b-CUDA-12.4.0.eb', '25.03', 'with rocm/6.3.4 it compiles from 2.8 on (hipblasZtrmm'),
    ('magma-2.9.0-foss-2025a-CUDA-12.8.0.eb', '25.03', ''),
    ('magma-2.9.0-foss-2025a-CUDA-12.8.0.eb', '26.03', 'with rocm/7.0.3 it compiles from 2.10 on'),
    ('CuPy-13.0.0-foss-2023a-CUDA-12.1.1.eb', '25.03', 'from 13.4.1 on and below 14'),
    ('CuPy-13.6.0-foss-2025a-CUDA-12.8.0.eb', '26.03', 'from 14 on'),
    ('Score-P-8.1-gompi-2023a-CUDA-12.1.1.eb', '25.03', 'from 8.4 on'),
    ('Hypre-2.29.0-foss-2023a.eb', '25.03', 'from 2.30 on'),
    ('GROMACS-2025.4-foss-2025b-CUDA-12.9.1.eb', '25.03', 'its HIP back end is there from 2026 on'),
])
def test_versions_that_do_not_compile_with_the_releases_rocm(file, release, expected, g):
    site = make_site(partition='G', release=release, index=g.index, env={})
    name = next(name for name in sorted(ENTRIES, key=len, reverse=True) if file.startswith(f'{name}-'))
    recipe = read_recipe(next(source.path for source in site.index.sources(name)
                              if os.path.basename(source.path) == file))
    found = adapt(recipe, site.with_gpu(name))
    assert (found.status == 'refused') == bool(expected), found.reason
    assert expected in (found.reason or '')


@pytest.mark.parametrize('name', ENTRIES)
def test_checks_run_what_is_installed(name):
    """On a GPU node, with the module loaded: no program of the build folder, and MPI on GPU buffers where MPI is."""
    check = package(name)['rocm']['check']
    made = 'make ' in check
    assert './' not in check, check
    for word in re.findall(r'\S+\.(?:inp?|namd|c|inputs)\b', check):
        assert word.startswith('$EBROOT') or made, f'{word} of {check}'
    for command in re.split(r'&&|;', check):
        if re.search(r'srun -n (?!1 )\d', command):
            assert 'MPICH_GPU_SUPPORT_ENABLED=1 srun' in command, command


def _tells_where(link):
    """Does a link lead to a page or a file, rather than to a site?"""
    parts = urlsplit(link)
    return parts.scheme == 'https' and bool(parts.path.strip('/') or parts.fragment)


@pytest.mark.parametrize('name', ENTRIES)
def test_every_flag_carries_its_source(name, g):
    """Of the adapted recipe: whichever rule brings an option or a variable, the change says where that is described."""
    recipe = example(name, g)
    found = adapt(recipe, g if gpu.is_cuda(recipe) else g.with_gpu(name))
    flag = re.compile(r'(?<![\w-])-{1,2}[A-Za-z][\w-]*|\b[A-Z][A-Z0-9_]{2,}(?==)')
    rules = ('gpu-options', 'gpu-target', 'gtl', 'openmp-hip')
    of_the_gpu = [change for change in found.changes if change.rule in rules]
    assert of_the_gpu
    for change in of_the_gpu:
        new = set(flag.findall(str(change.after))) - set(flag.findall(str(change.before)))
        assert not new or (change.link and _tells_where(change.link)), (change.rule, new)


def test_a_patch_for_cuda_is_not_applied_or_refused(g, monkeypatch):
    """GPAW's patch stops its build where CuPy is there without CUDA; no parameter of the recipe names that."""
    recipe = example('GPAW', g)
    found = adapt(recipe, g)
    assert 'Add-CUDA' not in str(found.parameters['patches']) + str(found.parameters['checksums'])
    assert len(found.parameters['patches']) == 2 and len(found.parameters['checksums']) == 3
    entry = dict(package('GPAW')['rocm'])
    entry['changes'] = [change for change in entry['changes'] if change['parameter'] not in ('patches', 'checksums')]
    monkeypatch.setattr(gpu, 'package', lambda name: {'rocm': entry} if name == 'GPAW' else package(name))
    found = adapt(recipe, g)
    assert found.status == 'refused' and 'the patch GPAW-25.7.0-Add-CUDA-to-easybuild-config.patch' in found.reason


@pytest.mark.parametrize('name', REFUSED)
def test_each_refusal(name, g):
    entry = package(name)['rocm']['refuse']
    assert entry['code'] in REASONS and len(entry['reason']) > 30
    text = read_recipe(next(source.path for source in g.index.sources(name) if source.toolchain))
    found = gpu.why_no_gpu_variant(text, g)
    assert (found.code, found.reason) == (entry['code'], entry['reason'])


def test_groups_of_what_has_none(g):
    seen = {}
    for group, entry in gpu.load_gpu()['refused'].items():
        assert entry['code'] in REASONS, group
        for name in entry['members']:
            assert name not in seen, f'{name} is in {group} and {seen[name]}'
            seen[name] = group
            assert 'rocm' not in package(name), f'{name} has a file of its own, which says more'
            found = gpu.known_obstacle(name, '1.0', g)
            assert found.code == entry['code'] and entry['reason'] in found.reason


@pytest.fixture(scope='module')
def cuda_survey(upstream, g):
    """Every recipe of upstream's that carries CUDA, planned on partition G."""
    paths = for_cuda(recipes_below(upstream))
    surveyor = Surveyor(g)
    return Survey(g, len(paths), [surveyor.look(path) for path in paths])


def test_every_recipe_for_cuda_is_planned_or_refused_with_a_reason(cuda_survey):
    assert len(cuda_survey.findings) > 600 and not cuda_survey.failed()
    for item in cuda_survey.findings:
        assert item.status == 'planned' or (item.codes[0] in REASONS and len(item.reason) > 20), item.recipe
    planned = {os.path.basename(os.path.dirname(item.recipe)) for item in cuda_survey.findings
               if item.status == 'planned'}
    with_recipe = {name for name in ENTRIES if gpu.is_cuda(example(name, cuda_survey.site))}
    # what stands on software whose easyblock can't work here waits for that, and what would load two of a library, too
    waiting = {os.path.basename(os.path.dirname(item.recipe)) for item in cuda_survey.findings
               if {'easyblock', 'two-versions'} & set(item.codes)}
    assert with_recipe <= planned | waiting, 'what is known of a back end leads to a plan'


def test_what_is_planned_is_no_cuda(cuda_survey):
    surveyor = Surveyor(cuda_survey.site)
    for item in cuda_survey.findings:
        if item.status == 'planned':
            outline = surveyor._read(item.recipe, cuda_survey.site)
            assert outline.versionsuffix.endswith('-rocm') and 'CUDA' not in outline.module
            assert 'rocm' in {need.dependency.name for need in outline.needs}


def test_the_figures_of_the_documentation(cuda_survey, tmp_path):
    text = part(cuda_survey)
    data = cuda_survey.as_json()
    assert f'**{data["recipes"]}** recipes' in text and f'**{data["planned"]}** of' in text
    assert all(f'| `{code}` | {number} |' in text for code, number in data['refused'].items())
    page = tmp_path / 'page.md'
    page.write_text(f'Before.\n\n{BEGIN}\nold\n{END}\nBehind.\n', encoding='utf-8')
    write_part(str(page), cuda_survey)
    written = page.read_text(encoding='utf-8')
    assert written.startswith('Before.') and written.endswith('Behind.\n')
    assert '\nold\n' not in written and text in written


def test_the_page_of_the_documentation_has_its_marks():
    with open(os.path.join(os.path.dirname(ROOT), 'docs', 'rocm.md'), encoding='utf-8') as stream:
        text = stream.read()
    assert text.index(BEGIN) < text.index(END)
    for name in ENTRIES:
        assert f' {name} ' in text, f'{name} is not in docs/rocm.md: run ci/survey --only-cuda docs/rocm.md'
