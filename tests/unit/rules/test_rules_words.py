# SPDX-License-Identifier: GPL-2.0-only
"""The rules about words of GNU's compilers and MPI's wrappers in a recipe's own commands."""
import os
from importlib import import_module
from types import SimpleNamespace

import pytest
from ruling import says

from lumi_hooks import hooks
from lumi_hooks.adapt import adapt
from lumi_hooks.eb import session
from lumi_hooks.recipe import read_recipe
from lumi_hooks.site import make_site


def at(toolchain):
    return make_site('25.03', partition='G' if toolchain == 'cpeAMD' else 'C', toolchain=toolchain, env={})


# --- compiler-names

@pytest.mark.parametrize('before, after', [
    ('FC=gfortran CC=gcc F90="$F90" CXX=g++', 'FC=ftn CC=cc F90="$F90" CXX=CC'),
    ('-DCMAKE_CXX_COMPILER=g++', '-DCMAKE_CXX_COMPILER=CC'),
    ('--with-f77=gfortran --cc=gcc LD=g++', '--with-f77=ftn --cc=cc LD=CC'),
    ('FC="gfortran -m64" CC=gcc-13', 'FC="ftn -m64" CC=cc'),
    ("sed -i 's/LINKER = gfortran -static/LINKER=gfortran/' M", "sed -i 's/LINKER = gfortran -static/LINKER=ftn/' M"),
    ("sed -i 's|^CC=.*|CC=gcc|g;s/x/y/' M", "sed -i 's|^CC=.*|CC=cc|g;s/x/y/' M"),
    ('$EBROOTGCCCORE/bin/gcc ${EBROOTGCC}/bin/gfortran', '$(which cc) $(which ftn)'),
])
@pytest.mark.parametrize('toolchain', ['cpeGNU', 'cpeCray'])
def test_rule_compiler_names(recipe, toolchain, before, after):
    change, = says('compiler-names', recipe(f'configopts = {before!r}', toolchain=('foss', '2025a')), at(toolchain))
    assert (change.parameter, change.before, change.after) == ('configopts', before, after) and change.link


@pytest.mark.parametrize('text', [
    '--enable-fortran-calling-convention=gfortran', 'SYSTEM=gfortran',
    "sed -i 's/CC=gcc /CC=$CC /' M",
    'CPP="gcc -E"', 'CC=gcc-ar', '$EBROOTGCC/bin/gcc-ar', 'HOST_COMPILER=g++', 'CC="$CC" FC=$FC', '--with-CC=gcc2'])
def test_what_only_looks_like_a_compilers_name(recipe, text):
    assert says('compiler-names', recipe(f'configopts = {text!r}'), at('cpeGNU')) == []


def test_commands_of_extensions(recipe):
    options = {'preinstallopts': 'export CC=gcc ; ', 'source_urls': ['https://x.org/CC=gcc']}
    change, = says('compiler-names', recipe(f"exts_list = [('x', '1.0', {options})]"), at('cpeGNU'))
    assert change.after == [('x', '1.0', {**options, 'preinstallopts': 'export CC=cc ; '})]


# --- native-target

@pytest.mark.parametrize('before, after', [
    (' -mpc64 -march=native -g', ' -mpc64 -g'), ('A=-march=native B=1', 'A= B=1'), ('"-O3 -mtune=native"', '"-O3 "'),
    ("sed -i 's/-O3/-O3 -march=native/g'", "sed -i 's/-O3/-O3 /g'"),
    ('RUSTFLAGS="-Ctarget-cpu=native" -C target-cpu=native', 'RUSTFLAGS="-Ctarget-cpu=znver3" -C target-cpu=znver3'),
    ('-DLLC_HOST_CPU=native ', '-DLLC_HOST_CPU=znver3 ')])
@pytest.mark.parametrize('toolchain', ['cpeGNU', 'cpeCray'])
def test_rule_native_target(recipe, toolchain, before, after):
    change, = says('native-target', recipe(f'configopts = {before!r}'), at(toolchain))
    assert change.after == after and 'partition C' in change.reason


def test_rule_native_target_in_toolchainopts(recipe):
    change, = says('native-target', recipe("toolchainopts = {'extra_fflags': '-mtune=native -fno-lto'}"), at('cpeGNU'))
    assert change.after == {'extra_fflags': '-fno-lto'}


