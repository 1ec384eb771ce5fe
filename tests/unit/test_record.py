# SPDX-License-Identifier: GPL-2.0-only
"""Records: read as data, however damaged; what is said of them, and what is expected by them."""
import copy
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumi_hooks import record, schemas
from lumi_hooks.errors import DataError, LumiHooksError
from lumi_hooks.record import read_record
from lumi_hooks.record import text as record_text
from lumi_hooks.record.experience import Experience
from lumi_hooks.record.text import help_text, with_help
from lumi_hooks.schemas.plain import faults

SHA = 'a' * 64
RECORD = {
    'schema_version': 1, 'module': 'Thing/1.0-cpeGNU-25.03', 'name': 'Thing', 'version': '1.0', 'versionsuffix': '',
    'toolchain': {'name': 'cpeGNU', 'version': '25.03'}, 'installation': '/p/SW/LUMI-25.03/C/Thing/1.0-cpeGNU-25.03',
    'library': {'version': '0.1', 'commit': 'b' * 40, 'modified': False},
    'easybuild': {'version': '5.4.1', 'easyblocks': '5.4.1', 'easyblock': 'EB_Thing',
                  'settings': {'optarch': 'x86-milan'}},
    'site': {'release': '25.03', 'partition': 'C', 'toolchain': 'cpeGNU', 'mode': 'user', 'prefix': '/p',
             'stack': 'LUMI/25.03', 'disabled': [], 'derive': []},
    'recipe': {'file': 'Thing-1.0-cpeGNU-25.03.eb', 'sha256': SHA, 'status': 'adapted'},
    'source': {'file': 'Thing-1.0-foss-2025a.eb', 'sha256': SHA, 'origin': 'upstream', 'kept': None},
    'rules': ['toolchain'],
    'changes': [{'parameter': 'toolchain', 'before': {'name': 'foss', 'version': '2025a'},
                 'after': {'name': 'cpeGNU', 'version': '25.03'}, 'rule': 'toolchain', 'reason': 'why', 'link': None}],
    'kept_out': [], 'overrides': [],
    'dependencies': [{'name': 'cray-hdf5', 'version': '1.14', 'module': 'cray-hdf5/1.14', 'origin': 'cray',
                      'build_only': False}],
    'sources': [{'file': 'thing-1.0.tar.gz', 'sha256': SHA}], 'patches': [], 'modules': ['cpeGNU/25.03'],
    'environment': {'CC': 'cc'}, 'linkage': None, 'size': {'bytes': 1000, 'inodes': 5},
    'times': {'started': '2026-11-24T06:00:00+0000', 'finished': '2026-11-24T06:01:00+0000', 'seconds': 60.0},
    'module_only': [],
}


def a_record(**facts):
    found = copy.deepcopy(RECORD)
    found.update(facts)
    return found


def put(prefix, found, software='Thing', version='1.0-cpeGNU-25.03', stack='LUMI-25.03/C'):
    """A record in an installation of a prefix; returns the installation."""
    path = os.path.join(str(prefix), 'SW', stack, software, version)
    os.makedirs(os.path.join(path, 'easybuild', 'lumi'))
    with open(os.path.join(path, record.FILE), 'w', encoding='utf-8') as handle:
        handle.write(found if isinstance(found, str) else json.dumps(found))
    return path


def test_the_example_is_as_the_schema_says():
    import jsonschema
    jsonschema.Draft202012Validator(schemas.schema('record')).validate(RECORD)
    fabric = {'libfabric': '2.3.1', 'prefix': '/opt/cray/libfabric/2.3.1', 'shs': ['13.1', '14.0']}
    jsonschema.Draft202012Validator(schemas.schema('record')).validate(a_record(fabric=fabric))


def test_it_is_read_back(tmp_path):
    assert read_record(put(tmp_path, RECORD)) == RECORD
    assert read_record(str(tmp_path)) is None


