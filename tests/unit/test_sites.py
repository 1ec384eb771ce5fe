# SPDX-License-Identifier: GPL-2.0-only
"""A site is data: LUMI's is the default, the core names none, and Dardel is one without a line of code."""
import ast
import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lumi_hooks import sites
from lumi_hooks.catalogue import upstream_recipes
from lumi_hooks.data import ROOT, load_json
from lumi_hooks.packages import package

CORE = sorted(path for part in ('adapt.py', 'recipe.py', 'render.py', 'store.py', 'selection.py', 'change.py',
                                'dependency.py', 'eb/view.py', 'rules', 'plan')
              for path in ([Path(ROOT, part)] if part.endswith('.py') else Path(ROOT, part).rglob('*.py')))
LUMIS = re.compile(r'LUMI(?!_HOOKS)|\bLUST\b|EBU_USER|lumi-supercomputer', re.IGNORECASE)


def _strings(path):
    """Strings of a file that are not docstrings."""
    tree, docs = ast.parse(path.read_text(encoding='utf-8')), set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and isinstance(node.body[0], ast.Expr):
            docs.add(id(node.body[0].value))
    return [node.value for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs]


# values of a site that occur in the core without being the site's: words, and names of HPE's and EasyBuild's
ORDINARY = {
    'EasyBuild': 'the program', 'gpu': 'an option', 'mpi': 'an option', 'native': 'of -march=native',
    'system': 'SYSTEM',
    'cpeAMD': 'a toolchain of HPE\'s compilers', 'cpeCray': 'likewise', 'cpeGNU': 'likewise',
    'MPICH_GPU_SUPPORT_ENABLED': 'a variable of Cray MPICH', '-parallel': 'of cray-parallel-netcdf',
    'memory': 'English', 'project': 'English', 'projects': 'in addresses of pages', 'software': 'English',
    'sources': 'a parameter of recipes',
    'Perl': 'of the template %(perlver)s', 'threads': 'English', '+': 'a sign', '-': 'a sign', '1': 'a digit',
}


def _texts(content):
    """All strings of JSON."""
    if isinstance(content, str):
        yield content
    for value in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from _texts(value)


@functools.lru_cache(maxsize=None)
def _values():
    """Every string value of the sites' folders, their names among them."""
    return {text for name in ('lumi', 'dardel') for path in Path(ROOT, 'sites', name).rglob('*.json')
            for text in _texts(load_json(str(path))) if text}


def _used(path):
    """Values of sites that a file has: as a string of its own, or within one if it is no short word."""
    return {value for text in _strings(path) for value in _values()
            if value == text or len(value) > 5 and value in re.sub(r'LUMI_HOOKS_\w+|lumi[-_]hooks', '', text)}


def test_no_value_of_a_site_occurs_in_the_core():
    """Recipe, rules, plan, rendering and store hold no site: what is left are ordinary words, all of which occur."""
    found = {value: path.name for path in CORE for value in _used(path)}
    assert not {value: name for value, name in found.items() if value not in ORDINARY}
    assert set(found) == set(ORDINARY) and len(_values()) > 700


# what keeps LUMI's name in the code: names in data and programs' output, which stay
NAMES = {'lumi': 'easybuild/lumi/record.json, whose recipe it is, and a key of --json',
         'LumiEnvironment': 'our easyblock of environments', 'lumi_toolchains.py': 'a file of toolchains/',
         **{f'.lumi_{name}': 'a file of toolchains/'
            for name in ('cpegnu', 'cpecray', 'cpeaocc', 'cpeamd', 'toolchains')}}


@pytest.mark.parametrize('path', sorted(path for folder in ('lumi_hooks', 'easyblocks', 'toolchains')
                                        for path in Path(ROOT).parent.joinpath(folder).rglob('*.py')),
                         ids=lambda path: os.path.relpath(path, os.path.dirname(ROOT)))
def test_no_text_of_the_code_names_lumi(path):
    for text in _strings(path):
        bare = re.sub(r'LUMI_HOOKS_\w*|lumi[-_]hooks|lumi-eb|lumi-recipes', '', text)
        assert text in NAMES or not LUMIS.search(bare), text


