# SPDX-License-Identifier: GPL-2.0-only
"""What a change affects: two sides compared, versions of repositories, the command (proof: test_affected_brute.py)."""
import importlib.machinery
import importlib.util
import json
import os
import shutil
import subprocess

import pytest
from writing import put_recipe

from lumi_hooks.affected import compare, fingerprint, trees
from lumi_hooks.affected.catalogue import Target
from lumi_hooks.affected.compare import Found
from lumi_hooks.cli import main
from lumi_hooks.data import ROOT
from lumi_hooks.errors import LumiHooksError

HERE = Target('25.03', 'cpeGNU', 'C')
CLONE = os.path.dirname(ROOT)


def row(module, needs=(), status='planned', **inputs):
    found = {'module': module, 'status': status}
    if status == 'planned':
        found.update(recipe=f'{module}.eb', needs=list(needs), inputs=inputs)
    else:
        found.update(reason='no', inputs=inputs)
    return found


def compared(old, new):
    """What is said of entries and nodes; entries are those whose names begin with a capital letter."""
    def side(rows):
        return {HERE: Found({f'{name}.eb': one for name, one in rows.items() if name[0].isupper()},
                            {one['module']: one for one in rows.values()})}
    return [(one.module, one.change, one.level, one.why) for one in compare.compare(side(old), side(new))]


def test_the_same_is_not_affected():
    side = {'A': row('A', ['b'], x='1'), 'b': row('b', x='2')}
    assert compared(side, side) == []


def test_what_needs_a_change_is_affected_and_comes_after_it():
    old = {'A': row('A', ['b', 'cpe']), 'b': row('b', ['c']), 'c': row('c', sources='1'),
           'cpe': row('cpe', status='cray')}
    new = {**old, 'c': row('c', sources='2')}
    assert compared(old, new) == [('c', 'changed', 0, 'sources'), ('b', 'dependent', 1, 'it needs c'),
                                  ('A', 'dependent', 2, 'it needs b')]
    new = {**old, 'cpe': row('cpe', status='cray', version='2')}
    assert compared(old, new) == [('A', 'dependent', 0, 'it needs cpe')]


def test_what_only_a_refused_one_needs_is_nobodys():
    old = {'A': row('A', status='refused'), 'b': row('b', x='1')}
    assert compared(old, {**old, 'b': row('b', x='2')}) == []


def test_losses_come_first():
    old = {'Z': row('Z/1'), 'Y': row('Y/1'), 'X': row('X/1'), 'W': row('W/1', status='refused'), 'V': row('V/1', x='1'),
           'U': row('U/1', status='refused')}
    new = {'Y': row('Y/1', status='refused'), 'X': row('X/2'), 'W': row('W/1'), 'V': row('V/1', x='2'), 'U': old['U']}
    assert [one[:2] for one in compared(old, new)] == [('Z/1', 'gone'), ('Y/1', 'refused'), ('X/2', 'moved'),
                                                       ('V/1', 'changed'), ('W/1', 'new')]
    assert 'it was X/1' in compared(old, new)[2][3] and compared(old, new)[1][3] == 'no'


def code(text):
    return fingerprint._code(text.encode())[0]


def test_comments_docstrings_and_layout_are_no_code():
    first = code('import os\n\n\ndef f(a):\n    """It does."""\n    return {1, 2} if a in {"x", "y"} else os\n')
    assert first == code('import os  # more\ndef f(a):\n\n    """It does\n\n    else."""\n    # why\n'
                         '    return {1, 2} if a in {"y", "x"} else os\n')
    for other in ('import os\n\n\ndef f(b):\n    """It does."""\n    return {1, 2} if b in {"x", "y"} else os\n',
                  'import os\n\n\ndef f(a):\n    """It does."""\n    return {1, 3} if a in {"x", "y"} else os\n',
                  'import os\n\n\ndef f(a, *, c=1):\n    """"""\n    return {1, 2} if a in {"x", "y"} else os\n'):
        assert first != code(other)


@pytest.fixture
def library():
    """The code of this clone, with the EasyBuild that is installed."""
    import sys
    return fingerprint.Code(CLONE, {name: os.path.join(CLONE, name) for name in ('easyblocks', 'toolchains')},
                            fingerprint.framework_folder(sys.path), fingerprint.easyblock_folders(sys.path))


