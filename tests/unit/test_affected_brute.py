# SPDX-License-Identifier: GPL-2.0-only
"""
lumi-eb affected against brute force (brute_affected.py), over random changes: the very same set, each time.

The changes are of every kind: package files, rules, version tables, easyblocks of ours and upstream's, toolchain
classes, hooks, EasyBuild itself, overrides, recipes, patches and comments. LUMI_AFFECTED_CHANGES says how many are
made (30), LUMI_AFFECTED_SEED from which one on.
"""
import glob
import json
import os
import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from writing import put_recipe

from lumi_hooks.data import ROOT
from lumi_hooks.index import Index
from lumi_hooks.plan import Planner
from lumi_hooks.site import make_site
from lumi_hooks.survey import recipes_below

HERE = os.path.dirname(os.path.abspath(__file__))
TARGETS = [('25.03', 'cpeGNU', 'C'), ('25.09', 'cpeCray', 'G')]
FIRST = int(os.environ.get('LUMI_AFFECTED_SEED', '0'))
SEEDS = range(FIRST, FIRST + int(os.environ.get('LUMI_AFFECTED_CHANGES', '30')))
# asked for, besides some that are drawn
ALWAYS = ('HPCC-1.5.0-foss-2022a.eb', 'GROMACS-2024.3-foss-2023b.eb', 'netCDF-4.9.2-gompi-2023b.eb',
          'mpi4py-4.1.0-gompi-2025a.eb', 'PAPI-7.1.0-GCCcore-13.3.0.eb', 'h5py-3.11.0-foss-2023b.eb',
          'ADIOS2-2.10.2-foss-2024a.eb', 'cURL-8.7.1-GCCcore-13.3.0.eb', 'X11-20240607-GCCcore-13.3.0.eb')


@pytest.fixture(scope='module')
def world(upstream, tmp_path_factory):
    """A repository with everything that a change can be of."""
    return made(upstream, tmp_path_factory.mktemp('affected') / 'repository')


def made(upstream, root):
    """It, what is offered there, and what brute force says of it."""
    clone = os.path.dirname(ROOT)
    quiet = shutil.ignore_patterns('__pycache__')
    for name in ('lumi_hooks', 'easyblocks', 'toolchains', 'easyconfigs'):
        shutil.copytree(os.path.join(clone, name), root / name, ignore=quiet)
    shutil.copy(os.path.join(clone, 'setup.cfg'), root)
    import easybuild.framework
    package = os.path.dirname(os.path.dirname(easybuild.framework.__file__))
    shutil.copytree(package, root / 'eb' / 'easybuild', ignore=shutil.ignore_patterns('__pycache__', 'easyconfigs'))
    every = {os.path.basename(path): path for path in recipes_below(upstream)}
    drawn = random.Random(20261128).sample(sorted(every), 8)
    chosen = [every[name] for name in (*ALWAYS, *drawn) if name in every]
    wanted = dict.fromkeys(chosen)
    for release, toolchain, partition in TARGETS:
        planner = Planner(replace(make_site(release, partition, toolchain, env={}), index=Index((), (), upstream)))
        for path in chosen:
            planner.look(planner.asked(path))
        wanted.update(dict.fromkeys(node.source for node in planner.nodes.values() if node.source))
    for path in wanted:
        if path.startswith(tuple(upstream)):
            into = root / 'upstream' / os.path.relpath(os.path.dirname(path), upstream[0])
            if not into.exists():
                shutil.copytree(os.path.dirname(path), into, ignore=shutil.ignore_patterns('*.eb'))
            shutil.copy(path, into)
    (root / 'overrides').mkdir()
    (root / 'overrides' / 'cURL.json').write_text(override('cURL'))
    put_recipe(root / 'own', 'OwnThing', '1.0', ('foss', '2024a'), more="dependencies = [('cURL', '8.7.1')]\n")
    git(root, 'init', '-q')
    git(root, 'add', '-A', '-f')
    git(root, '-c', 'user.name=t', '-c', 'user.email=t@example.org', 'commit', '-qm', 'before')
    names = [os.path.basename(path) for path in chosen] + ['OwnThing-1.0-foss-2024a.eb']
    (root.parent / 'offers').mkdir()
    for release, toolchain, partition in TARGETS:
        folder = root.parent / 'offers' / release
        folder.mkdir()
        lines = ''.join(f'  - "{name}"\n' for name in names)
        (folder / f'{toolchain}-{partition}.yaml').write_text(f'easyconfigs:\n{lines}')
    return {'root': root, 'names': names, 'before': brute(root, names)}