# hosts of pages that are no site's own
EVERYBODYS = {'github.com', 'rocm.docs.amd.com'}


def test_no_page_of_a_site_is_common_knowledge():
    """The pages of a site's documentation stand in its own folder: common data says {containers_page} and the like."""
    hosts = {urlsplit(page).netloc for name in ('lumi', 'dardel')
             for page in load_json(f'sites/{name}/site.json')['links'].values()} - EVERYBODYS
    assert 'docs.lumi-supercomputer.eu' in hosts
    common = [path for path in Path(ROOT).rglob('*.json') if not {'sites', 'pilot'}.intersection(path.parts)]
    found = {(path.name, host) for path in common for text in _texts(load_json(str(path))) for host in hosts
             if host in text}
    assert len(common) > 150 and found == set()
    assert package('jax')['rocm']['refuse']['link'] == sites.link('containers')


def test_lumi_is_the_default():
    assert sites.name() == 'LUMI' and sites.folder() == 'sites/lumi' and sites.known() == ('another', 'dardel', 'lumi')


def test_dardel_is_little_data_and_no_code():
    files = [path for path in Path(ROOT, 'sites', 'dardel').rglob('*') if path.is_file()]
    assert {path.suffix for path in files} == {'.json'}
    assert sum(len(path.read_text(encoding='utf-8').splitlines()) for path in files) <= 200


def _python(code, **env):
    """Standard output of a Python with another site; a process has one."""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False,
                          env={'PATH': os.environ['PATH'], 'HOME': '/nowhere', 'PYTHONPATH': os.path.dirname(ROOT),
                               'PYTHONDONTWRITEBYTECODE': '1', **env})
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def test_where_dardel_is():
    found = _python('import json\nfrom lumi_hooks.site import site_from_environment as f\n'
                    's = f({"CRAY_PE_VERSION": "24.11", "EB_USER_PREFIX": "/p"})\n'
                    'from lumi_hooks.prefix import module_folders\n'
                    'print(json.dumps([s.release.name, s.partition, s.prefix, s.release.module("gcc-native"), '
                    's.release.module("rocm"), module_folders("/p", "24.11", s.partition)]))', LUMI_HOOKS_SITE='dardel')
    assert json.loads(found) == ['24.11', 'cpu', '/p', 'gcc-native/12.3', 'rocm/6.3.1', ['/p/modules/all']]


REFUSED = '''
from dataclasses import replace
from lumi_hooks.adapt import adapt
from lumi_hooks.recipe import parse_recipe
from lumi_hooks.plan.verdict import REASONS
from lumi_hooks.site import make_site, site_from_environment
site, texts = make_site(env={}), list(REASONS.values())
for name, more in (("jax", ""), ("Siesta", ", versionsuffix='-CUDA'"), ("PyTorch", ""), ("ucx-py", ""), ("CMake", "")):
    for toolchain, version in (("foss", "2023a"), ("cpeIntel", "24.11"), ("cpeGNU", "25.03")):
        found = adapt(parse_recipe(f"""easyblock = 'ConfigureMake'
name = {name!r}
version = '1'
versionsuffix = '-CUDA-12.1.1'
homepage = 'https://x'
description = 'x'
toolchain = {{'name': {toolchain!r}, 'version': {version!r}}}
builddependencies = [('CMake', '3.26.3')]
dependencies = [('PyTorch', '2.1.2', '-CUDA-12.1.1'), ('CUDA', '12.1.1', '', SYSTEM)]
moduleclass = 'tools'
"""), site)
        texts += [found.reason, *found.notes]
for env in ({}, {"CRAY_PE_VERSION": "24.11", "EB_USER_PREFIX": ""}, {"CRAY_PE_VERSION": "21.01"}):
    try:
        site_from_environment(env)
    except Exception as err:
        texts.append(str(err))
print("\\n".join(texts))
'''


def test_no_message_of_dardel_names_lumi():
    found = _python(REFUSED, LUMI_HOOKS_SITE='dardel')
    bare = re.sub(r'LUMI_HOOKS_\w+|lumi[-_]hooks|lumi-eb', '', found)
    assert len(found) > 2000 and 'PDC/24.11' in found and 'Dardel' in found and not LUMIS.search(bare), bare


