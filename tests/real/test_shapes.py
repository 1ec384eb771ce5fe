# SPDX-License-Identifier: GPL-2.0-only
"""The shapes of work that carry the design: extensions with an external Python, a bundle, an easystack."""
import json
import re
import shutil
from pathlib import Path

from .tracing import assert_every_command_sees, commands, toolchains

MPI4PY = 'mpi4py/4.1.0-cpeGNU-25.03'
# what it is built with: wheels, in the variant with the setuptools that upstream's Python of 2025a brings
BACKENDS = 'Python-build-backends/25.03-cray-python3.11-setuptools80'


def test_mpi4py_every_command_sees_cray_python_and_mpi_and_no_libsci(mpi4py):
    assert {item[0] for item in toolchains(mpi4py)} == {MPI4PY, BACKENDS}
    seen = assert_every_command_sees(
        mpi4py, MPI4PY, ['cray-python/3.11.7', 'cray-mpich/8.1.32'], ['cray-libsci'],
        [('EBVERSIONPYTHON', '3.11.7'), ('EBROOTPYTHON', '/opt/cray/pe/python/3.11.7')])
    assert any('pip install' in item['command'] for item in seen if item['step'] == 'extension')
    assert any('import mpi4py' in item['command'] for item in seen if item['step'] == 'sanity')


def test_mpi4py_module_and_archive(lumi, mpi4py):
    module = lumi.prefix / 'modules' / 'LUMI' / '25.03' / 'partition' / 'C' / f'{MPI4PY}.lua'
    text = module.read_text()
    assert 'load("cpeGNU/25.03")' in text and 'load("cray-python/3.11.7")' in text
    assert 'site-packages' in text and 'python3.11' in text
    archived = lumi.archive('mpi4py-4.1.0-cpeGNU-25.03.eb')
    assert "toolchain = {'name': 'cpeGNU', 'version': '25.03'}" in archived
    assert "('cray-python/3.11.7', EXTERNAL_MODULE)" in archived
    assert 'from mpi4py-4.1.0-gompi-2025a.eb' in archived
    folder = lumi.software('mpi4py', '4.1.0-cpeGNU-25.03') / 'easybuild'
    installed = (folder / 'mpi4py-4.1.0-cpeGNU-25.03.eb').read_text()
    stored, = lumi.stored('mpi4py-4.1.0-cpeGNU-25.03.eb')
    assert stored.read_text() in installed and stored.read_text() in archived


def test_what_came_in_as_a_dependency_is_not_listed(lumi, mpi4py):
    """EasyBuild reads recipes once more while it builds, without their paths: those are not asked for either."""
    listed = lumi.run('module -t avail 2>&1', check=True).stdout.split()
    assert MPI4PY in listed and BACKENDS not in listed
    record = lumi.software(*BACKENDS.split('/')) / 'easybuild' / 'lumi' / 'record.json'
    assert json.loads(record.read_text())['asked_for'] is False
    assert BACKENDS in lumi.run(f'module load {BACKENDS}; module -t list 2>&1', check=True).stdout


def test_mpi4py_runs_on_two_ranks_over_libfabric(lumi, mpi4py, slurm):
    program = 'from mpi4py import MPI; c = MPI.COMM_WORLD; ' \
        'print(\'sum\', c.allreduce(c.rank + 1), c.size, MPI.__file__)'
    done = lumi.run(f'module load {MPI4PY} && srun -n 2 python3 -c "{program}"', check=True, **slurm)
    assert len(re.findall(rf'^sum 3 2 {re.escape(str(lumi.prefix))}', done.stdout, re.M)) == 2, done.stdout
    broken = lumi.run(f'module load {MPI4PY} && srun -n 2 python3 -c "{program}"', FI_PROVIDER='nosuch', **slurm)
    assert broken.returncode != 0, 'MPI does not use libfabric'


def test_installing_again_does_nothing(lumi, mpi4py):
    module = lumi.prefix / 'modules' / 'LUMI' / '25.03' / 'partition' / 'C' / f'{MPI4PY}.lua'
    before = module.stat().st_mtime_ns
    done = lumi.eb('mpi4py-4.1.0-gompi-2025a.eb -r')
    assert f'{MPI4PY} is already installed' in done.stdout
    assert module.stat().st_mtime_ns == before


def test_sanity_check_only_sees_the_same_modules(lumi, mpi4py):
    trace = lumi.traced('mpi4py-4.1.0-gompi-2025a.eb --sanity-check-only')
    found = [item for item in commands(trace, MPI4PY) if 'import mpi4py' in item['command']]
    assert found
    for item in found:
        names = {name.split('/')[0] for name in item['loaded']}
        assert 'cray-python' in names and 'cray-libsci' not in names
        assert item['env']['EBVERSIONPYTHON'] == '3.11.7'