def git(root, *words):
    return subprocess.run(['git', '-C', root, *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def override(name, value='--with-override'):
    change = {'reason': 'a test', 'parameters': {'configopts': {'append': value}}}
    return json.dumps({'name': name, 'overrides': [change]})


def settings(root):
    env = {name: value for name, value in os.environ.items() if not name.startswith('LUMI_HOOKS_')}
    return {**env, 'LUMI_HOOKS_UPSTREAM': f'{root}/upstream', 'LUMI_HOOKS_OVERRIDES': f'{root}/overrides',
            'EASYBUILD_ROBOT_PATHS': f'{root}/own', 'XDG_CACHE_HOME': f'{root.parent}/cache',
            'PYTHONPATH': f'{root}:{root}/eb', 'PYTHONDONTWRITEBYTECODE': '1'}


def brute(root, names):
    """What brute force says of a version."""
    places = {os.path.basename(path): path for folder in ('upstream', 'own')
              for path in glob.glob(f'{root}/{folder}/**/*.eb', recursive=True)}
    job = {'root': str(root), 'own': [f'{root}/own'], 'upstream': [f'{root}/upstream'],
           'overrides': [f'{root}/overrides'], 'targets': TARGETS, 'memo': f'{root.parent}/memo.json',
           'entries': [places.get(name, name) for name in names]}
    done = subprocess.run([sys.executable, f'{HERE}/brute_affected.py', json.dumps(job)], env=settings(root),
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def made_of(module, nodes):
    """All that a module and what it needs is made of."""
    todo, seen = [module], {}
    while todo:
        one = todo.pop()
        if one not in seen:
            seen[one] = nodes[one][:2]
            todo += nodes[one][2]
    return sorted(seen.items())


def expected(before, after):
    """What is affected: (target, recipe or module, what becomes of it)."""
    found = set()
    for target in after:
        old, new, listed = before[target], after[target], set()
        for recipe in {*old, *new}:
            one, other = old.get(recipe), new.get(recipe)
            listed |= {row[0] for row in (one, other) if row}
            if one and not other:
                found.add((target, recipe, 'refused'))
            elif other and not one:
                found.add((target, recipe, 'new'))
            elif one and other and one[0] != other[0]:
                found.add((target, recipe, 'moved'))
            elif one and other and made_of(*one) != made_of(*other):
                found.add((target, recipe, 'made of something else'))
        was = {module: made_of(module, row[1]) for row in old.values() if row for module in row[1]}
        now = {module: (made_of(module, row[1]), row[1][module]) for row in new.values() if row for module in row[1]}
        for module, (content, node) in now.items():
            if node[0] == 'build' and module not in listed and was.get(module) != content:
                found.add((target, module, 'made of something else' if module in was else 'new'))
    return found


def said(root, names):
    """What the command says, in the same words."""
    command = [sys.executable, '-m', 'lumi_hooks.cli', 'affected', '--json', '--jobs', '1', '--catalogue',
               f'{root.parent}/offers']
    done = subprocess.run(command, cwd=root, env=settings(root), text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found, rows = set(), json.loads(done.stdout)['affected']
    for row in rows:
        target = '/'.join((row['release'], row['toolchain'], row['partition']))
        kind = 'made of something else' if row['change'] in ('changed', 'dependent') else row['change']
        found.add((target, row['recipe'] if row['recipe'] in names else row['module'], kind))
    assert len(found) == len(rows)
    return found


def code(root, draw, place):
    """A random file of code, and its text."""
    path = draw.choice(sorted(path for path in glob.glob(f'{root}/{place}', recursive=True)
                              if not path.endswith('__init__.py')))
    with open(path, encoding='utf-8') as stream:
        return path, stream.read()


def used(root):
    """Names of the software that there are recipes of."""
    return sorted({os.path.basename(os.path.dirname(path))
                   for path in glob.glob(f'{root}/upstream/**/*.eb', recursive=True)})


def edit(path, text):
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(text)


def inside_a_function(text, line, draw):
    """A line more at the beginning of a random function, else at the end."""
    heads = list(re.finditer(r'^( *)def \w+\([^\n]*\)(?: -> [^\n]+)?:\n', text, re.M))
    if not heads:
        return f'{text}\nMORE = 1\n'
    head = draw.choice(heads)
    return text[:head.end()] + f'{head[1]}    {line}\n' + text[head.end():]


def random_change(root, names, seed):
    """Make the change of a number; returns what it was."""
    draw = random.Random(seed)
    kind = KINDS[seed % len(KINDS)]
    return f'{kind.__name__}: {kind(root, draw, names)}'


def comment(root, draw, _):
    path, text = code(root, draw, draw.choice([
        'lumi_hooks/rules/*.py', 'easyblocks/fixes/*.py', 'lumi_hooks/eb/lifecycle/*.py', 'eb/easybuild/framework/*.py',
        'upstream/**/*.eb', 'toolchains/**/*.py']))
    edit(path, text + '\n# a comment more\n')
    return path


def recipe_comment(root, draw, names):
    path = draw.choice(sorted(glob.glob(f'{root}/upstream/**/*.eb', recursive=True)))
    with open(path, encoding='utf-8') as stream:
        text = stream.read()
    edit(path, '# first\n' + text.replace('\nhomepage', '\n\n\nhomepage'))
    return path


def recipe_parameter(root, draw, names):
    path, text = code(root, draw, 'upstream/**/*.eb')
    edit(path, text + draw.choice(["\npreconfigopts = 'true && '\n", "\nversionsuffix = '-other'\n", '\nparallel = 1\n',
                                   "\nbuilddependencies = [('cURL', '8.7.1')]\n"]))
    return path


def recipe_gone(root, draw, names):
    path, _ = code(root, draw, 'upstream/**/*.eb')
    os.unlink(path)
    return path


def recipe_more(root, draw, names):
    """One of another version, which may be chosen."""
    path, text = code(root, draw, 'upstream/**/*.eb')
    version = re.search(r"^version = ['\"]([^'\"]+)", text, re.M)[1]
    new = os.path.join(os.path.dirname(path), os.path.basename(path).replace(f'-{version}', f'-{version}.99', 1))
    edit(new, re.sub(r"^version = ['\"][^'\"]+", f"version = '{version}.99", text, count=1, flags=re.M).replace(
        f"'{version}.99\"", f"'{version}.99'"))
    return new


def patch(root, draw, names):
    path, text = code(root, draw, 'upstream/**/*.patch')
    edit(path, text + '\n')
    return path


def override_of(root, draw, names):
    name = draw.choice(used(root))
    if draw.random() < 0.3:
        os.unlink(root / 'overrides' / 'cURL.json')
        return 'cURL.json is gone'
    edit(root / 'overrides' / f'{name}.json', override(name, draw.choice(['--other', '--with-override'])))
    return name


def easyblock_of_ours(root, draw, names):
    path, text = code(root, draw, draw.choice(['easyblocks/fixes/*.py', 'easyblocks/fixes/gromacs.py',
                                               'easyblocks/fixes/hpcc.py', 'easyblocks/fixes_generic/*.py']))
    edit(path, text + '\nMORE = 1\n')
    return path


def families(root, draw, names):
    path = root / 'easyblocks' / 'families' / '__init__.py'
    edit(path, path.read_text() + '\nMORE = 1\n')
    return path


def upstream_easyblock(root, draw, names):
    path, text = code(root, draw, draw.choice(['eb/easybuild/easyblocks/generic/*.py',
                                               'eb/easybuild/easyblocks/[ghpo]/*.py']))
    edit(path, inside_a_function(text, 'more = 1', draw) if draw.random() < 0.5 else text + '\nMORE = 1\n')
    return path


def toolchain_class(root, draw, names):
    path, text = code(root, draw, draw.choice(['toolchains/compiler/*.py', 'toolchains/lumi_*.py']))
    edit(path, inside_a_function(text, 'more = 1', draw))
    return path


def hook(root, draw, names):
    path, text = code(root, draw, 'lumi_hooks/eb/lifecycle/*.py')
    edit(path, inside_a_function(text, 'more = 1', draw))
    return path


def framework(root, draw, names):
    path, text = code(root, draw, 'eb/easybuild/tools/*.py')
    edit(path, text + '\nMORE = 1\n')
    return path


def rule(root, draw, names):
    """A rule is taken out."""
    path = root / 'lumi_hooks' / 'rules' / '__init__.py'
    text = path.read_text()
    start = text.index('RULES: Tuple')
    name = draw.choice(re.findall(r'^    (\w+),$', text[start:], re.M))
    edit(path, text[:start] + re.sub(rf'^    {name},\n', '', text[start:], count=1, flags=re.M))
    return name


def package_file(root, draw, names):
    """Another version's policy, a word of its reason, or what it replaces."""
    path, text = code(root, draw, 'lumi_hooks/packages/*.json')
    data = json.loads(text)
    how = draw.choice(['drop', 'reason', 'parameters'])
    if how == 'parameters' or os.path.basename(path) in ('groups.json', 'gpu.json'):
        name = draw.choice(used(root))
        path, data = root / 'lumi_hooks/packages' / f'{name}.json', {'name': name}
        data['as_dependency'] = {'verb': 'drop', 'reason': 'a test'}
    elif how == 'drop' and 'as_dependency' in data:
        data['as_dependency'] = {'verb': 'drop', 'reason': 'a test'}
    else:
        data = json.loads(re.sub(r'("reason": ")', r'\1indeed, ', text))
    edit(path, json.dumps(data))
    return f'{path} {how}'


def version_table(root, draw, names):
    release = draw.choice(['25.03', '25.09'])
    path = root / 'lumi_hooks/sites/lumi/versions' / f'{release}.json'
    data = json.loads(path.read_text())
    name = draw.choice(sorted(set(used(root)).intersection(data['libraries'])) or sorted(data['libraries']))
    del data['libraries'][name]
    edit(path, json.dumps(data))
    return f'{release} {name}'


KINDS = (package_file, rule, version_table, easyblock_of_ours, comment, override_of, recipe_parameter, recipe_gone,
         upstream_easyblock, toolchain_class, recipe_more, patch, hook, recipe_comment, families, framework)


@pytest.mark.long
@pytest.mark.parametrize('seed', SEEDS)
def test_it_is_exactly_what_brute_force_finds(world, seed):
    root, names = world['root'], world['names']
    try:
        what = random_change(root, names, seed)
        wanted, found = expected(world['before'], brute(root, names)), said(root, names)
        print(f'{what}: {len(wanted)} affected')
        assert not wanted - found, f'missed by {what}'
        assert not found - wanted, f'too much of {what}'
    finally:
        git(root, 'checkout', '-q', '.')
        git(root, 'clean', '-qfd')


@pytest.mark.long
def test_nothing_is_affected_where_nothing_changes(world):
    root, names = world['root'], world['names']
    assert said(root, names) == set() == expected(world['before'], brute(root, names))