def test_a_site_that_is_none(tmp_path):
    code = 'from lumi_hooks import sites; sites.check(); print(sites.name())'
    assert 'there is no such site; known are another, dardel, lumi' in _python(code, LUMI_HOOKS_SITE='mars')
    assert 'has no file site.json' in _python(code, LUMI_HOOKS_SITE_DIR=str(tmp_path))
    (tmp_path / 'site.json').write_text(Path(ROOT, 'sites', 'dardel', 'site.json').read_text(encoding='utf-8'))
    (tmp_path / 'site.json').chmod(0o644)
    assert _python(code, LUMI_HOOKS_SITE_DIR=str(tmp_path)) == 'Dardel'
    (tmp_path / 'site.json').chmod(0o666)
    assert 'is not read' in _python(code, LUMI_HOOKS_SITE_DIR=str(tmp_path))


# applications, which nothing is built on, and OpenBLAS, for which LibSci stands
NO_MODULES = {'abinit', 'busco', 'cp2k', 'elk', 'flye', 'gromacs', 'hoomd-blue', 'mageck', 'miniconda3', 'mmseqs2',
              'openblas', 'porechop', 'raxml'}
COMMANDS = ('install', 'remove', 'search', 'adapt', 'plan', 'explain', 'failures', 'report', 'sbom', 'survey', 'verify',
            'doctor', 'job', 'handtest', 'check-data', 'capture', 'pilot-facts', 'status')
# a LUMI thing: its modules, variables and commands
THINGS = re.compile(f'(?i:{LUMIS.pattern})' + r'|\bEBU_|\bpartition/|\bEasyBuild-(user|production)\b|project_46')


def _dardel(arguments, folder, **env):
    """What lumi-eb prints on Dardel, without what is called after the library itself; its exit code."""
    done = subprocess.run([sys.executable, '-c', 'import sys; from lumi_hooks.cli import main; sys.exit(main())',
                           *arguments], capture_output=True, text=True, check=False, cwd=folder, env={
        'PATH': os.environ['PATH'], 'HOME': str(folder), 'PYTHONPATH': os.path.dirname(ROOT), 'COLUMNS': '200',
        'PYTHONDONTWRITEBYTECODE': '1', 'LUMI_HOOKS_SITE': 'dardel', 'CRAY_PE_VERSION': '24.11',
        'EB_USER_PREFIX': str(folder), **env})
    assert 'Traceback' not in done.stderr
    own = r'LUMI_HOOKS_\w*|lumi[-_]hooks|lumi-eb|"lumi":|easybuild/lumi|' + re.escape(os.path.dirname(ROOT))
    return re.sub(own, '', done.stdout + done.stderr), done.returncode


@pytest.mark.parametrize('command', COMMANDS)
def test_no_help_of_dardel_names_lumi(command, tmp_path):
    text, code = _dardel([command, '--help'], tmp_path)
    assert code == 0 and len(text) > 300 and not THINGS.search(text), THINGS.search(text)


@pytest.mark.parametrize('arguments, code', [
    ((), 0), (('--json',), 0), (('adapt', 'HPCC'), 0), (('adapt', 'PyTorch'), 0), (('plan', 'GROMACS'), 0),
    (('plan', 'CUDA'), 1), (('doctor', 'HPCC'), 1), (('search', 'HPCC'), 0), (('install', '--dry-run', 'HPCC'), 0),
    (('install', 'HPCC'), 2), (('explain', 'HPCC'), 2), (('job', 'HPCC'), 2), (('verify', 'HPCC/1-cpeGNU-24.11'), 2),
    (('sbom',), 2), (('failures',), 0), (('report',), 0), (('remove',), 0), (('capture', '--site', 'there'), 2),
    (('adapt', 'GROMACS-2026.2-foss-2025b.eb', '--partition', 'gpu', '--gpu', 'GROMACS'), 0),
    (('adapt', 'HPCC', '--partition', 'C'), 2),
    (('handtest', '--no-build', 'libpng'), 0), (('survey', '--sample', '400'), 0)],
    ids=lambda item: ' '.join(item) if isinstance(item, tuple) else str(item))