@pytest.mark.parametrize('name, parameter, partition, after', [
    ('BLIS', 'cpu_architecture', 'C', 'zen3'), ('BLIS', 'cpu_architecture', 'L', 'zen2'),
    ('Kokkos', 'kokkos_arch', 'C', 'ZEN3'),
    ('LAMMPS', 'kokkos_arch', 'G', 'ZEN3'), ('LAMMPS', 'kokkos_arch', 'D', 'ZEN2')])
def test_rule_native_target_of_easyblocks_that_look_at_the_processor(recipe, name, parameter, partition, after):
    site = make_site('25.03', partition=partition, env={})
    change, = says('native-target', recipe(f"easyblock = 'EB_{name}'", name=name), site)
    assert (change.parameter, change.before, change.after) == (parameter, None, after)
    assert says('native-target', recipe(f"easyblock = 'EB_{name}'\n{parameter} = 'generic'", name=name), site) == []
    assert says('native-target', recipe("easyblock = 'ConfigureMake'", name=name), site) == []


@pytest.mark.parametrize('more, after', [
    ('', '-DLLC_HOST_CPU=znver3'), ("configopts = '-DX=1'", '-DX=1 -DLLC_HOST_CPU=znver3'),
    ("configopts = '-DLLC_HOST_CPU=znver2'", None)])
def test_B8_pocl_compiles_its_kernels_for_the_partition(recipe, more, after):
    """Its recipes for 4.0 and later name no processor, and CMake asks LLVM for that of the node that builds."""
    found = says('native-target', recipe(more, name='pocl', version='7.0'), at('cpeGNU'))
    assert [(change.parameter, change.after) for change in found] == ([('configopts', after)] if after else [])
    assert says('native-target', recipe(more, name='other'), at('cpeGNU')) == []


def test_upstreams_recipe_of_lammps(upstream_site, upstream_file):
    """It names no easyblock."""
    found = says('native-target', read_recipe(upstream_file('LAMMPS-29Aug2024-foss-2023b-kokkos.eb')), upstream_site)
    assert [change.after for change in found] == ['ZEN3']


def test_upstreams_recipe_of_kokkos(upstream_site, upstream_file):
    """For CPUs too: the easyblock would say -DKokkos_ARCH_NATIVE=ON."""
    found = says('native-target', read_recipe(upstream_file('Kokkos-4.7.01-GCC-14.3.0.eb')), upstream_site)
    assert [(change.parameter, change.after) for change in found] == [('kokkos_arch', 'ZEN3')]


@pytest.mark.parametrize('easybuild', ['cargo', 'cargopythonpackage'])
@pytest.mark.parametrize('partition, processor', [('C', 'znver3'), ('G', 'znver3'), ('L', 'znver2')])
def test_rust_compiles_for_the_partition(options, monkeypatch, tmp_path, easybuild, partition, processor):
    """Upstream's easyblocks say target-cpu=native, as the name of a Cray target is no word of rustc's."""
    module = import_module(f'easybuild.easyblocks.generic.{easybuild}')
    block = SimpleNamespace(log=SimpleNamespace(warning=lambda text: None, info=lambda text: None))
    flags = module.Cargo.rustc_optarch(block) + ' -C linker=/usr/bin/gcc'
    assert 'target-cpu=native' in flags
    monkeypatch.setenv('RUSTFLAGS', flags)
    import_module('lumi_hooks.eb.lifecycle.environment')  # as before the first installation
    site = make_site('25.03', partition=partition, env={})
    monkeypatch.setattr(session, 'current', lambda: SimpleNamespace(site=site))
    assert hooks.pre_run_shell_cmd_hook('cargo build') is None
    assert os.environ['RUSTFLAGS'] == f'-C target-cpu={processor} -C linker=/usr/bin/gcc'
    monkeypatch.setenv('RUSTFLAGS', '-C target-cpu=x86-64')
    hooks.pre_run_shell_cmd_hook('cargo build')
    assert os.environ['RUSTFLAGS'] == '-C target-cpu=x86-64', 'what the recipe or the user says stays'


@pytest.mark.parametrize('text', [
    "sed -i 's/-march=native//g' M", '-march=native-x', 'x-march=native', '-march=znver3'])
def test_rule_native_target_leaves_others(recipe, text):
    assert says('native-target', recipe(f'configopts = {text!r}'), at('cpeGNU')) == []


