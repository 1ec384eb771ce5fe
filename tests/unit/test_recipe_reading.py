# SPDX-License-Identifier: GPL-2.0-only
"""Reading recipes: what is found in good ones, and what is said of bad ones."""
import hashlib
import os

import pytest
from writing import put_recipe, recipe_text

from lumi_hooks.dependency import SYSTEM, Dependency
from lumi_hooks.errors import RecipeError
from lumi_hooks.recipe import checksums_in_folder, parse_recipe, patches_in_folder, read_for, read_recipe
from lumi_hooks.site import make_site, variables

GOOD = recipe_text(more="""
versionsuffix = '-x'
toolchainopts = {'usempi': True}
local_helper = '1.3.1'
builddependencies = [('CMake', '3.29.3')]
dependencies = [
    ('zlib', local_helper),
    ('EasyBuild', '5.0.0', '', SYSTEM),
    ('cray-python/3.11.7', EXTERNAL_MODULE),
]
""")


def test_what_is_read():
    recipe = parse_recipe(GOOD, '/somewhere/Thing.eb')
    assert (recipe.name, recipe.version, recipe.versionsuffix) == ('Thing', '1.0', '-x')
    assert recipe.toolchain == ('foss', '2025a')
    assert recipe.dependencies() == (Dependency('zlib', '1.3.1'), Dependency('EasyBuild', '5.0.0', '', SYSTEM),
                                     Dependency.external_module('cray-python/3.11.7'))
    assert recipe.dependencies('builddependencies') == (Dependency('CMake', '3.29.3'),)
    assert recipe.dependencies('nothing') == ()
    assert recipe.parameters['toolchainopts'] == {'usempi': True}
    assert recipe.record == {}
    assert recipe.sha256 == hashlib.sha256(GOOD.encode()).hexdigest()
    assert recipe.filename == 'Thing.eb' and parse_recipe(GOOD).filename == 'Thing-1.0-foss-2025a-x.eb'


def test_templates_stay():
    recipe = parse_recipe(recipe_text(more="sources = ['%(name)s-%(version)s.tar.gz']\n"))
    assert recipe.parameters['sources'] == ['%(name)s-%(version)s.tar.gz']


def test_easybuild_6_names():
    recipe = parse_recipe(recipe_text(more="version_suffix = '-y'\nbuild_deps = [('CMake', '3')]\n"
                                           "deps = [('zlib', '1')]\n"
                                           "toolchain_opts = {'usempi': True}\n"))
    assert recipe.versionsuffix == '-y'
    assert recipe.dependencies() == (Dependency('zlib', '1'),)
    assert recipe.dependencies('builddependencies') == (Dependency('CMake', '3'),)
    assert recipe.parameters['toolchainopts']['usempi'] is True


def test_system_recipe():
    recipe = parse_recipe(recipe_text('A', '1') + 'toolchain = SYSTEM\n')
    assert recipe.toolchain == SYSTEM and recipe.filename == 'A-1.eb'


def test_numbers_as_versions_become_text():
    recipe = parse_recipe(recipe_text() + "version = 1.5\ntoolchain = {'name': 'foss', 'version': 2025}\n")
    assert recipe.version == '1.5' and recipe.toolchain == ('foss', '2025')


def test_same_text_is_the_same_recipe():
    one, other = parse_recipe(GOOD, '/a/X.eb'), parse_recipe(GOOD, '/a/X.eb')
    assert one == other and hash(one) == hash(other)
    assert one != parse_recipe(GOOD + '# more\n', '/a/X.eb')