def test_no_output_of_dardel_names_lumi(arguments, code, tmp_path):
    text, found = _dardel(arguments, tmp_path)
    assert found == code and text.strip() and not THINGS.search(text), text


def test_no_message_of_an_unset_dardel_names_lumi(tmp_path):
    for more in ({'CRAY_PE_VERSION': ''}, {'EB_USER_PREFIX': ''}, {'CRAY_PE_VERSION': '21.01'},
                 {'LUMI_HOOKS_MODE': 'x'}):
        text, _ = _dardel([], tmp_path, **more)
        assert ('problem' in text or 'next' in text) and not THINGS.search(text), text


def test_a_job_of_dardel_finds_what_the_user_installed(tmp_path):
    """PDC/<release> does not know of a user's prefix, and easybuild-user would bring EasyBuild into the job."""
    text, code = _dardel(['job', 'lz4/1.10.0-cpeGNU-24.11', '--account', 'x', '--program', 'lz4'], tmp_path)
    lines = [line for line in text.splitlines() if line.startswith('module ')]
    assert code == 0 and lines == ['module load PDC/24.11 ||', f'module use {tmp_path}/modules/all ||',
                                   'module load lz4/1.10.0-cpeGNU-24.11 ||'] and not THINGS.search(text)


def test_advice_of_dardel_names_no_lumi():
    found = _python('from lumi_hooks.record.failure import kinds\nfrom lumi_hooks import caller, sites\n'
                    'from lumi_hooks.schemas import checked\n'
                    'print([k.advice for k in kinds()], sites.filled(checked("caller.json"))["variables"])',
                    LUMI_HOOKS_SITE='dardel')
    bare = re.sub(r'LUMI_HOOKS_\w*|lumi[-_]hooks|lumi-eb', '', found)
    assert 'EB_USER_PREFIX' in bare and not THINGS.search(bare), THINGS.search(bare)


def test_the_map_of_pdc_s_names_is_theirs_and_upstream_s():
    """Each module of the map is PDC's in that version and for that toolchain; what it stands for is upstream's."""
    facts = json.loads((Path(ROOT).parent / 'ci/standin/dardel/recipes-24.11.json').read_text(encoding='utf-8'))
    theirs = {(row['name'], row['version'], toolchain) for row in facts['recipes'] for toolchain in row['toolchains']
              if 'suffix' not in row}
    stack, upstream = load_json('sites/dardel/versions/24.11.json'), upstream_recipes()[0]
    for name, entry in stack['provides'].items():
        toolchains = ('system',) if entry.get('system') else ('cpeGNU', 'cpeCray', 'cpeAMD')
        (member, version), = entry['members'].items()
        assert any((name, version, toolchain) in theirs for toolchain in toolchains), name
        assert Path(upstream, member[0].lower(), member).is_dir() and member != name, member
        assert entry.get('system') or version in stack['libraries'][member]
    # and no name of PDC's that is upstream's in other letters is left out, for the toolchains of the release
    known = {name.lower(): name for folder in Path(upstream).glob('?') for name in os.listdir(folder)}
    lacking = {name for name, _, toolchain in theirs if toolchain == 'cpeGNU' and known.get(name.lower(), name) != name}
    assert not lacking - set(stack['provides']) - NO_MODULES, sorted(lacking - set(stack['provides']))


def test_small_letters_of_pdc_stand_for_upstream_s_names(tmp_path):
    """libxc and GSL of a recipe become PDC's modules where it has them; CMake is the one for every toolchain."""
    text, code = _dardel(['adapt', '--json', _recipe(tmp_path)], tmp_path)
    assert code == 0 and 'gsl' not in text  # PDC has none here: they are derived
    for name, folder in (('gsl-2.8-cpeGNU-24.11', 'gsl'), ('cmake-3.31.3', 'cmake')):
        system = folder == 'cmake'
        path = tmp_path / 'pdc' / folder[0] / folder / f'{name}.eb'
        path.parent.mkdir(parents=True)
        toolchain = 'SYSTEM' if system else "{'name': 'cpeGNU', 'version': '24.11'}"
        path.write_text(f"easyblock = 'ConfigureMake'\nname = '{folder}'\nversion = '{'3.31.3' if system else '2.8'}'\n"
                        f"homepage = 'https://x'\ndescription = 'x'\ntoolchain = {toolchain}\n", encoding='utf-8')
    text, code = _dardel(['adapt', '--json', _recipe(tmp_path)], tmp_path, EASYBUILD_ROBOT_PATHS=str(tmp_path / 'pdc'))
    after = [change['after'] for change in json.loads(text)['recipes'][0]['changes']]
    assert code == 0 and {'gsl', 'cmake'} <= {item[0] for item in after if isinstance(item, list)}, after


