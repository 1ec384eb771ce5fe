# SPDX-License-Identifier: GPL-2.0-only
"""What is installed is verified before its module is written: by the file, by the plugin, in every mode of eb."""
import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path

from lumi_hooks.record import FILE

from .conftest import ROOT
from .test_live import plugin_eb

RECIPE = """easyblock = 'MakeCp'
name = 'linked'
version = '1.0'
homepage = 'https://example.org'
description = "a program of MPI"
toolchain = {'name': 'gompi', 'version': '2025a'}
sources = []
prebuildopts = 'echo "#include <mpi.h>" > linked.c && '
prebuildopts += 'echo "int main(int n, char **v) { return MPI_Init(&n, &v) + MPI_Finalize(); }" >> linked.c && '
prebuildopts += 'echo "int part;" > part.c && cc -shared -fPIC part.c -o part.so && '
prebuildopts += 'cc linked.c -o linked %FLAGS% && : '
buildopts = 'linked'
files_to_copy = [(['linked'], 'bin')]
sanity_check_paths = {'files': ['bin/linked'], 'dirs': []}
moduleclass = 'tools'
"""
# two run paths that eb mends, and the path of a library in the build folder, which nobody can
WRONG = '-Wl,-rpath,$CRAY_MPICH_DIR/lib -Wl,-rpath,$PWD -Wl,--no-as-needed $PWD/part.so'
MODULE = 'linked/1.0-cpeGNU-25.03'


def recipe(folder, flags=''):
    path = folder / 'linked-1.0-gompi-2025a.eb'
    path.write_text(RECIPE.replace('%FLAGS%', flags))
    return path


def module_file(lumi):
    return lumi.prefix / 'modules/LUMI/25.03/partition/C' / f'{MODULE}.lua'


def verify(lumi, *modules):
    """Exit code and reports of lumi-eb verify."""
    done = lumi.run(f'PYTHONPATH={ROOT} {sys.executable} -m lumi_hooks.cli verify {" ".join(modules)} --json > '
                    f'{lumi.home}/verify.json')
    text = (lumi.home / 'verify.json').read_text()
    found = json.loads(text) if text else {}
    return done.returncode, found.get('reports', [found] if 'root' in found else [])


def fails_as_it_should(done):
    text = ' '.join(done.stdout.split())
    assert done.returncode != 0
    # the finding is printed once, however often EasyBuild repeats the text of an error
    assert text.count('* bin/linked: [build-path]') == 1 and 'rpath-system' not in text, done.stdout[-3000:]
    assert 'fix: ' in text and 'LUMI_HOOKS_VERIFY=warn lets it pass' in text


def test_an_error_stops_the_installation_before_the_module(fresh, tmp_path):
    path = recipe(tmp_path, WRONG)
    done = fresh.eb(str(path), check=False)
    for why in ('of the build, which are gone now,', 'that move at system updates'):
        assert f'took folders {why} out of the run paths of 1 file: ' in done.stdout
    fails_as_it_should(done)
    assert not module_file(fresh).exists()

    done = fresh.eb(str(path), LUMI_HOOKS_VERIFY='warn')
    assert '[build-path]' in done.stdout and module_file(fresh).exists()
    code, (report,) = verify(fresh, MODULE)
    # the library itself is gone with the build folder
    assert code == 1 and {one['rule'] for one in report['findings']} == {'build-path', 'missing'}
    assert verify(fresh, 'nothing/1.0') == (2, [])
    # and later, on what is installed
    for mode in ('--sanity-check-only', '--module-only --rebuild'):
        fails_as_it_should(fresh.eb(f'{path} {mode}', check=False))


def test_what_is_right_passes_and_its_module_tells_where_libraries_lie(fresh, tmp_path):
    done = fresh.eb(str(recipe(tmp_path)))
    assert '== lumi-hooks: verified 1 ELF file: no errors, no warnings' in done.stdout
    code, (report,) = verify(fresh, MODULE)
    assert (code, report['findings']) == (0, [])
    summary = report['summary']
    assert summary['mpi'] == [f'{fresh.standin}/opt/cray/pe/lib64/libmpi_gnu_123.so.12']
    assert [path.startswith(f'{fresh.standin}/opt/cray/libfabric/') for path in summary['libfabric']] == [True]
    # the record keeps what was found when it was installed, but for the time; what EasyBuild writes came later
    record = json.loads((fresh.software('linked', '1.0-cpeGNU-25.03') / FILE).read_text())
    expected = {key: value for key, value in report.items() if key != 'seconds'}
    assert record['linkage'] == {**expected, 'files': record['linkage']['files']}


def test_the_plugin_verifies_too(fresh, tmp_path):
    fails_as_it_should(plugin_eb(fresh, recipe(tmp_path, WRONG)))
    assert not module_file(fresh).exists()


def test_real_installations_are_clean(lumi):
    """All that is in the prefix by now; each was verified when it was installed, too."""
    lumi.eb('lz4-1.10.0-GCCcore-14.2.0.eb -r')
    modules = [f'{file.parent.name}/{file.stem}'
               for file in sorted((lumi.prefix / 'modules/LUMI/25.03/partition/C').glob('*/*-cpeGNU-25.03.lua'))]
    assert 'lz4/1.10.0-cpeGNU-25.03' in modules
    code, reports = verify(lumi, *modules)
    assert [one for report in reports for one in report['findings']] == [] and code == 0
    assert len(reports) == len(modules) and sum(report['elf'] for report in reports) >= 2


def test_run_paths_that_a_cmake_project_insists_on(fresh, tmp_path):
    """A project that sets INSTALL_RPATH and INSTALL_RPATH_USE_LINK_PATH, and links Cray's HDF5, MPI and libfabric."""
    source = tmp_path / 'linkpath-1.0.tar.gz'
    with tarfile.open(source, 'w:gz') as archive:
        archive.add(Path(__file__).with_name('programs') / 'linkpath', 'linkpath-1.0')
    text = RECIPE.replace("'MakeCp'", "'CMakeMake'").replace("'linked'", "'linkpath'").replace('gompi', 'foss')
    text = text[:text.index('sources =')] + f"""sources = ['{source.name}']
checksums = ['{hashlib.sha256(source.read_bytes()).hexdigest()}']
builddependencies = [('CMake', '3.31.3')]
dependencies = [('HDF5', '1.14.6')]
sanity_check_paths = {{'files': ['bin/tellversions', 'lib/libversions.so'], 'dirs': []}}
sanity_check_commands = ['tellversions']
moduleclass = 'tools'
"""
    path = tmp_path / 'linkpath-1.0-foss-2025a.eb'
    path.write_text(text)
    done = fresh.eb(f'{path} --sourcepath={tmp_path}')
    assert 'out of the run paths of 2 files: ' in done.stdout
    folder = fresh.software('linkpath', '1.0-cpeGNU-25.03')
    for file in ('bin/tellversions', 'lib/libversions.so'):
        dynamic = subprocess.run(['readelf', '-d', folder / file], capture_output=True, text=True, check=True).stdout
        assert 'opt/cray' not in dynamic and '[$ORIGIN/../lib]' in dynamic
    told = json.loads((folder / FILE).read_text())['linkage']['run_paths']
    assert set(told) == {'bin/tellversions', 'lib/libversions.so'}
    assert all('/opt/cray/' in folder for folders in told.values() for folder in folders)
    code, (report,) = verify(fresh, 'linkpath/1.0-cpeGNU-25.03')
    assert code == 0 and report['findings'] == [] and report['summary']['mpi'], report