@pytest.mark.parametrize('text,problem', [
    ('', 'not valid JSON'), ('{', 'not valid JSON'), ('[]', 'not a record of version 1'), ('null', 'not a record'),
    ('{"schema_version": 2}', 'not a record of version 1'), ('{"schema_version": 1}', 'incomplete or damaged'),
    ('[' * 100000, 'not valid JSON'), (json.dumps(a_record(size={'bytes': 'x', 'inodes': 1})), 'damaged: size'),
    (json.dumps(a_record(source='x')), 'damaged: source'), (json.dumps(a_record(changes=[1])), 'damaged: changes')])
def test_what_is_no_record_is_told(tmp_path, text, problem):
    with pytest.raises(DataError, match=problem):
        read_record(put(tmp_path, text))


@given(st.data())
def test_a_mangled_record_gives_no_traceback(tmp_path_factory, data):
    """Any value of a record is replaced by anything; what is read can be shown."""
    found = a_record()
    key = data.draw(st.sampled_from(sorted(found)))
    value = st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda item: st.lists(item, max_size=2)
                         | st.dictionaries(st.text(max_size=5), item, max_size=2))
    inner = found[key]
    if isinstance(inner, dict) and inner and data.draw(st.booleans()):
        inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(value)
    else:
        found[key] = data.draw(value)
    folder = put(tmp_path_factory.mktemp('mangled'), found)
    try:
        read = read_record(folder)
    except LumiHooksError:
        return
    assert isinstance(help_text(read), str) and record_text.changes_markdown(read, [])


NO_NAMES = ['../../evil/Thing-1.0.eb', '/tmp/Thing-1.0.eb', './Thing-1.0.eb', 'x/Thing-1.0.eb', '', '.', '..',
            'a\nb.eb', 'a.eb\n', 'a\0.eb', 'a\x1b[2J.eb', '..\n', None, 1, ['x.eb']]
PLACES = {'recipe': lambda found, name: found['recipe'].update(file=name),
          'source': lambda found, name: found['source'].update(file=name),
          'kept': lambda found, name: found['source'].update(kept=name),
          'patches': lambda found, name: found.update(patches=[{'file': name, 'sha256': None}]),
          'sources': lambda found, name: found['sources'].append({'file': name, 'sha256': SHA})}


@pytest.mark.security
@pytest.mark.parametrize('place', PLACES)
@pytest.mark.parametrize('name', NO_NAMES, ids=repr)
def test_S8_a_record_names_files_and_no_paths(tmp_path, place, name):
    """For its reader and for its schema alike; no copy at all is none of them."""
    import jsonschema
    found = a_record()
    PLACES[place](found, name)
    if (place, name) == ('kept', None):
        return
    with pytest.raises(DataError, match='incomplete or damaged'):
        read_record(put(tmp_path, found))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schemas.schema('record')).validate(found)
    assert list(faults(found, schemas.schema('record')))


@pytest.mark.parametrize('place', PLACES)
@pytest.mark.parametrize('name', ['Thing-1.0.eb', '.hidden', '..x', 'a b', "it's", '$(x).eb', 'ä.patch', '-x.eb'])
def test_other_names_of_files_are_fine(tmp_path, place, name):
    found = a_record()
    PLACES[place](found, name)
    assert read_record(put(tmp_path, found)) == found
    assert not list(faults(found, schemas.schema('record')))


def test_what_is_said_of_it():
    assert record_text.headline(RECORD) == 'Thing/1.0-cpeGNU-25.03, installed by lumi-hooks 0.1 from ' \
                                      'Thing-1.0-foss-2025a.eb with 1 change'
    assert 'by the rules toolchain' in record_text.headline(a_record(changes=[]))
    plain = record_text.headline(a_record(source=None, changes=[], rules=[]))
    assert plain.endswith('from Thing-1.0-cpeGNU-25.03.eb, which was not changed')


LUA = 'help([==[\n\nDescription\n===========\na thing\n\n]==])\n\nwhatis([==[Description: a thing]==])\n'
TCL = '#%Module\nproc ModulesHelp { } {\n    puts stderr {\n\nDescription\n======\na thing\n}\n}\n\nmodule-whatis {x}\n'


