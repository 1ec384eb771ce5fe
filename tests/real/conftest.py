# SPDX-License-Identifier: GPL-2.0-only
"""Real builds: a clean shell on the stand-in Cray PE, as LUMI's modules leave it."""
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOOKS = ROOT / 'lumi_hooks' / 'hooks.py'
BARE = ROOT / 'ci' / 'standin' / 'no-namespaces'
TRACE_HOOKS = Path(__file__).with_name('trace_hooks.py')
CACHE = Path(os.environ.get('LUMI_HOOKS_CACHE')
             or os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'lumi-hooks'))


def pytest_collection_modifyitems(items):
    for item in items:
        if 'tests/real' in str(item.path):
            item.add_marker(pytest.mark.real)


@pytest.fixture(scope='session')
def standin():
    """Root of the stand-in Cray PE; built by ci/standin/build, which ci/test calls first."""
    root = Path(os.environ.get('LUMI_HOOKS_STANDIN') or CACHE / 'standin')
    if not (root / 'appl' / 'lumi' / 'enter-lumi.sh').exists():
        message = f'there is no stand-in Cray PE in {root}: run ci/standin/build and ci/standin/lumi/build first'
        if os.environ.get('LUMI_HOOKS_REQUIRE_STANDIN'):
            pytest.fail(message)
        pytest.skip(message)
    return root


@pytest.fixture(scope='session')
def sources():
    """Sources staged by ci/sources/stage."""
    return Path(os.environ.get('LUMI_HOOKS_SOURCES') or CACHE / 'sources')


@pytest.fixture(scope='session')
def upstream():
    """The recipes of easybuild-easyconfigs 5.4.1, which the tests name."""
    from lumi_hooks.catalogue import upstream_recipes
    found = upstream_recipes()
    assert found, 'easybuild-easyconfigs is not installed beside this Python'
    return found[0]


class Lumi:
    """A shell as a user of LUMI has it after `module load LUMI/25.03 partition/C EasyBuild-user`."""

    def __init__(self, standin, sources, upstream, prefix, home, easybuild='5.4.1', release='25.03', partition='C'):
        self.standin, self.prefix, self.home, self.trace_file = standin, prefix, home, Path(home) / 'trace.jsonl'
        self.release, self.partition = release, partition
        self.env = {'HOME': str(home), 'PATH': '/usr/bin:/bin', 'USER': 'tester', 'EBU_USER_PREFIX': str(prefix),
                    'EBU_WORKDIR': f'{home}/work', 'LUMI_HOOKS_PYTHON': sys.executable,
                    'LUMI_HOOKS_UPSTREAM': str(upstream), 'LUMI_HOOKS_TEST_TRACE': str(self.trace_file)}
        # as on LUMI, no user namespaces can be made
        self.easybuild, self.shell = easybuild, [str(BARE), '/bin/bash', '--norc']
        self.sources, self.hooks = sources, HOOKS

    def allow_namespaces(self):
        """Let the shell make user namespaces, which LUMI's users can't: for tests of what there is elsewhere."""
        self.shell.remove(str(BARE))

    def script(self, command, load=True, **env):
        """The shell script that runs a command after LUMI's modules are loaded."""
        lines = [f'. {shlex.quote(str(self.standin))}/enter.sh >/dev/null']
        if load:
            lines.append(f'module load LUMI/{self.release} partition/{self.partition} EasyBuild-user >/dev/null')
            lines.append(f'module load EasyBuild/{self.easybuild} >/dev/null')
            lines.append(f'export EASYBUILD_SOURCEPATH={shlex.quote(str(self.sources))}:$EASYBUILD_SOURCEPATH')
        if os.geteuid() == 0:
            lines.append('export EASYBUILD_ALLOW_USE_AS_ROOT_AND_ACCEPT_CONSEQUENCES=1')
        lines.extend(f'export {name}={shlex.quote(str(value))}' for name, value in env.items())
        return '\n'.join([*lines, command])

    def run(self, command, load=True, check=False, timeout=900, **env):
        """Run a bash command in a clean environment; returns the finished process (output and errors together)."""
        done = subprocess.run([*self.shell, '-c', self.script(command, load, **env)], env=self.env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False)
        if check:
            assert done.returncode == 0, done.stdout[-6000:]
        return done

    def eb(self, arguments, check=True, hooks=HOOKS, **env):
        """Run `eb --hooks …`."""
        return self.run(f'eb --hooks={shlex.quote(str(hooks))} {arguments}', check=check, **env)

    def traced(self, arguments, **env):
        """Run `eb --hooks …` with trace_hooks.py behind; returns what it wrote down."""
        self.trace_file.unlink(missing_ok=True)
        self.eb(arguments, LUMI_HOOKS_CHAIN=TRACE_HOOKS, **env)
        return self.trace()

    def trace(self):
        """What trace_hooks.py has written down."""
        return [json.loads(line) for line in self.trace_file.read_text().splitlines()]

    def software(self, name, version):
        """Folder of an installation."""
        return Path(self.prefix) / 'SW' / f'LUMI-{self.release}' / self.partition / name / version

    def archive(self, filename):
        """Text of the recipe in the archive (ebfiles_repo)."""
        found = list((Path(self.prefix) / 'ebfiles_repo').rglob(filename))
        assert len(found) == 1, f'{filename}: {found}'
        return found[0].read_text()

    def stored(self, filename):
        """Files of that name in the store."""
        return sorted((Path(self.prefix) / '.lumi-hooks').rglob(filename))