@pytest.mark.parametrize('text, says', [
    ('this is no recipe', 'not a readable recipe'),
    ('name = (', 'not a readable recipe'),
    ("import nothing_of_that_name\n", 'not a readable recipe'),
    ('raise RuntimeError("no")\n', 'not a readable recipe'),
    ('raise SystemExit(0)\n', 'not a readable recipe'),
    ('', 'name'),
    (recipe_text().replace('version =', 'edition ='), 'version'),
    (recipe_text() + "toolchain = 'foss-2025a'\n", 'not a readable recipe'),
    (recipe_text() + "toolchain = {'name': 'foss'}\n", 'not a readable recipe'),
    (recipe_text() + "import sys\nsys.exit('bye')\n", 'bye'),
    (recipe_text(more="dependencies = [('zlib')]\n"), "dependencies: not a dependency: 'zlib'"),
    (recipe_text(more="builddependencies = [('zlib', '1', '', 'GCC-13')]\n"), 'builddependencies: not a toolchain'),
    (recipe_text(more="dependencies = [('zlib', '1', '', ('GCC',))]\n"), 'dependencies: not a toolchain'),
    (recipe_text(more="dependencies = 7\n"), 'not a readable recipe'),
])
def test_bad_recipes(tmp_path, text, says):
    path = tmp_path / 'bad.eb'
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        read_recipe(str(path))
    message = str(caught.value)
    assert says in message and str(path) in message and '\n' not in message


def test_missing_folder_and_binary(tmp_path):
    with pytest.raises(RecipeError, match='nowhere.eb cannot be read: No such file'):
        read_recipe(str(tmp_path / 'nowhere.eb'))
    with pytest.raises(RecipeError, match='cannot be read: not a regular file'):
        read_recipe(str(tmp_path))
    (tmp_path / 'binary.eb').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(RecipeError, match='it is not text'):
        read_recipe(str(tmp_path / 'binary.eb'))


def test_upstream_recipe(upstream_file):
    recipe = read_recipe(upstream_file('mpi4py-4.1.0-gompi-2025a.eb'))
    assert (recipe.name, recipe.version, recipe.toolchain) == ('mpi4py', '4.1.0', ('gompi', '2025a'))
    assert 'Python' in [dependency.name for dependency in recipe.dependencies()]
    assert recipe.filename == 'mpi4py-4.1.0-gompi-2025a.eb'


# --- files next to a recipe

PATCHES = """
patches = [
    '%(name)s-%(version)s_fix.patch',
    ('levelled.patch', 1),
    {'name': 'as_dictionary.patch', 'level': 2},
    'not_there.patch',
    ('../elsewhere.patch', '.'),
]
exts_list = [('ext', '1', {'patches': ['of_extension.patch']})]
components = [('part', '1', {'patches': [('of_component.patch', 'src')]})]
postinstallpatches = ['later.patch']
"""


def test_patches_beside(tmp_path):
    folder = tmp_path / 'own'
    folder.mkdir()
    path = put_recipe(folder, more=PATCHES, flat=True)
    names = ['Thing-1.0_fix.patch', 'levelled.patch', 'as_dictionary.patch', 'of_extension.patch',
             'of_component.patch', 'later.patch']
    for name in names:
        (folder / name).write_text('a patch\n')
    (tmp_path / 'elsewhere.patch').write_text('not beside\n')
    found = patches_in_folder(read_recipe(path))
    assert sorted(os.path.basename(item) for item in found) == sorted(names)
    assert all(os.path.dirname(item) == str(folder) for item in found)


def test_nothing_is_beside_a_text():
    assert patches_in_folder(parse_recipe(recipe_text(more=PATCHES))) == ()
    assert checksums_in_folder(parse_recipe(recipe_text())) == {}


def test_unresolvable_patch_names_are_left_out(tmp_path):
    path = put_recipe(tmp_path, more="patches = ['%(strange)s.patch', '100%.patch']\n")
    assert patches_in_folder(read_recipe(path)) == ()


def test_checksums_beside(tmp_path):
    path = put_recipe(tmp_path, flat=True)
    assert checksums_in_folder(read_recipe(path)) == {}
    listed = tmp_path / 'checksums.json'
    listed.write_text('{"Thing-1.0.tar.gz": "abc"}')
    assert checksums_in_folder(read_recipe(path)) == {'Thing-1.0.tar.gz': 'abc'}
    listed.write_text('["abc"]')
    assert checksums_in_folder(read_recipe(path)) == {}
    listed.write_text('{')
    with pytest.raises(RecipeError, match='checksums.json is no valid list of checksums'):
        checksums_in_folder(read_recipe(path))