def _recipe(folder):
    path = folder / 'Thing-1-foss-2023a.eb'
    path.write_text("easyblock = 'ConfigureMake'\nname = 'Thing'\nversion = '1'\nhomepage = 'https://x'\n"
                    "description = 'x'\ntoolchain = {'name': 'foss', 'version': '2023a'}\n"
                    "builddependencies = [('CMake', '3.26.3')]\ndependencies = [('GSL', '2.7')]\n", encoding='utf-8')
    return str(path)


# ------------------------------------------------------------------------------------------------ a folder of a site
HOSTILE = {
    'a path out of the prefix': lambda site: site['layout'].update(modules='../../tmp/modules'),
    'an absolute path': lambda site: site['layout'].update(software='/tmp/software'),
    'a field that reads attributes': lambda site: site['words'].update(stack='{release.__class__.__mro__}'),
    'an unknown field': lambda site: site['words'].update(load='{HOME}'),
    'letters that move a terminal': lambda site: site.update(called='Dardel\x1b[2J'),
    'a word of two lines': lambda site: site['words'].update(load='module load x\nrm -rf ~'),
    'a pattern of hooks elsewhere': lambda site: site.update(hooks='../../*.py'),
    'a variable that is none': lambda site: site['variables'].update(prefix='PATH; x'),
    'a page that is none': lambda site: site['links'].update(hip='javascript:x'),
    'a huge file': lambda site: site.update(source='x' * 2_000_000),
}


def _folder(folder, change=lambda site: None):
    """A copy of Dardel's folder, changed."""
    folder.mkdir()
    for path in Path(ROOT, 'sites', 'dardel').glob('*.json'):
        content = load_json(str(path))
        if path.name == 'site.json':
            change(content)
        (folder / path.name).write_text(json.dumps(content), encoding='utf-8')
        (folder / path.name).chmod(0o644)
    return str(folder)


@pytest.mark.security
@pytest.mark.parametrize('case', HOSTILE)
def test_a_hostile_folder_of_a_site(case, tmp_path):
    text, code = _dardel(['plan', 'HPCC'], tmp_path, LUMI_HOOKS_SITE_DIR=_folder(tmp_path / 'site', HOSTILE[case]))
    assert code != 0 and text.strip().count('\n') == 0 and text.replace('\n', '').isprintable(), text
    text, code = _dardel(['plan', 'HPCC'], tmp_path, LUMI_HOOKS_SITE_DIR=_folder(tmp_path / 'good'))
    assert code == 0


@pytest.mark.security
@pytest.mark.parametrize('what', ['folder', 'machine.json', 'fifo', 'link'])
def test_a_folder_of_a_site_that_others_could_have_written(what, tmp_path):
    folder = Path(_folder(tmp_path / 'site'))
    if what == 'folder':
        folder.chmod(0o777)
    elif what == 'machine.json':
        (folder / what).chmod(0o666)
    else:
        (folder / 'jobs.json').unlink()
        if what == 'fifo':
            os.mkfifo(folder / 'jobs.json')
        else:
            (tmp_path / 'open').mkdir()
            (tmp_path / 'open').chmod(0o777)
            (tmp_path / 'open' / 'jobs.json').write_text('{}', encoding='utf-8')
            (folder / 'jobs.json').symlink_to(tmp_path / 'open' / 'jobs.json')
    text, code = _dardel(['plan', 'HPCC'], tmp_path, LUMI_HOOKS_SITE_DIR=str(folder))
    assert code == 2 and 'is not read' in text and text.count('\n') == 1, text


