# SPDX-License-Identifier: GPL-2.0-only
"""The text of an adapted recipe."""
import ast
import glob
import os
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from writing import recipe_text

from lumi_hooks import __version__
from lumi_hooks import render as rendering
from lumi_hooks.adapt import adapt
from lumi_hooks.change import Adaptation, Change
from lumi_hooks.data import load_json
from lumi_hooks.dependency import Dependency
from lumi_hooks.finding import find_recipe
from lumi_hooks.gpu import is_cuda
from lumi_hooks.recipe import RECORD, parse_recipe, read_recipe
from lumi_hooks.render import body, describe, record_of, render
from lumi_hooks.schemas import kind_of
from lumi_hooks.schemas.files import data_files
from lumi_hooks.site import make_site

PLAIN = """
# a comment that stays
sources = [SOURCE_TAR_GZ]

builddependencies = [
    ('binutils', '2.42'),
    ('CMake', '3.31.3'),
]
dependencies = [
    ('HDF5', '1.14.5'),  # this one goes
    ('zlib', '1.3.1'),
    ('EasyBuild', '5.0.0', '', SYSTEM),
]

configopts = '--prefix=%(installdir)s'
moduleclass = 'lib'
"""


def gpu_examples():
    """The upstream recipes that entries of GPU back ends name, by their file names."""
    entries = (load_json(path) for path in data_files() if kind_of(path) == 'package')
    return sorted(entry['rocm']['example'] for entry in entries if 'example' in entry.get('rocm', {}))


def rendered(text, site, standalone=False):
    adaptation = adapt(parse_recipe(text, '/some/where/Thing-1.0-foss-2025a.eb'), site)
    return adaptation, render(adaptation, parse_recipe, standalone)


def test_edited_in_place(site):
    adaptation, text = rendered(recipe_text(more=PLAIN), site)
    for kept in ('# a comment that stays', 'sources = [SOURCE_TAR_GZ]', "configopts = '--prefix=%(installdir)s'"):
        assert kept in text
    assert "('EasyBuild', '5.0.0', '', SYSTEM)," in text
    assert f"('{site.release.module('cray-hdf5-parallel')}', EXTERNAL_MODULE)," in text
    assert 'binutils' not in text.replace('# ', '').split('easyblock =')[1]
    assert parse_recipe(text).toolchain == ('cpeGNU', site.release.cpe)
    assert parse_recipe(text).dependencies() == adaptation.dependencies()


def test_header(site):
    adaptation, text = rendered(recipe_text(more=PLAIN), site)
    head = text.split("easyblock = ")[0]
    assert all(line.startswith('#') or not line for line in head.splitlines())
    assert head.startswith(f'# {adaptation.module}: adapted by lumi-hooks {__version__} from '
                           f'Thing-1.0-foss-2025a.eb\n# (sha256 {adaptation.recipe.sha256})')
    for change in adaptation.changes:
        assert f'# * {change.rule}'.replace('# *', '#  *') in head
        assert describe(change, adaptation) in head.replace('\n#        ', ' ')
    assert max(map(len, head.splitlines())) <= 112


def test_record(site):
    adaptation, text = rendered(recipe_text(more=PLAIN), site)
    record = parse_recipe(text).record
    assert record == record_of(adaptation)
    assert record['source'] == 'Thing-1.0-foss-2025a.eb' and record['sha256'] == adaptation.recipe.sha256
    assert record['rules'] == list(dict.fromkeys(change.rule for change in adaptation.changes))
    assert record['without'] == list(adaptation.kept_out) and record['library'] == __version__


def test_standalone_holds_nothing_of_ours(site):
    adaptation, text = rendered(recipe_text(more=PLAIN), site, standalone=True)
    assert RECORD not in text and parse_recipe(text).record == {}
    assert parse_recipe(text).dependencies() == adaptation.dependencies()


def test_same_bytes_every_time(upstream_file, upstream_index):
    path = upstream_file('Hypre-2.32.0-foss-2024a.eb')
    texts = {render(adapt(read_recipe(path), make_site(index=upstream_index, env={})), parse_recipe)
             for _ in range(3)}
    assert len(texts) == 1


def test_bytes_do_not_depend_on_where_the_recipe_lies(site):
    text = recipe_text(more=PLAIN)
    one = adapt(parse_recipe(text, '/a/Thing-1.0-foss-2025a.eb'), site)
    other = adapt(parse_recipe(text, '/b/c/Thing-1.0-foss-2025a.eb'), site)
    assert render(one, parse_recipe) == render(other, parse_recipe)