# --- fortran-words

@pytest.mark.parametrize('toolchain, after', [
    ('cpeCray', 'FCFLAGS=" -N 1023 $FCFLAGS -eZ"'), ('cpeAOCC', 'FCFLAGS="  $FCFLAGS -cpp"'),
    ('cpeAMD', 'FCFLAGS="  $FCFLAGS -cpp"'), ('cpeGNU', None)])
def test_rule_fortran_words(recipe, toolchain, after):
    before = 'FCFLAGS="-fallow-argument-mismatch -ffree-line-length-none $FCFLAGS -cpp"'
    found = says('fortran-words', recipe(f'configopts = {before!r}'), at(toolchain))
    assert [(change.parameter, change.after) for change in found] == ([('configopts', after)] if after else [])


def test_R11_a_makefile_that_is_told_its_compiler(upstream_file, upstream_index):
    """OptaDOS' SYSTEM=gfortran chooses a part of its makefile; the compiler that it names there is replaced."""
    site = make_site('25.03', toolchain='cpeCray', index=upstream_index, env={})
    options = adapt(read_recipe(upstream_file('OptaDOS-1.2.380-GCC-11.3.0.eb')), site).parameters['buildopts']
    assert 'FFLAGS="$FFLAGS -hbyteswapio -N 255" F90_SERIAL="$F90"' in options and 'SYSTEM=gfortran' in options


def test_each_round_of_an_iterated_build(recipe):
    text = "configopts = ['FFLAGS=-std=legacy', '--other']\nprebuildopts = 'export FFLAGS=\"$FFLAGS -std=legacy\" && '"
    found = {change.parameter: change.after for change in says('fortran-words', recipe(text), at('cpeCray'))}
    assert found == {'configopts': ['FFLAGS=', '--other'], 'prebuildopts': 'export FFLAGS="$FFLAGS " && '}


@pytest.mark.parametrize('text', ['FPP="gfortran -E -cpp"', '-std=legacy-x', '--with-cpp', '/lib/-cpp', '-cpp=1'])
def test_what_is_no_option_of_gfortran(recipe, text):
    assert says('fortran-words', recipe(f'configopts = {text!r}'), at('cpeCray')) == []


@pytest.mark.parametrize('before, after', [
    # ICON; its C options are left, but for -mpc64, which no Clang knows
    ('CFLAGS=" -mpc64 -g -gdwarf-4 " FCFLAGS=" -mpc64 -g -gdwarf-4 -I$X " '
     'ICON_FCFLAGS=" -O2 -std=f2008 -fall-intrinsics " ICON_OCEAN_FCFLAGS=" -O3 -fno-tree-loop-vectorize "',
     'CFLAGS="  -g -gdwarf-4 " FCFLAGS="  -g -g -I$X " ICON_FCFLAGS=" -O2   " ICON_OCEAN_FCFLAGS=" -O3  "'),
    ('FC="ftn -m64" CC="cc -m64"', 'FC="ftn " CC="cc -m64"'),
    ('-DCMAKE_Fortran_FLAGS="-g3 -Og -m4" -DCMAKE_C_FLAGS=-g3',
     '-DCMAKE_Fortran_FLAGS="-g -O1 -m4" -DCMAKE_C_FLAGS=-g3'),
    ('FFLAGS=-march=znver3 LDFLAGS=-m64', 'FFLAGS= LDFLAGS=-m64'),
    ("FFLAGS+='-fconvert=big-endian -fopenmp -fPIC -fbackslash'", "FFLAGS+='-hbyteswapio -fopenmp -fPIC -fbackslash'"),
])
def test_what_crayftn_rejects_leaves_the_options_of_fortran_alone(recipe, before, after):
    found = says('fortran-words', recipe(f'configopts = {before!r}'), at('cpeCray'))
    assert [change.after for change in found] == [after]


def test_what_crayftn_rejects_in_toolchainopts(recipe):
    text = "toolchainopts = {'extra_fflags': '-std=f2003 -DX', 'extra_cflags': '-std=c11', 'pic': True}"
    change, = says('fortran-words', recipe(text), at('cpeCray'))
    assert change.after == {'extra_fflags': ' -DX', 'extra_cflags': '-std=c11', 'pic': True}
    assert says('fortran-words', recipe(text), at('cpeAOCC')) == []