@pytest.fixture
def fresh(standin, sources, upstream, tmp_path):
    """A new prefix and home for each test."""
    (tmp_path / 'home').mkdir()
    return Lumi(standin, sources, upstream, tmp_path / 'EasyBuild', tmp_path / 'home')


@pytest.fixture(scope='session')
def lumi(standin, sources, upstream, tmp_path_factory):
    """One prefix for all tests that build on what others installed."""
    base = tmp_path_factory.mktemp('lumi')
    (base / 'home').mkdir()
    return Lumi(standin, sources, upstream, base / 'EasyBuild', base / 'home')


@pytest.fixture
def slurm(standin, tmp_path):
    """A one-node Slurm of this test's own; the variables that point to it. MPI programs run by its srun alone."""
    folder, env = tmp_path / 'slurm', {**os.environ, 'LUMI_HOOKS_STANDIN': str(standin)}
    started = subprocess.run([ROOT / 'ci/slurm/start', folder], text=True, capture_output=True, check=False, env=env)
    assert started.returncode == 0, started.stdout + started.stderr
    yield {'SLURM_CONF': str(folder / 'slurm.conf')}
    subprocess.run([ROOT / 'ci/slurm/stop', folder], check=False, capture_output=True, env=env)


@pytest.fixture
def slurm3(standin, tmp_path):
    """A Slurm of three nodes of this test's own, all of them this machine; its folder."""
    folder, env = tmp_path / 'slurm', {**os.environ, 'LUMI_HOOKS_STANDIN': str(standin)}
    started = subprocess.run([ROOT / 'ci/slurm/start', '--nodes', '3', folder], text=True, capture_output=True,
                             check=False, env=env)
    assert started.returncode == 0, started.stdout + started.stderr
    yield folder
    subprocess.run([ROOT / 'ci/slurm/stop', folder], check=False, capture_output=True, env=env)


@pytest.fixture(scope='session')
def gpu(standin, sources, upstream, tmp_path_factory):
    """One prefix for all tests of partition G."""
    if not (standin / 'opt/cray/pe/lmod/modulefiles/core/rocm').is_dir():
        pytest.fail('the stand-in has no rocm: run ci/standin/build --with all')
    base = tmp_path_factory.mktemp('gpu')
    (base / 'home').mkdir()
    return Lumi(standin, sources, upstream, base / 'EasyBuild', base / 'home', partition='G')


@pytest.fixture(scope='session')
def other_python():
    """A Python of another minor version than cray-python's, to run eb with; ci/other-python finds or fetches one."""
    done = subprocess.run([str(ROOT / 'ci' / 'other-python')], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.fixture(scope='session')
def mpi4py(lumi, other_python):
    """mpi4py, installed by an eb whose own Python is of another minor version than cray-python; the trace of it."""
    return lumi.traced('mpi4py-4.1.0-gompi-2025a.eb -r', EB_PYTHON=other_python, timeout=1500)


# at the end, as they need what stands above
from .people import *  # noqa: E402, F403 (fixtures)