def test_an_easyblock_is_what_it_imports(library):
    names = {os.path.relpath(path, CLONE) if path.startswith(CLONE) else os.path.basename(path)
             for start in library._easyblock('gromacs', False) for path in library._closure(start)}
    assert {'easyblocks/fixes/gromacs.py', 'easyblocks/families/__init__.py', 'gromacs.py', 'cmakemake.py'} <= names
    assert 'pythonpackage.py' not in names
    assert 'numpy' in library.modules() and 'nothing_of_that_name' not in library.modules()
    assert library.easyblock((('numpy', False),)) != library.easyblock(()) \
        == library.easyblock((('nothing_of_that_name', False),))


def test_toolchains_differ_by_their_classes(library):
    names = ('cpeGNU', 'cpeCray', 'cpeAOCC', 'cpeAMD')
    assert len({library.toolchain(name) for name in names}) == 4
    gcc = os.path.join(CLONE, 'toolchains', 'compiler', 'lumi_cpegcc.py')
    parts = {name: set(library._classes(os.path.join(CLONE, 'toolchains', 'lumi_toolchains.py'), name,
                                        os.path.join(CLONE, 'toolchains'))) for name in names}
    own = set(library._classes(gcc, 'CpeGcc', os.path.join(CLONE, 'toolchains')))
    assert own <= parts['cpeGNU'] and not own <= parts['cpeCray']


# what lumi_hooks/eb imports and what only tells, notes or finds something: another word of it rebuilds nothing
TELL = {'doctor', 'env', 'record', 'plan', 'prefix', 'finding.py', 'library.py', 'metadata.py', 'mpi.py', 'queues.py'}


def test_what_acts_on_installations_is_known(library):
    ours = os.path.join(CLONE, 'lumi_hooks')
    acting = fingerprint._files(os.path.join(ours, 'eb'), '.py')
    adapting = library._reached(path for name in ('adapt', 'closure', 'plan', 'render', 'store', 'catalogue', 'survey')
                                for path in library._ours(name))
    rest = {os.path.relpath(path, ours).split(os.sep)[0] for path in library._reached(acting)
            if path.startswith(ours + os.sep) and path not in adapting}
    assert rest - set(fingerprint.ACTING) - TELL == set(), 'does it act on an installation (ACTING), or tell something?'