def test_the_help_of_a_module():
    found = with_help(LUA, help_text(RECORD))
    assert found.startswith('help([==[\n\nDescription') and found.count(']==]') == 2
    assert found.index('installed by lumi-hooks') < found.index(']==])') < found.index('whatis')
    assert ']==] out' not in with_help(LUA, 'break ]==] out').split('whatis')[0]
    tcl = with_help(TCL, 'text {with} [brackets]')
    assert r'text \{with\} \[brackets\]' in tcl and tcl.endswith('}\n}\n\nmodule-whatis {x}\n')
    assert with_help('-- nothing\n', 'text') == '-- nothing\n'
    assert with_help(LUA, help_text(RECORD)) == with_help(LUA, help_text(RECORD)), 'it is the same every time'


@pytest.mark.parametrize('prefix, mode, says', [
    ('/project/project_465000001/EasyBuild', 'user',
     'Installed into the prefix of project_465000001, /project/project_465000001/EasyBuild.'),
    ('/users/me/EasyBuild', 'user', 'Installed into the prefix /users/me/EasyBuild.'),
    ('/appl/lumi', 'production', 'Installed into the central stack, /appl/lumi.'),
])
def test_a_module_says_which_prefix_it_came_from(prefix, mode, says):
    found = a_record(site={**RECORD['site'], 'prefix': prefix, 'mode': mode})
    assert says in help_text(found).splitlines()
    assert '* ' + says.rstrip('.') in record_text.changes_markdown(found, []).splitlines()


def test_what_an_installation_will_take(tmp_path):
    def times(seconds):
        return {'started': None, 'finished': 'x', 'seconds': seconds}
    put(tmp_path, RECORD)
    put(tmp_path, a_record(module='Thing/1.10-cpeGNU-25.03', version='1.10', times=times(100)),
        version='1.10-cpeGNU-25.03')
    put(tmp_path, a_record(module='Thing/1.9-cpeCray-25.03', version='1.9', times=times(None)),
        version='1.9-cpeCray-25.03')
    put(tmp_path, 'broken', version='2.0-cpeGNU-25.03')
    known = Experience([str(tmp_path), ''])
    assert known.estimate('Thing/1.0-cpeGNU-25.03').seconds == 60
    assert known.estimate('Thing/1.0-cpeGNU-25.09').basis == 'Thing/1.0-cpeGNU-25.03', 'the same version'
    assert known.estimate('Thing/3.0-cpeGNU-25.03').basis == 'Thing/1.10-cpeGNU-25.03', 'the newest'
    other = known.estimate('Thing/1.9-cpeGNU-25.03')
    assert (other.seconds, other.bytes, other.inodes) == (None, 1000, 5)
    assert known.estimate('Other/1.0') is None and known.estimate('../x/1') is None and known.estimate('') is None


def test_installations_that_are_set_aside_are_none(tmp_path):
    put(tmp_path, RECORD, version='.1.0-cpeGNU-25.03.before')
    folder, = record.software_folders(str(tmp_path))
    assert list(record.installations(folder)) == []


def test_the_central_layout_is_known_too(tmp_path):
    path = put(tmp_path, RECORD, stack='LUMI-25.03/C/EB')
    folder, = record.software_folders(str(tmp_path))
    assert list(record.installations(folder)) == [path]
    assert record.software_folders(str(tmp_path), '25.09') == []


def test_room_is_checked_against_what_an_earlier_one_took(tmp_path):
    from lumi_hooks.doctor import Package, Situation
    from lumi_hooks.doctor.room import estimate
    from lumi_hooks.schemas import checked
    from lumi_hooks.site import make_site
    put(tmp_path, RECORD)
    site = make_site(prefix=str(tmp_path), env={})
    known, unknown = (Package(name, f'{name}/1.0-cpeGNU-25.03', {}) for name in ('Thing', 'Other'))
    facts = checked('sizes.json')['other']
    assert estimate(Situation(site, {}, (known,))) == (1000, 5)
    assert estimate(Situation(site, {}, (known, unknown))) == (1000 + facts['bytes'], 5 + facts['inodes'])
    assert estimate(Situation(site, {})) == (facts['bytes'], facts['inodes'])