@pytest.mark.parametrize('parameter', ['dependencies', 'builddependencies'])
def test_the_order_of_a_set_is_the_same_in_each_run(recipe, parameter):
    """As in qc-grid-0.0.9-gfbf-2025a.eb: what is derived of it is the same text for everybody."""
    names = ['lz4', 'zlib', 'Boost', 'zstd', 'bzip2', 'METIS', 'GSL', 'XZ', 'libpng']
    text = ', '.join(f'({name!r}, "1.0")' for name in names)
    found = recipe(f'{parameter} = {{\n    {text},\n}}\n')
    assert [item.name for item in found.dependencies(parameter)] == sorted(names)
    found = recipe(f'{parameter} = [{text}]\n')
    assert [item.name for item in found.dependencies(parameter)] == names


# --- the environment while a recipe is read

ASKS = recipe_text(more="import os\nversionsuffix = '-' + os.environ['LUMI_STACK_VERSION'] + os.environ['MORE']\n")


@pytest.fixture
def read_for_site(monkeypatch):
    """Recipes read as at a site, and as ever afterwards."""
    for name in variables(make_site(env={})):
        monkeypatch.delenv(name, raising=False)
    yield lambda **place: read_for(variables(make_site(env={}, **place), {}))
    read_for({})


def test_variables_of_lumis_modules_are_set_while_a_recipe_is_read(read_for_site, monkeypatch):
    monkeypatch.setenv('MORE', 'x')
    monkeypatch.setenv('LUMI_STACK_PARTITION', 'L')
    before = dict(os.environ)
    for release in ('25.03', '24.03'):
        read_for_site(release=release)
        assert parse_recipe(ASKS).versionsuffix == f'-{release}x'
    assert parse_recipe(recipe_text(more="import os\nversionsuffix = '-' + os.getenv('LUMI_STACK_PARTITION')\n")
                        ).versionsuffix == '-C'
    monkeypatch.delenv('MORE')
    with pytest.raises(RecipeError):
        parse_recipe(ASKS)
    monkeypatch.setenv('MORE', 'x')
    assert dict(os.environ) == before, 'the environment is as it was, also after an error'


@pytest.mark.parametrize('line', [
    "version = os.environ['SITE_WORD']", "version = os.getenv('SITE_WORD') + '-1'",
    "local_word = os.environ.get('SITE_WORD')\nversion = os.path.join(local_word, 'x')"])
def test_a_variable_that_is_missing_is_named(line, monkeypatch):
    monkeypatch.delenv('SITE_WORD', raising=False)
    with pytest.raises(RecipeError, match=r'asks for the variable SITE_WORD of the environment, which is not set: set '
                       r'it first \(export SITE_WORD='):
        parse_recipe(recipe_text(more=f'import os\n{line}\n'))


def test_another_missing_key_is_told_as_ever(monkeypatch):
    monkeypatch.delenv('SITE_WORD', raising=False)
    with pytest.raises(RecipeError, match="is not a readable recipe: .*'NAME'"):
        parse_recipe(recipe_text(more="import os\nlocal_word = os.getenv('SITE_WORD')\nversion = {}['NAME']\n"))


def test_blanks_around_a_version():
    """As in LUMI's libfabric-2.3.0.eb."""
    assert Dependency.parse(('rocm', '  6.2.2', '', SYSTEM)) == Dependency('rocm', '6.2.2', '', SYSTEM)


def test_a_text_is_run_once_and_each_reader_gets_a_copy(tmp_path):
    ran = tmp_path / 'ran'
    path, other = tmp_path / 'one.eb', tmp_path / 'two.eb'
    text = recipe_text(more=f"open({str(ran)!r}, 'a').write('x')\nsources = ['a']\n")
    for place in (path, other):
        place.write_text(text)
    first = parse_recipe(text, str(path))
    first.parameters['sources'].append('changed')
    assert parse_recipe(text, str(path)).parameters['sources'] == ['a'] and ran.read_text() == 'x'
    parse_recipe(text, str(other))
    assert ran.read_text() == 'x', 'a text learns nothing of its path'
    path.chmod(0o666)  # the gate is asked each time
    with pytest.raises(RecipeError, match='is not read'):
        parse_recipe(text, str(path))