def git(folder, *words):
    who = ['-c', 'user.name=t', '-c', 'user.email=t@example.org']
    subprocess.run(['git', '-C', str(folder), *who, *words], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A site's repository with recipes and overrides, and what it offers."""
    root = tmp_path / 'repository'
    put_recipe(root / 'recipes', 'App', more="dependencies = [('Lib', '1.0')]\n")
    put_recipe(root / 'recipes', 'Lib', toolchain=('GCCcore', '14.2.0'), more="patches = ['Lib.patch']\n")
    (root / 'recipes/l/Lib/Lib.patch').write_text('--- a\n+++ b\n')
    put_recipe(root / 'recipes', 'Other')
    (root / 'offers/25.03').mkdir(parents=True)
    (root / 'offers/25.03/cpeGNU-C.yaml').write_text('easyconfigs:\n  - "App-1.0-foss-2025a.eb"\n'
                                                     '  - "Other-1.0-foss-2025a.eb"\n')
    git(tmp_path, 'init', '-q', str(root))
    git(root, 'add', '-A')
    git(root, 'commit', '-qm', 'first')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', str(root / 'recipes'))
    monkeypatch.chdir(root)
    compare.forget()
    return root


@pytest.fixture
def run(capsys, repository):
    def run(*arguments):
        compare.forget()
        code = main(['affected', '--jobs', '1', *map(str, arguments)])
        out, err = capsys.readouterr()
        assert 'Traceback' not in out + err
        return code, out, err
    return run


def affected(run, *arguments):
    code, out, err = run('--json', *arguments)
    assert code == 0, err
    found = json.loads(out)
    assert list(found) == ['schema_version', 'affected']
    assert all(list(one) == ['module', 'recipe', 'release', 'toolchain', 'partition', 'why', 'change', 'level']
               for one in found['affected'])
    return [(one['module'].partition('-')[0], one['change'], one['level']) for one in found['affected']]


def test_a_patch_of_a_dependency(run, repository):
    recipe = repository / 'recipes/a/App/App-1.0-foss-2025a.eb'
    recipe.write_text('# a comment\n' + recipe.read_text())
    assert affected(run, '--catalogue', 'offers') == [], 'a comment changes nothing'
    (repository / 'recipes/l/Lib/Lib.patch').write_text('--- a\n+++ b\n+more\n')
    # files that are not committed are the new side; the library is not in the catalogue, and built for App
    expected = [('Lib/1.0', 'changed', 0), ('App/1.0', 'dependent', 1)]
    assert affected(run, '--catalogue', 'offers') == affected(run) == expected
    git(repository, 'commit', '-qam', 'second')
    assert affected(run) == [] and affected(run, '--since', 'HEAD~1') == expected
    code, out, _ = run('--since', 'HEAD~1')
    assert code == 0 and out.startswith('changed: recipes/a/App/App-1.0-foss-2025a.eb, recipes/l/Lib/Lib.patch')


def test_what_is_lost_comes_first(run, repository):
    (repository / 'recipes/l/Lib/Lib-1.0-GCCcore-14.2.0.eb').unlink()
    (repository / 'offers/25.03/cpeGNU-C.yaml').write_text('easyconfigs:\n  - "App-1.0-foss-2025a.eb"\n')
    put_recipe(repository / 'recipes', 'More')
    assert affected(run, '--catalogue', 'offers') == [('Other/1.0', 'gone', 0), ('App/1.0', 'refused', 0)]
    assert affected(run)[-1] == ('More/1.0', 'new', 0)
    out = run('--catalogue', 'offers')[1]
    assert 'Lib' in out and out.index('gone') < out.index('refused')


def test_a_site_of_another_easybuild(run, repository, tmp_path, monkeypatch):
    import easybuild.framework
    other = tmp_path / 'EasyBuild' / '9.9.9' / 'lib' / 'python3.11' / 'site-packages' / 'easybuild'
    shutil.copytree(os.path.dirname(os.path.dirname(easybuild.framework.__file__)), other,
                    ignore=shutil.ignore_patterns('__pycache__', 'easyconfigs'))
    monkeypatch.setenv('EBROOTEASYBUILD', str(tmp_path / 'EasyBuild' / '5.0'))
    assert affected(run, '--from', '9.9.9') == []
    place = other / 'easyblocks' / 'generic' / 'configuremake.py'
    place.write_text(place.read_text() + '\nMORE = 1\n')
    assert [one[1] for one in affected(run, '--from', '9.9.9')] == ['changed'] * 3
    assert '"why": "easyblocks"' in run('--json', '--from', tmp_path / 'EasyBuild/9.9.9')[1]


def test_another_framework_alone_is_one_sentence(run, repository, tmp_path):
    """It changes every module; what changes for a reason of its own is not to be looked for among them."""
    import easybuild.framework
    from easybuild.tools.version import FRAMEWORK_VERSION
    other = tmp_path / 'other' / 'easybuild'
    shutil.copytree(os.path.dirname(os.path.dirname(easybuild.framework.__file__)), other,
                    ignore=shutil.ignore_patterns('__pycache__', 'easyconfigs'))
    version = other / 'tools' / 'version.py'
    version.write_text(version.read_text().replace(f"'{FRAMEWORK_VERSION}'", "'5.0.9'"))
    code, out, _ = run('--from', tmp_path / 'other')
    assert code == 0 and f'changed: EasyBuild 5.0.9 → EasyBuild {FRAMEWORK_VERSION}' in out
    assert '3 changed by other code of EasyBuild' in out and 'level' not in out
    assert '"why": "EasyBuild"' in run('--json', '--from', tmp_path / 'other')[1]


def test_what_was_not_there_before_says_so(run, repository):
    put_recipe(repository / 'recipes', 'More')
    offers = repository / 'offers/25.03/cpeGNU-C.yaml'
    git(repository, 'commit', '-q', '--allow-empty', '-m', 'more')
    offers.write_text(offers.read_text() + '  - "More-1.0-foss-2025a.eb"\n')
    git(repository, 'commit', '-qm', 'offered', 'offers')
    git(repository, 'add', 'recipes')
    git(repository, 'commit', '-qm', 'there')
    found = json.loads(run('--json', '--since', 'HEAD~1', '--catalogue', 'offers')[1])['affected']
    assert [(one['change'], one['why']) for one in found] == [
        ('new', 'it could not be read: there is no recipe of that name')]


def test_a_recipe_is_run_once_and_kept(run, repository, tmp_path):
    """What one says when it runs is said again only where its text, or what reads it, is another one."""
    recipe = repository / 'recipes/o/Other/Other-1.0-foss-2025a.eb'
    mark = tmp_path / 'ran'
    recipe.write_text(f'{recipe.read_text()}open({str(mark)!r}, "a").write("x")\n')
    affected(run)
    once = mark.read_text()
    package = repository / 'recipes/l/Lib/Lib.patch'
    package.write_text('--- a\n+++ b\n+more\n')
    assert affected(run) and mark.read_text() == once
    recipe.write_text(recipe.read_text() + '# more\n')
    assert affected(run) and len(mark.read_text()) > len(once)


def test_what_is_kept_of_recipes_is_data_of_ones_own(run, repository, tmp_path):
    affected(run)
    kept, = (tmp_path / 'cache/lumi-hooks/affected/sides').glob('*.parsed')
    (repository / 'recipes/l/Lib/Lib.patch').write_text('--- a\n+++ b\n+more\n')
    expected = [('Lib/1.0', 'changed', 0), ('App/1.0', 'dependent', 1)]
    kept.write_bytes(b'damaged')
    assert affected(run) == expected
    (repository / 'recipes/l/Lib/Lib.patch').write_text('--- a\n+++ b\n+else\n')
    kept.chmod(0o666)
    code, _, err = run()
    assert code == 2 and str(kept) in err and err.count('\n') == 1


def test_code_is_no_part_of_what_recipes_become(run, repository, tmp_path, monkeypatch):
    """Another easyblock or a comment in a rule: nothing is adapted again."""
    import easybuild.framework
    other = tmp_path / 'other' / 'easybuild'
    shutil.copytree(os.path.dirname(os.path.dirname(easybuild.framework.__file__)), other,
                    ignore=shutil.ignore_patterns('__pycache__', 'easyconfigs'))
    assert affected(run, '--from', tmp_path / 'other') == []
    place = other / 'easyblocks' / 'generic' / 'configuremake.py'
    place.write_text(place.read_text() + '\nMORE = 1\n')
    rule = other / 'framework' / 'easyconfig' / 'parser.py'
    rule.write_text('# more\n' + rule.read_text())
    monkeypatch.setattr(compare, '_run', lambda *_: pytest.fail('it was looked at again'))
    assert [one[1] for one in affected(run, '--from', tmp_path / 'other')] == ['changed'] * 3


def test_what_was_looked_at_is_not_looked_at_again(run, repository, monkeypatch):
    first = affected(run)
    monkeypatch.setattr(compare, '_run', lambda *_: pytest.fail('it was looked at again'))
    assert affected(run) == first
    (repository / 'README').write_text('no recipe\n')
    assert affected(run) == first


@pytest.mark.parametrize('arguments, said', [
    (('--since', 'nothing'), 'there is no commit nothing in'), (('--since', '--output=/x'), 'expected one argument'),
    (('--since=-x',), 'there is no commit -x'), (('--from', '1.2.3'), 'there is no EasyBuild 1.2.3'),
    (('--repository', '/'), 'is in no git repository'), (('--from', '1', '--since', 'HEAD'), 'not allowed with'),
    (('--catalogue', 'nowhere'), 'there is no catalogue nowhere'), (('--release', '99.01'), '99.01'),
    (('--catalogue', 'offers', '--release', '25.09'), 'has no file of that release')])
def test_what_can_not_be_is_one_line(run, arguments, said):
    try:
        code, _, err = run(*arguments)
    except SystemExit as err:
        assert err.code == 2
        return
    assert code == 2 and said in err and err.count('\n') == 1


def test_a_shallow_clone_says_so(run, repository, tmp_path, monkeypatch):
    (repository / 'README').write_text('more\n')
    git(repository, 'add', '-A')
    git(repository, 'commit', '-qm', 'second')
    git(tmp_path, 'clone', '-q', '--depth', '1', f'file://{repository}', str(tmp_path / 'shallow'))
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', str(tmp_path / 'shallow/recipes'))
    code, _, err = run('--repository', tmp_path / 'shallow', '--since', 'HEAD~1')
    assert code == 2 and 'which is a shallow clone: fetch the rest first (git fetch --unshallow)' in err


def test_without_git(run, monkeypatch):
    monkeypatch.setenv('PATH', '/nonexistent')
    code, _, err = run('--since', 'HEAD')
    assert code == 2 and err == 'lumi-eb: git is not installed here, and --since requires it\n'


def test_a_repository_of_nothing_that_is_used(run, tmp_path):
    git(tmp_path, 'init', '-q', str(tmp_path / 'else'))
    code, _, err = run('--repository', tmp_path / 'else')
    assert code == 2 and 'is used here' in err


def test_a_repository_runs_nothing_of_its_own(run, repository, tmp_path):
    """Hooks and monitors that its configuration names."""
    for key in ('core.fsmonitor', 'core.hooksPath'):
        git(repository, 'config', key, f'touch {tmp_path}/ran; false')
    affected(run)
    assert not (tmp_path / 'ran').exists()


def test_links_that_lead_out_are_not_laid_out(repository, tmp_path):
    (repository / 'recipes/out').symlink_to('../../../etc')
    (repository / 'recipes/in').symlink_to('a')
    git(repository, 'add', '-A')
    git(repository, 'commit', '-qm', 'links')
    tree = trees.laid_out(str(repository), trees.commit_of(str(repository), 'HEAD'), ['recipes'], str(tmp_path / 'c'))
    assert sorted(os.listdir(f'{tree}/recipes')) == ['a', 'in', 'l', 'o'] and os.listdir(tree) == ['recipes']
    with pytest.raises(LumiHooksError, match='there is no commit'):
        trees.commit_of(str(repository), 'HEAD~9')


def test_ctrl_c_says_what_is_kept(run, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr(compare, '_run', interrupted)
    said = 'lumi-eb: interrupted; what was looked at is kept: run the command again to go on\n'
    assert run('--json') == (130, '', said)


def test_a_library_that_can_not_be_asked_is_one_line(run, monkeypatch):
    """One from before there was what is asked of it."""
    monkeypatch.setattr(compare.Side, 'plugins', {})
    monkeypatch.setattr(compare.Side, 'framework', '/nonexistent')
    monkeypatch.setattr(compare, '_HERE', '/nonexistent')
    code, _, err = run()
    assert code == 2 and 'cannot be asked what recipes become' in err and err.count('\n') == 1


def test_a_release_says_by_kind_which_plans_change():
    loader = importlib.machinery.SourceFileLoader('release', os.path.join(CLONE, 'ci/release'))
    release = importlib.util.module_from_spec(importlib.util.spec_from_loader('release', loader))
    loader.exec_module(release)
    rows = [compare.Affected(f'{name}/1', f'{name}.eb', HERE, why, change, 0).as_json() for name, why, change in (
        ('A', 'no', 'refused'), ('B', 'it was', 'new'), ('C', 'sources', 'changed'), ('D', 'hooks', 'changed'),
        ('E', 'it needs C', 'dependent'))]
    assert release.text(rows, 'v0.2.0') == """Compared with v0.2.0, for cpeGNU/25.03 on partition C:
- refused now: 1 (A)
- can be installed now: 1 (B)
- made of something else: 1
- need something that changes, and are the same themselves: 1
- planned as before, and built by other code: 1
"""
    assert 'no plan of the collection changes' in release.text([], 'v0.2.0')


def test_damaged_findings_are_told_and_made_again(run, tmp_path):
    affected(run)
    for path in (tmp_path / 'cache/lumi-hooks/affected/sides').iterdir():
        path.write_text('{')
    code, _, err = run()
    assert code == 2 and 'run the command again' in err
    run()
    assert affected(run) == []
