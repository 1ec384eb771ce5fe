# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb rebuild with real builds: on this machine, and as jobs of a real Slurm that loses a node."""
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as xml
from collections import Counter
from pathlib import Path

import pytest

from .toys import module, toy

ROOT = Path(__file__).resolve().parents[2]
LUMI_EB = ROOT / 'bin/lumi-eb'


class Rebuilt:
    """A shell on the stand-in, with recipes of toys, and a login shell for jobs."""

    def __init__(self, lumi, folder, **env):
        self.lumi, self.folder, self.env = lumi, folder, env
        (lumi.home / '.bash_profile').write_text(f'. {lumi.standin}/enter.sh >/dev/null\n')
        folder.mkdir()

    def script(self, words):
        return self.lumi.script(f'cd {self.folder} && exec {LUMI_EB} rebuild {words}', **self.env)

    def run(self, words, timeout=900):
        return subprocess.run([*self.lumi.shell, '-c', self.script(words)], env=self.lumi.env, text=True,
                              capture_output=True, timeout=timeout, check=False)

    def begin(self, words, log):
        """Start it in a session of its own."""
        with open(log, 'a', encoding='utf-8') as stream:
            return subprocess.Popen([*self.lumi.shell, '-c', self.script(words)], env=self.lumi.env, stdout=stream,
                                    stderr=stream, start_new_session=True)

    def status(self):
        """Tasks by the name of their toy."""
        done = self.run('--status --json')
        if not done.stdout:
            return {}
        return {task['module'].split('/')[0]: task for task in json.loads(done.stdout)['tasks']}

    def until(self, condition, seconds=600):
        """Wait until something holds of the tasks; returns them."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.status()
            if found and condition(found):
                return found
            assert time.monotonic() < deadline, {name: (task['state'], task['reason']) for name, task in found.items()}
            time.sleep(1)

    def made(self):
        """How often each toy was made, to its end."""
        path = self.folder / 'made'
        return Counter(path.read_text().split()) if path.exists() else Counter()


def held(folder, name):
    """What make runs first: it waits as long as a file is there."""
    (folder / f'hold-{name}').touch()
    return f'while [ -e {folder}/hold-{name} ]; do sleep 0.2; done'


def lose(slurm, node, job):
    """A node goes: slurmd, the job, and what supervises it, at once. All are this test's own Slurm's."""
    os.kill(int((slurm / f'slurmd-{node}.pid').read_text()), signal.SIGKILL)
    mine = f'SLURM_CONF={slurm}/slurm.conf'.encode()
    for entry in Path('/proc').glob('[0-9]*'):
        try:
            variables = (entry / 'environ').read_bytes().split(b'\0')
            title = (entry / 'cmdline').read_bytes()
        except OSError:
            continue
        if mine in variables and (f'SLURM_JOB_ID={job}'.encode() in variables
                                  or title.startswith(f'slurmstepd: [{job}.'.encode())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(entry.name), signal.SIGKILL)


@pytest.mark.long
def test_twenty_recipes_survive_what_can_happen_to_jobs(fresh, slurm3, tmp_path):
    """
    One job is cancelled, one fails, one loses its node, and who submits them is killed. The rest is built, nothing
    twice, the same command builds what is missing, and the report says so.
    """
    conf = {'SLURM_CONF': str(slurm3 / 'slurm.conf')}
    there = Rebuilt(fresh, tmp_path / 'toys', **conf)
    needs = {**{f'Root{n}': [] for n in range(5)}, **{f'Mid{n}': [f'Root{n % 5}'] for n in range(10)},
             **{f'Top{n}': [f'Mid{n}', f'Mid{n + 5}'] for n in range(5)}}
    before = {'Root1': held(there.folder, 'Root1'), 'Mid0': held(there.folder, 'Mid0'), 'Mid7': 'false'}
    for name, wanted in needs.items():
        toy(there.folder, name, wanted, before.get(name, 'true'))
    assert len(needs) == 20
    words = '*.eb --slurm --queue standard --cores 2 --jobs 8 --every 2'
    log = tmp_path / 'submitter.log'
    submitter = there.begin(words, log)
    try:
        # one is cancelled while it runs
        found = there.until(lambda tasks: tasks['Root1']['state'] == 'running')
        fresh.run(f'scancel {found["Root1"]["jobs"][-1]["job"]}', load=False, check=True, **conf)
        cancelled = time.monotonic()
        there.until(lambda tasks: tasks['Root1']['state'] == 'cancelled')
        assert time.monotonic() - cancelled < 60, 'a state is known within a minute'
        # one loses its node
        found = there.until(lambda tasks: tasks['Mid0']['state'] == 'running')
        lost = found['Mid0']['jobs'][-1]
        lose(slurm3, lost['host'], lost['job'])
        (there.folder / 'hold-Mid0').unlink()
        found = there.until(lambda tasks: tasks['Mid0']['jobs'][0]['state'] == 'lost')
        # who submits is killed, and jobs go on
        there.until(lambda tasks: sum(task['state'] == 'built' for task in tasks.values()) >= 4
                    and sum(task['state'] in ('submitted', 'running') for task in tasks.values()) >= 2)
    finally:
        os.killpg(submitter.pid, signal.SIGKILL)
        submitter.wait()
    left = there.status()
    going = [name for name, task in left.items() if task['state'] in ('submitted', 'running')]
    assert going and not all(task['state'] in ('built', 'failed') for task in left.values())
    found = there.until(lambda tasks: not any(task['state'] in ('submitted', 'running') for task in tasks.values()))
    assert [name for name in going if found[name]['state'] == 'built'], 'jobs end without who submitted them'
    # the same again
    (there.folder / 'hold-Root1').unlink()
    again = there.run(words, timeout=1800)
    assert again.returncode == 1, again.stdout + again.stderr
    found = there.status()
    wrong = {'Mid7': 'failed', 'Top2': 'blocked'}
    assert {name: task['state'] for name, task in found.items()} == {name: wrong.get(name, 'built') for name in needs}
    done = {name: sum((one['step'], one['exit_code']) == ('build', 0) for job in task['jobs'] for one in job['steps'])
            for name, task in found.items()}
    assert done == {name: int(name not in wrong) for name in needs}, 'each once, to its end'
    for name, number in there.made().items():  # one may be compiled when its node goes, and not be installed yet
        assert number <= 1 + sum(job['state'] == 'lost' for job in found[name]['jobs']), name
    assert [job['state'] for job in found['Root1']['jobs']][0] == 'cancelled'
    assert [job['state'] for job in found['Mid0']['jobs'] if job['state'] != 'withdrawn'] == ['lost', 'built']
    for name in needs:
        if name not in wrong:
            assert [step['step'] for step in found[name]['jobs'][-1]['steps']] == ['modules', 'build', 'load', 'verify']
            assert (fresh.prefix / f'modules/LUMI/25.03/partition/C/{module(name)}.lua').exists()
    # and once more: what is built is not looked at again
    begun = {name: sum(bool(job['started']) for job in task['jobs']) for name, task in found.items()}
    assert there.run(words).returncode == 1
    found = there.status()
    assert {name: sum(bool(job['started']) for job in task['jobs']) for name, task in found.items()} \
        == {**begun, 'Mid7': begun['Mid7'] + 1}
    # the report tells the same
    assert there.run(f'--report {tmp_path}/out').returncode == 1
    suite, = xml.parse(tmp_path / 'out/junit.xml').getroot()
    cases = {case.get('name'): [child.tag for child in case] for case in suite}
    assert cases == {module(name): {'Mid7': ['failure'], 'Top2': ['skipped']}.get(name, []) for name in needs}
    assert ': 1 failed, 1 blocked, 18 built' in (tmp_path / 'out/report.md').read_text()
    assert found['Mid7']['error']['line'].startswith('make: *** [Makefile:3: mid7] Error 1')


def test_a_set_is_built_on_this_machine(fresh, tmp_path):
    """With an easystack file, what one needs first, and an installation of something else replaced."""
    there = Rebuilt(fresh, tmp_path / 'toys')
    toy(there.folder, 'Low')
    toy(there.folder, 'High', ['Low'])
    (tmp_path / 'set.yaml').write_text('easyconfigs:\n' + ''.join(
        f'  - {there.folder}/{name}-1.0-GCCcore-14.2.0.eb\n' for name in ('High', 'Low')))
    words = f'--easystack {shlex.quote(str(tmp_path / "set.yaml"))}'
    done = there.run(words)
    assert done.returncode == 0 and there.made() == {'Low': 1, 'High': 1}, done.stdout + done.stderr
    recipe = there.folder / 'High-1.0-GCCcore-14.2.0.eb'
    recipe.write_text(recipe.read_text() + '# a comment changes nothing\n')
    assert there.run(words).returncode == 0
    text = recipe.read_text()
    recipe.write_text(text.replace("'CC=", "'-s CC="))
    assert there.run(words).returncode == 0
    assert there.made() == {'Low': 1, 'High': 2} and there.status()['High']['state'] == 'built'


SITE = """site_configuration = {
    'systems': [{'name': 'standin', 'hostnames': ['.*'], 'modules_system': 'lmod',
                 'partitions': [{'name': 'here', 'scheduler': 'local', 'launcher': 'local', 'environs': ['builtin']}]}],
    'environments': [{'name': 'builtin'}]}
"""


@pytest.mark.skipif(not shutil.which('reframe'), reason='there is no reframe (pip install reframe-hpc)')
def test_reframe_checks_what_a_run_installed(fresh, tmp_path):
    there = Rebuilt(fresh, tmp_path / 'toys')
    toy(there.folder, 'Low')
    assert there.run('*.eb').returncode == 0
    state, = (fresh.prefix / '.lumi-hooks/rebuild').glob('*/run.json')
    (tmp_path / 'site.py').write_text(SITE)
    command = f'cd {tmp_path} && LUMI_EB_SET={state} {shutil.which("reframe")} -C site.py --prefix {tmp_path}/out ' \
              f'-c {ROOT}/ci/reframe/modules.py -r'
    done = fresh.run(command)
    assert done.returncode == 0 and 'Ran 1/1 test case(s) from 1 check(s) (0 failure(s)' in done.stdout, done.stdout
    (fresh.prefix / f'modules/LUMI/25.03/partition/C/{module("Low")}.lua').unlink()
    done = fresh.run(command)
    assert done.returncode == 1 and 'FAILED' in done.stdout, done.stdout