def test_the_start_of_a_site_is_one_itself(tmp_path):
    text, code = _dardel(['plan', 'HPCC'], tmp_path, LUMI_HOOKS_SITE='another', CPE_VERSION='25.03')
    assert code == 0 and 'HPCC/1.5.0-cpeGNU-25.03' in text and not THINGS.search(text)


def test_a_new_release_of_a_site_is_data_alone(tmp_path):
    more = {'default': False, 'installation': 'native', 'support': 'hpe', 'modules': {'rocm': '7.0.2'}, 'source': 'x'}
    folder = _folder(tmp_path / 'site', lambda site: site['releases'].update({'26.03': more}))
    text, code = _dardel(['plan', 'HPCC', '--release', '26.03'], tmp_path, LUMI_HOOKS_SITE_DIR=folder)
    assert code == 0 and 'HPCC/1.5.0-cpeGNU-26.03' in text
    text, code = _dardel(['plan', 'HPCC', '--release', '26.03'], tmp_path)
    assert code == 2 and 'known are 24.11' in text


def _modules(folder, *names):
    for name in names:
        path = folder / f'{name}.lua'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('', encoding='utf-8')


CRAY = {'CRAY_CPU_TARGET': 'x86-milan', 'CRAY_PE_VERSION': '24.11', 'CPE_VERSION': '24.11', 'SOFT_PREFIX': '/p/mine',
        'EASYBUILD_PREFIX': '/p/mine', 'LOADEDMODULES': 'craype-x86-milan:PrgEnv-gnu/8.6.0:Soft/24.11:EasyBuild/5.2.0'}


def test_capture_of_a_site(tmp_path):
    """What modules and variables say is in the folder, which is read then."""
    _modules(tmp_path / 'm', 'cpe/24.11', 'cpe/24.11x', 'gcc-native/12.3', 'gcc-native/14.2', 'rocm/6.3.1',
             'cray-python/3.11.7', 'libfabric/1.22.0', 'craype-accel-amd-gfx90a')
    text, code = _dardel(['capture', '--site', 'there'], tmp_path, MODULEPATH=str(tmp_path / 'm'), **CRAY)
    assert code == 0 and 'LUMI_HOOKS_SITE_DIR' not in text and 'export' in text
    site, machine = (json.loads((tmp_path / 'there' / f'{name}.json').read_text()) for name in ('site', 'machine'))
    assert site['variables'] == {'release': 'CRAY_PE_VERSION', 'prefix': 'SOFT_PREFIX'}
    assert site['releases']['24.11']['modules'] == {'gcc-native': '12.3', 'rocm': '6.3.1'}
    assert site['words']['load'] == 'module load Soft/24.11' and list(site['releases']) == ['24.11']
    assert machine['partitions']['cpu']['targets'][0] == 'craype-x86-milan' and 'gpu' in machine['partitions']
    text, code = _dardel(['plan', 'HPCC'], tmp_path, LUMI_HOOKS_SITE_DIR=str(tmp_path / 'there'), SOFT_PREFIX='/p/mine')
    assert code == 0 and 'cpeGNU/24.11' in text
    text, code = _dardel(['capture', '--site', 'there'], tmp_path, MODULEPATH=str(tmp_path / 'm'), **CRAY)
    assert code == 2 and 'has a site.json already' in text


@pytest.mark.parametrize('more, modules, says', [
    ({'CRAY_CPU_TARGET': 'arm-grace'}, ('cpe/24.11',), 'processors of type arm-grace are out of scope'),
    ({}, ('cpe/24.11', 'craype-accel-nvidia90'), 'with GPUs of NVIDIA are out of scope'),
    ({'CRAY_CPU_TARGET': ''}, ('cpe/24.11',), 'no craype-* module is loaded'),
    ({}, ('cpe/21.01',), 'no module cpe of a known release')])
def test_no_capture_of_what_is_out_of_scope(more, modules, says, tmp_path):
    _modules(tmp_path / 'm', *modules)
    text, code = _dardel(['capture', '--site', 'there'], tmp_path, MODULEPATH=str(tmp_path / 'm'), **{**CRAY, **more})
    assert code == 2 and says in text and not (tmp_path / 'there').exists()