@pytest.mark.parametrize('more', [
    # a parameter that is changed is made in steps
    "dependencies = [('zlib', '1.3.1')]\ndependencies += [('HDF5', '1.14.5')]\n",
    "dependencies = []\nfor local_name in ('HDF5', 'zlib'):\n    dependencies.append((local_name, '1'))\n",
    # only where a condition holds
    "if True:\n    dependencies = [('HDF5', '1.14.5')]\nelse:\n    dependencies = []\n",
    # two statements on one line
    "local_x = 1; dependencies = [('HDF5', '1.14.5')]; patches = []\n",
    # something that stays is made of something that goes
    "builddependencies = [('binutils', '2.42')]\nlocal_first = builddependencies[0]\n"
    "configopts = '--with=' + local_first[0]\n",
    "builddependencies = [('binutils', '2.42')]\npatches = [x[0] + '.patch' for x in builddependencies]\n",
    "configopts = '--tc=%s' % toolchain['version']\n",
    "local_hdf5 = ('HDF5', '1.14.5')\ndependencies, patches = [local_hdf5], ['a.patch']\n",
    "import os\ndependencies = [('HDF5', '1.14.5')]\nconfigopts = os.path.join('a', 'b')\n",
    "def local_f():\n    return [('HDF5', '1.14.5')]\n\ndependencies = local_f()\n",
])
def test_texts_that_are_too_clever(site, more):
    """What is written says what was meant, in place or in full."""
    adaptation, text = rendered(recipe_text(more=more), site)
    again = parse_recipe(text)
    assert again.toolchain == ('cpeGNU', site.release.cpe)
    for parameter in ('dependencies', 'builddependencies'):
        assert again.dependencies(parameter) == adaptation.dependencies(parameter)
    for name, value in adaptation.parameters.items():
        if isinstance(value, (str, list)) and value and not name.startswith('local_'):
            assert again.parameters[name] == value, name


@pytest.mark.parametrize('breaker', ['\x0c', '\x0b', '\x1c', '\x85', '\u2028', '\u2029'])
def test_characters_that_only_look_like_line_ends(site, breaker):
    adaptation, text = rendered(recipe_text(more=f"description = 'one{breaker}two'\n{PLAIN}"), site)
    again = parse_recipe(text)
    assert again.parameters['description'] == f'one{breaker}two'
    assert again.dependencies() == adaptation.dependencies()
    assert '# a comment that stays' in text, 'it was written in full'


def test_second_names_of_parameters(site):
    adaptation, text = rendered(recipe_text(more="build_deps = [('binutils', '2.42'), ('CMake', '3.31.3')]\n"
                                                 "deps = [('HDF5', '1.14.5')]\n"), site)
    assert 'build_deps = [' in text and 'builddependencies' not in body(adaptation, parse_recipe)
    assert parse_recipe(text).dependencies() == adaptation.dependencies()


def test_iterated_builds(site):
    more = "builddependencies = [[('CMake', '3.31.3'), ('binutils', '2')], [('CMake', '3.31.3'), ('zlib', '1')]]\n"
    adaptation, text = rendered(recipe_text(more=more), site)
    assert parse_recipe(text).parameters['builddependencies'] == adaptation.parameters['builddependencies']


def test_no_newline_at_the_end(site):
    adaptation, text = rendered(recipe_text(more='moduleclass = "lib"'), site)
    assert parse_recipe(text).dependencies() == adaptation.dependencies()


def test_unchanged_texts_are_kept_byte_by_byte(recipe):
    found = recipe(PLAIN)
    same = Adaptation(found, 'adapted', 'nothing to do', dict(found.parameters))
    assert body(same, parse_recipe) == found.text


@pytest.mark.parametrize('change, text', [
    (Change('dependencies', Dependency('a', '1'), None, 'r', ''), '- a 1'),
    (Change('dependencies', None, Dependency('a', '1'), 'r', ''), '+ a 1'),
    (Change('dependencies', Dependency('a', '1'), Dependency('b', '2', '-x'), 'r', ''), 'a 1 → b 2-x'),
    (Change('builddependencies', Dependency('a', '1'),
            (Dependency.external_module('m/1'), Dependency.external_module('n')), 'r', ''), 'a 1 → m/1 + n'),
    (Change('toolchain', {'name': 'foss', 'version': '2025a'}, {'name': 'cpeGNU', 'version': '25.03'}, 'r', ''),
     'foss/2025a → cpeGNU/25.03'),
    (Change('configopts', '-a', '-b', 'r', ''), "configopts: '-a' → '-b'"),
])
def test_changes_in_a_few_words(change, text):
    assert describe(change) == text


# --- how much of a text stays

@pytest.fixture
def in_place(monkeypatch):
    """A recipe that is written out in full is an error."""
    monkeypatch.setattr(rendering, '_in_full', lambda parameters: pytest.fail('it was written out in full'))


@pytest.mark.parametrize('value', [False, 0, 0.0, None, '', [], {}, (), True, 'x', ['x'], {'a': None}])
@pytest.mark.parametrize('more', ['', "runtest = 'check'\n", "runtest = 'check'\nruntest += ' all'  # of them\n",
                                  "runtest = ['a']\nruntest.append('b')\n",
                                  "for local_x in ('a', 'b'):\n    runtest = local_x\n",
                                  "runtest = 'a'\nif runtest:\n    runtest = 'b'\n",
                                  "runtest, patches = 'a', ['b.patch']\n", "runtest = 'a'; patches = ['b.patch']\n",
                                  "runtest = 'a'\nconfigopts = runtest + ' -x'\n"])
