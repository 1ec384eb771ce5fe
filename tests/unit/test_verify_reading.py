# SPDX-License-Identifier: GPL-2.0-only
"""Reading files: only what is needed of each, each once, and nothing that a file holds may end in a traceback."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from elves import bundle, compiled, library, packed
from hypothesis import given, settings
from hypothesis import strategies as st

from lumi_hooks.errors import LumiHooksError
from lumi_hooks.verify import elf as elf_module
from lumi_hooks.verify import fatbin
from lumi_hooks.verify.check import Question, verify
from lumi_hooks.verify.elf import NotReadable, read_elf
from lumi_hooks.verify.loader import Loader, expand, system_cache
from lumi_hooks.verify.locations import Locations
from lumi_hooks.verify.policy import processors
from lumi_hooks.verify.scan import scan


def read(path):
    return read_elf(str(path), processors())


def test_facts_of_a_library(tmp_path):
    need = library(tmp_path, 'libneed.so.1')
    facts = read(compiled(tmp_path / 'libx.so', soname='libx.so.2', needs=[need], runpath='/a:$ORIGIN/../b'))
    assert facts.kind == 'library' and facts.soname == 'libx.so.2' and facts.needed == ('libneed.so.1',)
    assert (facts.runpath, facts.rpath) == (('/a', '$ORIGIN/../b'), ())
    assert (facts.gpu, facts.cuda) == ((), False)


@pytest.mark.parametrize('flags', [(), ('-no-pie',)])
def test_programs_are_told_from_libraries(tmp_path, flags):
    need = library(tmp_path, 'libneed.so')
    assert read(compiled(tmp_path / 'x', *flags, program=True, needs=[need], rpath='/a')).kind == 'program'
    assert read(tmp_path / 'x').rpath == ('/a',)
    # a library with an interpreter, which can be started too
    assert read(os.path.realpath('/lib/x86_64-linux-gnu/libc.so.6')).kind == 'library'


def test_the_same_facts_as_readelf_tells():
    files = sorted(Path('/usr/lib/x86_64-linux-gnu').glob('*.so.*'))[::40][:12]
    assert len(files) > 5
    for path in files:
        text = subprocess.run(['readelf', '-d', str(path)], capture_output=True, text=True, check=True).stdout
        facts = read(path)
        assert list(facts.needed) == re.findall(r'\(NEEDED\).*\[(.*)\]', text)
        assert [facts.soname] == (re.findall(r'\(SONAME\).*\[(.*)\]', text) or [''])
        assert ':'.join(facts.runpath) == ''.join(re.findall(r'\(RUNPATH\).*\[(.*)\]', text))


def test_what_is_no_elf_file_costs_one_read_of_eight_bytes(tmp_path, monkeypatch):
    (tmp_path / 'text').write_text('no ELF file at all' * 1000)
    (tmp_path / 'empty').write_bytes(b'')
    reads = []
    original = os.read
    monkeypatch.setattr(elf_module.os, 'read', lambda handle, size: reads.append(size) or original(handle, size))
    monkeypatch.setattr(elf_module.mmap, 'mmap', lambda *args, **kwargs: pytest.fail('the file was mapped'))
    assert read(tmp_path / 'text') is None and read(tmp_path / 'empty') is None
    assert reads == [8, 8]


def test_links_and_hard_links_count_once(tmp_path):
    root = tmp_path / 'root'
    library(root / 'lib', 'libx.so.1')
    (root / 'lib/libx.so').symlink_to('libx.so.1')
    (root / 'lib64').symlink_to('lib')
    (root / 'sub').mkdir()
    os.link(root / 'lib/libx.so.1', root / 'sub/libx-again.so')
    (root / 'text').write_text('text')
    found = scan(str(root), processors(), jobs=1)
    assert found.files == 2 and len(found.elf) == 1
    assert set(found.links) == {f'{root}/lib/libx.so', f'{root}/lib64'}


def test_a_loop_of_links_and_a_pipe_do_not_hold_it_up(tmp_path):
    (tmp_path / 'loop').symlink_to('.')
    os.mkfifo(tmp_path / 'pipe')
    assert scan(str(tmp_path), processors()).files == 0


def test_several_processes_find_the_same(tmp_path):
    one = library(tmp_path / 'root', 'lib0.so', fatbin=bundle('gfx90a'))
    for number in range(1, 450):
        shutil.copy(one, one.with_name(f'lib{number}.so'))
    steps = []
    together = scan(str(tmp_path), processors(), jobs=2, progress=lambda done, total: steps.append((done, total)))
    assert together.elf == scan(str(tmp_path), processors(), jobs=1).elf and len(together.elf) == 450
    assert steps[-1] == (450, 450)


def test_unreadable_files_and_folders_are_told(tmp_path):
    """Read as another user: nothing stops root."""
    root = Path(shutil.copytree(tmp_path, f'/tmp/lumi-hooks-test-{os.getpid()}'))
    try:
        root.chmod(0o755)
        library(root, 'libx.so')
        (root / 'libx.so').chmod(0)
        (root / 'closed').mkdir(mode=0)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if os.geteuid() == 0:
                    os.setgroups([])
                    os.setresgid(65534, 65534, 65534)
                    os.setresuid(65534, 65534, 65534)
                found = scan(str(root), processors(), jobs=1)
                os.write(writing, repr(sorted(found.unreadable.items())).encode())
                code = 0
            finally:
                os._exit(code)
        os.close(writing)
        with os.fdopen(reading) as stream:
            text = stream.read()
        assert os.waitpid(child, 0)[1] == 0
        assert text == repr([(f'{root}/closed', 'the folder can\'t be listed: Permission denied'),
                             (f'{root}/libx.so', 'Permission denied')])
    finally:
        (root / 'closed').chmod(0o755)
        shutil.rmtree(root)


def test_no_such_folder():
    with pytest.raises(LumiHooksError, match='there is no such folder'):
        verify(Question(Locations('/nonexistent')), cache={})


# what files may hold

@pytest.fixture(scope='module')
def sample(tmp_path_factory):
    """A library with everything that is read: names, run path, sections, a plain and two compressed bundles."""
    folder = tmp_path_factory.mktemp('sample')
    fat = bundle('gfx90a:xnack-', align=512) + packed(bundle('gfx90a', align=512)) + packed(bundle('gfx906'), 3, 'zstd')
    path = compiled(folder / 'libx.so', soname='libx.so', needs=[library(folder, 'liby.so')], runpath='/a', fatbin=fat)
    subprocess.run(['strip', str(path)], check=True)
    return path


def test_the_sample_is_sound(sample):
    assert read(sample).gpu == ('gfx906', 'gfx90a', 'gfx90a:xnack-')


@settings(max_examples=300)
@given(st.data())
def test_mangled_files_are_told_and_never_crash(sample, tmp_path_factory, data):
    content = bytearray(sample.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        # mostly where tables and headers are
        limit = data.draw(st.sampled_from([64, 1024, len(content)]))
        where = data.draw(st.integers(4, limit - 1))
        content[where] = data.draw(st.integers(0, 255))
    size = data.draw(st.one_of(st.just(len(content)), st.integers(4, len(content))))
    root = tmp_path_factory.getbasetemp() / 'mangled'
    root.mkdir(exist_ok=True)
    (root / 'libx.so').write_bytes(content[:size])
    report = verify(Question(Locations(str(root)), jobs=1), cache={})
    assert report.files == 1
    assert report.elf == 1 or [one.rule for one in report.findings] == ['unreadable']


@settings(max_examples=200)
@given(st.binary(max_size=200), st.sampled_from([b'', fatbin.BUNDLE, fatbin.BUNDLE + b'\2' + bytes(7),
                                                 fatbin.COMPRESSED, b'CCOB\2\0\0\0', b'CCOB\3\0\1\0']))
def test_any_bytes_as_a_bundle(data, start):
    try:
        targets = fatbin.bundle_targets(start + data, 0, 1 << 20)
    except fatbin.BundleError:
        return
    assert all(target.startswith('gfx') for target in targets)


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_any_bytes_behind_the_magic(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / 'any'
    path.write_bytes(b'\x7fELF' + data)
    try:
        facts = read(path)
    except NotReadable:
        return
    assert facts.machine


def test_bundles_that_hold_each_others_magic_by_chance():
    inner = bundle('gfx90a', align=512)
    outer = inner[:-64] + b'CCOB__CLANG_OFFLOAD_BUNDLE__'.ljust(64, b'\0')
    assert fatbin.bundle_targets(outer + bundle('gfx942'), 0, 1 << 20) == {'gfx90a', 'gfx942'}


# the loader

def test_the_same_libraries_as_ldd_finds():
    files = [path for path in sorted(Path('/usr/bin').iterdir()) if not path.is_symlink()][::25]
    files += sorted(Path('/usr/lib/x86_64-linux-gnu').glob('*.so.*'))[::60]
    cache, seen = system_cache(), 0
    loader = Loader(lambda path: read(path), (), (), cache=cache)
    for path in files:
        facts = read(path)
        if facts is None or facts.kind not in ('program', 'library') or not facts.needed:
            continue
        text = subprocess.run(['ldd', str(path)], capture_output=True, text=True, check=False).stdout
        theirs = {name: os.path.realpath(place) for name, place in re.findall(r'(\S+) => (/\S+)', text)}
        lost = set(re.findall(r'(\S+) => not found', text))
        ours = loader.closure(str(path))
        assert {entry.name: os.path.realpath(entry.path) for entry in ours
                if entry.path and 'ld-linux' not in entry.name} == theirs
        assert {entry.name for entry in ours if not entry.path} == lost
        seen += 1
    assert seen > 15


def make_loader(*folders, **more):
    return Loader(lambda path: read(path) if os.path.exists(path) else None, folders, **more)


def test_order_of_search(tmp_path):
    locations = {name: library(tmp_path / name, 'libx.so') for name in ('rpath', 'env', 'runpath', 'system', 'cache')}
    stub = library(tmp_path / 'stub', 'libx.so')
    cache = {'libx.so': str(locations['cache'])}

    def found(kind, *folders, **more):
        program = compiled(tmp_path / 'program', program=True, needs=[stub],
                           **({kind: tmp_path / kind} if kind else {}))
        (entry,) = make_loader(*folders, cache=cache, **more).closure(str(program))
        return Path(entry.path).parent.name

    env, system = str(tmp_path / 'env'), [str(tmp_path / 'system')]
    assert found('rpath', env) == 'rpath'
    assert found('runpath', env) == 'env'
    assert found('runpath', system=system) == 'runpath'
    assert found(None, system=system) == 'system'
    assert found(None) == 'cache'
    # what belongs to Cray's modules comes behind the machine's own folders
    assert found(None, env, system=system, late=lambda folder: folder == env) == 'system'
    assert found(None, env, late=lambda folder: folder == env) == 'env'


def test_rpath_is_inherited_and_runpath_is_not(tmp_path):
    inner = library(tmp_path / 'inner', 'libinner.so')
    outer = library(tmp_path / 'outer', 'libouter.so', needs=[inner])
    for kind, expected in (('rpath', str(inner)), ('runpath', None)):
        program = compiled(tmp_path / 'program', program=True, needs=[outer],
                           **{kind: f'{inner.parent}:{outer.parent}'})
        assert {entry.name: entry.path for entry in make_loader().closure(str(program))} == {
            'libouter.so': str(outer), 'libinner.so': expected}


def test_files_of_another_machine_are_passed_over(tmp_path):
    real = library(tmp_path / 'b', 'libx.so')
    other = bytearray(real.read_bytes())
    other[18] = 183  # AArch64
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a/libx.so').write_bytes(other)
    program = compiled(tmp_path / 'program', program=True, needs=[real])

    def loadable(path):
        facts = read(path)
        return facts if facts and facts.kind in ('library', 'program') else None

    loader = Loader(loadable, [str(tmp_path / 'a'), str(tmp_path / 'b')])
    assert [entry.path for entry in loader.closure(str(program))] == [str(real)]


def test_a_needed_path_may_begin_with_origin(tmp_path):
    inner = compiled(tmp_path / 'lib/libinner.so', soname='$ORIGIN/../lib/libinner.so')
    program = compiled(tmp_path / 'bin/program', program=True, needs=[inner])
    assert [entry.path for entry in make_loader().closure(str(program))] == [str(inner)]
    inner.unlink()
    assert [entry.path for entry in make_loader().closure(str(program))] == [None]


def test_origin():
    assert expand(['$ORIGIN/../lib', '${ORIGIN}', '/x/$LIB', ''], '/a/bin/p') == ('/a/lib', '/a/bin', '/x/lib64')


def test_compilers_of_amd_are_the_systems_also_where_everything_lies_below_tmp():
    locations = Locations('/tmp/prefix/software', '/tmp/standin')
    library = '/tmp/standin/opt/AMD/aocc-compiler-5.0.0/lib/libomp.so'
    assert locations.is_system(library) and not locations.is_build(library)
    assert not locations.is_build('/tmp/standin/opt/gcc/lib/libgomp.so'), 'nor is anything else of such a system'
    assert locations.is_build('/tmp/other/lib/libomp.so'), 'what is below /tmp is a build folder else'
    assert Locations('/software', '/').is_build('/tmp/other/lib/libomp.so')