def test_archived_recipe_alone_gives_the_same_module(lumi, mpi4py):
    """Without the store: the module is written again from the archived recipe, and says the same."""
    module = lumi.prefix / 'modules/LUMI/25.03/partition/C' / f'{MPI4PY}.lua'
    before = module.read_text()
    archived = next((lumi.prefix / 'ebfiles_repo').rglob('mpi4py-4.1.0-cpeGNU-25.03.eb'))
    shutil.rmtree(lumi.prefix / '.lumi-hooks')
    module.unlink()
    lumi.eb(f'{archived} --module-only')
    assert module.read_text() == before
    assert not lumi.stored('mpi4py*')


def test_x11_bundle_plans(fresh):
    """A bundle: hooks see copies of the recipe without a path."""
    done = fresh.eb('X11-20250521-GCCcore-14.2.0.eb -r --missing-modules')
    missing = re.findall(r'^\* (\S+) \((\S+)\)', done.stdout, re.M)
    assert missing[-1] == ('X11/20250521-cpeGNU-25.03', 'X11-20250521-cpeGNU-25.03.eb')
    names = [module.split('/')[0] for module, _ in missing]
    assert 'fontconfig' in names and 'zlib' not in names, 'zlib is in the central stack'
    assert not {'GCCcore', 'binutils', 'CMake', 'Meson', 'Python', 'Doxygen'} & set(names)
    assert all(module.endswith('-cpeGNU-25.03') for module, _ in missing), missing


def test_x11_bundle_components_have_the_toolchain_of_the_bundle(fresh):
    """Parse the bundle for real, with the easyblock that copies the recipe for each of its components."""
    script = (
        'import sys; from easybuild.tools.options import set_up_configuration; '
        'set_up_configuration(args=[\'--hooks=\' + sys.argv[1], \'--ignore-osdeps\'], silent=True); '
        'from easybuild.framework.easyconfig.easyconfig import EasyConfig, get_easyblock_class; '
        'ec = EasyConfig(sys.argv[2]); app = get_easyblock_class(ec[\'easyblock\'], name=ec.name)(ec); '
        'print(\'BUNDLE\', ec.full_mod_name, ec.path); '
        '[print(\'PART\', cfg.name, cfg[\'toolchain\'][\'name\'], cfg.toolchain.name, type(cfg.toolchain).__module__) '
        'for cfg, _ in app.comp_instances]')
    done = fresh.run(f'python3 -c "{script}" {fresh.hooks} "$LUMI_HOOKS_UPSTREAM/x/X11/X11-20250521-GCCcore-14.2.0.eb"',
                     check=True)
    assert re.search(r'^BUNDLE X11/20250521-cpeGNU-25.03 .*X11-20250521-cpeGNU-25.03.eb$', done.stdout, re.M)
    parts = re.findall(r'^PART (\S+) (\S+) (\S+) (\S+)$', done.stdout, re.M)
    assert len(parts) > 40
    assert {part[1:3] for part in parts} == {('cpeGNU', 'cpeGNU')}
    assert {part[3] for part in parts} == {'lumi_hooks_toolchains.lumi_toolchains'}


def test_easystack_with_two_entries(lumi, tmp_path):
    stack = tmp_path / 'stack.yaml'
    stack.write_text('easyconfigs:\n  - lz4-1.10.0-GCCcore-14.2.0.eb:\n      options: {skip-test-step: True}\n'
                     '  - HPCC-1.5.0-foss-2022a.eb\n')
    trace = lumi.traced(f'--easystack {stack} -r')
    assert {item['module'] for item in trace if item['event'] == 'toolchain'} == \
        {'lz4/1.10.0-cpeGNU-25.03', 'HPCC/1.5.0-cpeGNU-25.03'}
    assert_every_command_sees(trace, 'lz4/1.10.0-cpeGNU-25.03', ['craype/2.7.34'], ['cray-mpich', 'cray-libsci'])
    assert_every_command_sees(trace, 'HPCC/1.5.0-cpeGNU-25.03',
                              ['cray-mpich/8.1.32', 'cray-libsci/25.03.0'], ['cray-fftw'])
    for module in ('lz4-1.10.0', 'HPCC-1.5.0'):
        stored, = lumi.stored(f'{module}-cpeGNU-25.03.eb')
        assert stored.read_text() in lumi.archive(f'{module}-cpeGNU-25.03.eb')


def test_a_catalogue_is_an_easystack_of_eb(lumi, tmp_path):
    command = f'{Path(__file__).resolve().parents[2]}/bin/lumi-eb catalogue'
    lumi.run(f'{command} write {tmp_path}/c lz4-1.10.0-GCCcore-14.2.0.eb HPCC-1.5.0-foss-2022a.eb && '
             f'{command} check {tmp_path}/c', check=True)
    done = lumi.eb(f'--easystack {tmp_path}/c/25.03/cpeGNU-C.yaml -r --dry-run', LUMI_HOOKS_TOOLCHAIN='cpeGNU')
    for module in ('lz4/1.10.0-cpeGNU-25.03', 'HPCC/1.5.0-cpeGNU-25.03'):
        assert f'(module: {module})' in done.stdout
