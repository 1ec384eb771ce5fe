# SPDX-License-Identifier: GPL-2.0-only
"""Where libraries are found: what verify computes is what really happens when a program runs."""
import itertools
import os
import subprocess
from pathlib import Path

import pytest
from elves import Place

from lumi_hooks.verify.elf import read_elf
from lumi_hooks.verify.loader import Loader, system_cache
from lumi_hooks.verify.locations import find_locations
from lumi_hooks.verify.policy import processors

FLAGS = {'': '', 'rpath': '-Wl,--disable-new-dtags,-rpath,{}', 'runpath': '-Wl,--enable-new-dtags,-rpath,{}'}


def gcc(path, text, *flags):
    """Compile C; a file that is no program is a library with its file name as SONAME."""
    path.parent.mkdir(exist_ok=True)
    library = ['-shared', '-fPIC', f'-Wl,-soname,{path.name}'] if path.name.startswith('lib') else []
    subprocess.run(['gcc', '-O0', '-x', 'c', '-', '-x', 'none', '-o', str(path), *library,
                    '-Wl,--no-as-needed,--allow-shlib-undefined', *(flag for flag in flags if flag)],
                   input=text, text=True, check=True, capture_output=True)
    return path


@pytest.fixture(scope='module')
def copies(tmp_path_factory):
    """libc3.so in folders 0 to 3, each of which returns its folder's number and ten."""
    folder = tmp_path_factory.mktemp('copies')
    for number in range(4):
        gcc(folder / str(number) / 'libc3.so', f'int c(void) {{ return {10 + number}; }}')
    return folder


def chain(folder, copies, kinds):
    """A program that loads liba3, which loads libb3, which loads libc3; each has a run path of its kind, or none."""
    def flag(number):
        return FLAGS[kinds[number]].format(copies / str(number))
    inner = gcc(folder / 'libb3.so', 'int c(void); int b(void) { return c(); }', str(copies / '0/libc3.so'), flag(2))
    outer = gcc(folder / 'liba3.so', 'int b(void); int a(void) { return b(); }', str(inner), flag(1))
    return gcc(folder / 'program', 'int a(void); int main(void) { return a(); }', str(outer), flag(0))


@pytest.mark.parametrize('kinds', [*itertools.product(('', 'rpath', 'runpath'), repeat=3)])
def test_which_copy_a_program_really_loads(tmp_path, copies, kinds):
    program = chain(tmp_path, copies, kinds)
    for more in ((), (copies / '3',)):
        path = [str(tmp_path), *map(str, more)]
        done = subprocess.run([str(program)], env={'LD_LIBRARY_PATH': ':'.join(path)}, check=False,
                              capture_output=True)
        loader = Loader(lambda name: read_elf(name, processors()) if os.path.isfile(name) else None, path,
                        cache=system_cache())
        found = {entry.name: entry.path for entry in loader.closure(str(program))}['libc3.so']
        assert (10 + int(Path(found).parent.name) if found else 127) == done.returncode, (kinds, more)


def test_O3_an_rpath_counts_past_a_library_with_a_runpath(tmp_path, copies):
    """The case that was found: program (RPATH) -> liba3 (RUNPATH) -> libb3 -> libc3."""
    place = Place(tmp_path)
    program = chain(place.root / 'lib', copies, ('rpath', 'runpath', ''))
    own = [str(place.root / 'lib')]
    done = subprocess.run([str(program)], env={'LD_LIBRARY_PATH': own[0]}, check=False)
    assert done.returncode == 10
    cache = system_cache()
    assert [one for one in place.verify(library_path=own, cache=cache).findings if one.rule == 'missing'] == []
    # and without the program's run path it neither runs nor is it found
    chain(place.root / 'lib', copies, ('', 'runpath', ''))
    done = subprocess.run([str(program)], env={'LD_LIBRARY_PATH': own[0]}, check=False, capture_output=True)
    assert done.returncode == 127 and b'libc3.so' in done.stderr
    found = [one for one in place.verify(library_path=own, cache=cache).findings if one.rule == 'missing']
    assert [Path(one.file).name for one in found] == ['libb3.so'] and 'libc3.so is not found' in found[0].found


def test_O3_a_library_is_missing_for_one_program_of_two(tmp_path, copies):
    place = Place(tmp_path)
    folder = place.root / 'lib'
    chain(folder, copies, ('rpath', '', ''))
    other = gcc(folder / 'other', 'int a(void); int main(void) { return a(); }', str(folder / 'liba3.so'))
    assert subprocess.run([str(other)], env={'LD_LIBRARY_PATH': str(folder)}, check=False,
                          capture_output=True).returncode == 127
    found = [one for one in place.verify(library_path=[str(folder)], cache=system_cache()).findings
             if one.rule == 'missing']
    assert [Path(one.file).name for one in found] == ['other'] and 'libc3.so is not found' in found[0].found


@pytest.mark.parametrize('value', ['', None])
def test_O19_an_empty_variable_is_as_one_that_is_not_set(value, monkeypatch):
    env = {} if value is None else {'LUMI_HOOKS_SYSTEM_ROOT': value, 'CRAYPE_DIR': value, 'ROCM_PATH': value,
                                    'EBU_USER_PREFIX': value, 'EASYBUILD_BUILDPATH': value}
    locations = find_locations('/x', env)
    assert (locations.system, locations.cray, locations.rocm) == ('/', '/opt/cray', ())
    assert (locations.prefixes, locations.builds) == ((), ())
    assert find_locations('/x', {**env, 'CRAYPE_DIR': '/s/opt/cray/pe/craype/2.7'}).cray == '/s/opt/cray'
    assert find_locations('/x', {**env, 'CRAYPE_DIR': '/s/opt/cray/pe/craype/2.7'}, system=value).cray == '/s/opt/cray'


def test_O19_a_relative_system_root_is_one_of_the_current_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert find_locations('/x', {'LUMI_HOOKS_SYSTEM_ROOT': 's'}).cray == f'{tmp_path}/s/opt/cray'