def test_any_literal_is_written_in_place(in_place, value, more):
    adaptation = changed('runtest', value, '# a comment that stays\n' + more)
    text = body(adaptation, parse_recipe)
    found = parse_recipe(text).parameters
    assert 'runtest' in found and found['runtest'] == value and type(found['runtest']) is type(value)
    assert '# a comment that stays' in text
    assert {**found, 'runtest': 0} == {**adaptation.parameters, 'runtest': 0}


def test_a_parameter_that_goes_takes_its_additions_along(in_place):
    recipe = parse_recipe(recipe_text(more="pretestopts = 'a'\npretestopts += 'b'\n# stays\n"))
    parameters = {name: value for name, value in recipe.parameters.items() if name != 'pretestopts'}
    adaptation = Adaptation(recipe, 'adapted', 'tested', parameters,
                            (Change('pretestopts', 'ab', None, 'tested', 'it goes'),))
    text = body(adaptation, parse_recipe)
    assert 'pretestopts' not in text and text.endswith('# stays\n')


def test_what_others_rely_on_stays_above(in_place, site):
    text = body(changed('configopts', 'new', "configopts = 'old'\nbuildopts = configopts * 2\n"), parse_recipe)
    assert text.endswith("configopts = 'old'\nbuildopts = configopts * 2\n\n"
                         "# instead of what is said above\nconfigopts = 'new'\n")


def test_what_easybuild_looks_up_in_the_text_is_never_said_twice(site):
    """EasyBuild takes the first line of that name (fetch_parameters_from_easyconfig)."""
    adaptation = changed('easyblock', 'MakeCp', "configopts = easyblock\n")
    text = body(adaptation, parse_recipe)
    assert text.count('easyblock = ') == 1 and parse_recipe(text).parameters == adaptation.parameters


def test_upstreams_recipes_are_adapted_in_place(in_place, upstream_index, upstream):
    """Those that are the examples of GPU back ends, and a sample of all: comments and layout stay."""
    g = make_site(partition='G', index=upstream_index, env={})
    recipes = []
    for name in gpu_examples():
        recipe = read_recipe(find_recipe(name, upstream))
        recipes.append((recipe, g if is_cuda(recipe) else g.with_gpu(recipe.name)))
    assert len(recipes) >= 40
    plain = make_site(index=upstream_index, env={})
    paths = sorted(glob.glob(os.path.join(upstream[0], '*', '*', '*.eb')))
    recipes += [(read_recipe(path), plain) for path in paths[::60]]
    adapted = [found for found in (adapt(*pair) for pair in recipes) if found.status == 'adapted']
    assert len(adapted) > 150
    for found in adapted:
        text = body(found, parse_recipe)
        assert found.recipe.text.splitlines()[0] == text.splitlines()[0], found.recipe.filename


# --- any value that a rule may come up with is written so that it reads back as it was

TEXT = st.text(st.characters(codec='utf-8', exclude_categories=['Cs']), max_size=130)
LEAF = st.one_of(TEXT, st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))
VALUE = st.recursive(LEAF, lambda inner: st.one_of(
    st.lists(inner, max_size=4), st.tuples(inner, inner), st.dictionaries(st.text(string.ascii_letters), inner,
                                                                         max_size=4)), max_leaves=12)


def changed(parameter, value, more=''):
    recipe = parse_recipe(recipe_text(more=more))
    parameters = {**recipe.parameters, parameter: value}
    change = Change(parameter, recipe.parameters.get(parameter), value, 'tested', 'a reason that is told')
    return Adaptation(recipe, 'adapted', 'tested', parameters, (change,))


@given(VALUE, st.sampled_from(['', "configopts = 'old'\n", "if True:\n    configopts = 'old'\n"]))
def test_any_value_reads_back(value, more):
    adaptation = changed('configopts', value, more)
    text = render(adaptation, parse_recipe)
    ast.parse(text)
    found = parse_recipe(text).parameters
    assert found['configopts'] == value
    assert found['name'] == 'Thing' and render(adaptation, parse_recipe) == text


NAME = st.text(string.ascii_letters + string.digits + '.+-_', min_size=1, max_size=12)
SYSTEM = {'name': 'system', 'version': 'system'}
DEPENDENCY = st.one_of(
    st.tuples(NAME, NAME), st.tuples(NAME, NAME, NAME),
    st.tuples(NAME, NAME, st.just(''), st.one_of(st.just(SYSTEM), st.tuples(NAME, NAME))),
    st.tuples(NAME, st.just('EXTERNAL_MODULE')))


@given(st.lists(DEPENDENCY, max_size=5), st.booleans())
def test_any_dependencies_read_back(value, iterated):
    value = [value, value] if iterated and value else value
    adaptation = changed('builddependencies', value, "builddependencies = [('old', '1')]\n")
    found = parse_recipe(render(adaptation, parse_recipe))
    assert found.parameters.get('builddependencies', []) == value
    assert found.dependencies('builddependencies') == adaptation.dependencies('builddependencies')
