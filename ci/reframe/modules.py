# SPDX-License-Identifier: GPL-2.0-only
"""
Checks of ReFrame (reframe-hpc) for the modules of a set: each is loaded, and "lumi-eb verify" run on it.

  LUMI_EB_SET=…/run.json reframe -C SITE.py -c ci/reframe/modules.py -r        what a run of "lumi-eb rebuild" installed
  LUMI_EB_SET=offers/25.03/cpeGNU-C.yaml reframe -C SITE.py -c ci/reframe/modules.py -r        of an easystack file

A site's own checks of all modules are classes that are derived from `Modules`.
"""
import json
import os
import subprocess

import reframe as rfm
import reframe.utility.sanity as sn
from reframe.core.builtins import parameter, run_after, sanity_function

LUMI_EB = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))), 'bin', 'lumi-eb')


def modules_of(path):
    """
    Modules of a set, by their full names.

    :param path: the state of a run (those that it installed), or an easystack (those that its recipes become)
    :raises OSError: it can't be read
    :raises subprocess.CalledProcessError: a recipe is not known; standard error says which
    """
    if not path:
        return []
    if path.endswith('.json'):
        with open(path, encoding='utf-8') as stream:
            return [task['module'] for task in json.load(stream)['tasks'] if task['installed']]
    done = subprocess.run([LUMI_EB, 'rebuild', '--easystack', path, '--dry-run', '--json'], stdout=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode not in (0, 1):  # 1: some are refused
        done.check_returncode()
    return [task['module'] for task in json.loads(done.stdout)['tasks'] if task['asked'] and task['state'] != 'refused']


class Modules(rfm.RunOnlyRegressionTest):
    """A check of each module of the set that LUMI_EB_SET names."""
    module = parameter(modules_of(os.environ.get('LUMI_EB_SET')), fmt=lambda name: name.replace('/', '-'))
    valid_systems = ['*']
    valid_prog_environs = ['*']

    @run_after('init')
    def load_it(self):
        """The module is loaded where the check runs."""
        self.modules = [self.module]


@rfm.simple_test
class Verified(Modules):
    """The module can be loaded, and is linked as it has to be."""
    executable = LUMI_EB

    @run_after('init')
    def verify_it(self):
        """What is run."""
        self.executable_opts = ['verify', self.module]

    @sanity_function
    def nothing_found(self):
        """It ended well, and said so."""
        return sn.all([sn.assert_eq(self.job.exitcode, 0), sn.assert_found('no errors', self.stdout)])
