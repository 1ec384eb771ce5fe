# SPDX-License-Identifier: GPL-2.0-only
"""Scripts, pkg-config, CMake and libtool files: paths that will not be there, and those of real files that will."""
from pathlib import Path

import pytest
from elves import Place

from lumi_hooks.verify.check import Question, verify
from lumi_hooks.verify.locations import find_locations


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def write(path, text, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize('line', ['#!@build/venv/bin/python3\n', '#! @build/venv/bin/python3 -I\n',
                                  '#!/tmp/eb-x1y2/bin/python3\n', '#!/users/somebody/venv/bin/python3\n',
                                  '#!@software/.Python.before/software/bin/python3\n',
                                  "#!/bin/sh\n'''exec' @build/venv/bin/python3 \"$0\" \"$@\"\n' '''\n",
                                  '#!/bin/sh ' + 'x' * 250 + '\n'])
def test_O17_a_script_that_can_not_be_run_later(place, line):
    line = line.replace('@build', str(place.build)).replace('@software', str(place.software))
    path = write(place.root / 'bin/tool', line, 0o755)
    assert place.findings() == [('tool', 'script-interpreter', 'error')]
    path.chmod(0o644)  # an example, a template
    assert place.findings() == []


@pytest.mark.parametrize('line', ['#!/bin/sh\n', '#!/usr/bin/env python3\n', '#!/usr/bin/env -S python3 -I\n',
                                  '#!@software/Python/bin/python3\n', '#!@root/bin/python3\n', '#!@pe/python\n',
                                  '#!perl\n', '#!\n', '#! \n', '# no script\n', '#!/bin/sh\ncd @build\n'])
def test_scripts_that_are_right(place, line):
    for path in (place.software / 'Python/bin/python3', place.root / 'bin/python3', place.pe / 'python'):
        write(path, '', 0o755)
    line = line.replace('@build', str(place.build)).replace('@software', str(place.software)) \
        .replace('@root', str(place.root)).replace('@pe', str(place.pe))
    write(place.root / 'bin/tool', line, 0o755)
    assert place.findings() == []


def test_O17_an_interpreter_that_was_removed(place):
    write(place.root / 'bin/tool', f'#!{place.software}/Python/3.10/bin/python3\n', 0o755)
    write(place.root / 'share/examples/tool', '#!/usr/local/bin/perl5\n', 0o755)
    assert place.findings() == [('tool', 'interpreter-missing', 'warning')]
    write(place.software / 'Python/3.10/bin/python3', '', 0o755)
    assert place.findings() == []


TELLS = [
    ('lib/pkgconfig/thing.pc', 'prefix={}\nlibdir=${{prefix}}/lib\nLibs: -L${{libdir}} -lthing\n'),
    ('lib/pkgconfig/thing.pc', 'prefix=/usr\nLibs: -L{}/lib -lthing\n'),
    ('lib/libthing.la', "libdir='{}/lib'\n"),
    ('lib/libthing.la', "dependency_libs=' -L{}/lib -lm'\n"),
    ('lib/cmake/thing/thing-targets.cmake',
     'set_target_properties(thing PROPERTIES\n'
     '  INTERFACE_INCLUDE_DIRECTORIES "${{_IMPORT_PREFIX}}/include;{}/include"\n)\n'),
    ('lib/cmake/thing/thing-targets-release.cmake', '  IMPORTED_LOCATION_RELEASE "{}/lib/libthing.so"\n'),
    ('bin/thing-config', '#!/bin/sh\nprefix={}\necho -I$prefix/include\n'),
    ('bin/thing-config', '#!/bin/sh\necho "-I{}/include"\n'),
]


@pytest.mark.parametrize('file, text', TELLS)
def test_O17_what_tells_others_a_folder_of_the_build(place, file, text):
    for folder in (f'{place.build}/thing', '/tmp/eb-abc/thing', f'{place.software}/.Thing.before/software'):
        write(place.root / file, text.format(folder), 0o755)
        assert place.findings() == [(Path(file).name, 'link-path', 'error')], folder
    write(place.root / file, text.format(place.root), 0o755)
    assert place.findings() == []


@pytest.mark.parametrize('file, text', TELLS)
def test_O17_what_tells_others_of_a_dependency_that_moved(place, file, text):
    folder = place.software / 'zlib/1.3'
    write(place.root / file, text.format(folder), 0o755)
    assert place.findings() == [(Path(file).name, 'link-path-missing', 'warning')]
    for below in ('include/x', 'lib/libthing.so'):
        write(folder / below, '')
    assert place.findings() == []


@pytest.mark.parametrize('file, text', [
    ('lib/pkgconfig/thing.pc', '# built in @\nprefix=/usr\nDescription: thing\n'),
    ('lib/cmake/thing/thing-config.cmake', '# generated in @\nset(THING_BUILT_IN "@")\nmessage(STATUS "@")\n'),
    ('lib/thing.settings', 'Source: @\n'), ('bin/thing', '#!/bin/sh\n# @\n'), ('lib/pkgconfig/t.pc', 'tmp=/tmp\n')])
def test_a_mere_mention_is_no_finding(place, file, text):
    write(place.root / file, text.replace('@', f'{place.build}/thing'), 0o755)
    assert place.findings() == []


@pytest.mark.parametrize('content', [
    b'#!' + b'\xff' * 5000, b'#!/' + b'a' * 3000000, b'#!\0\0/tmp/x', b'prefix=\xff/tmp/\x00y\n'])
def test_hostile_texts_end_in_nothing_worse_than_a_finding(place, content):
    for name in ('bin/x', 'lib/x.pc', 'lib/x.cmake', 'bin/x-config'):
        path = write(place.root / name, '', 0o755)
        path.write_bytes(content)
    assert place.verify().elf == 0


def test_what_debian_has_installed_is_clean():
    """The machine's own pkg-config, CMake and *-config files, and its scripts: none of them is wrong."""
    looked_at = 0
    lib = '/usr/lib/x86_64-linux-gnu'
    for root in (f'{lib}/pkgconfig', '/usr/share/pkgconfig', f'{lib}/cmake', '/usr/bin'):
        if not Path(root).is_dir():
            continue
        report = verify(Question(find_locations(root, {}, '/'), (), '25.03'))
        looked_at += report.files
        assert [one for one in report.findings if one.rule.startswith(('link-path', 'script', 'interpreter'))] == []
    assert looked_at > 100


