# SPDX-License-Identifier: GPL-2.0-only
"""A clean shell as a user of LUMI has it after `module load LUMI/25.03 partition/C EasyBuild-user`, on the stand-in."""
import os
import shlex
import sys
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
HOOKS = os.path.join(ROOT, 'lumi_hooks', 'hooks.py')
# as on LUMI, no user namespaces can be made
BARE = os.path.join(ROOT, 'ci', 'standin', 'no-namespaces')


def cache() -> str:
    """The folder that everything goes into: $LUMI_HOOKS_CACHE, else lumi-hooks in the user's cache folder."""
    base = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    return os.environ.get('LUMI_HOOKS_CACHE') or os.path.join(base, 'lumi-hooks')


def standin() -> str:
    """The root of the stand-in Cray PE."""
    return os.environ.get('LUMI_HOOKS_STANDIN') or os.path.join(cache(), 'standin')


@dataclass
class Shell:
    """
    Bash commands in a clean environment.

    :param prefix: the user's EBU_USER_PREFIX
    :param home: the user's home folder, and where builds work
    """
    prefix: str
    home: str
    release: str = '25.03'
    partition: str = 'C'
    easybuild: str = '5.4.1'
    variables: Dict[str, str] = field(default_factory=dict)

    def environment(self) -> Dict[str, str]:
        """What a login leaves in the environment."""
        return {'HOME': self.home, 'PATH': '/usr/bin:/bin', 'USER': 'tester', 'TERM': 'dumb', 'PYTHONUNBUFFERED': '1',
                'EBU_USER_PREFIX': self.prefix, 'EBU_WORKDIR': os.path.join(self.home, 'work'),
                'LUMI_HOOKS_PYTHON': sys.executable}

    def arguments(self, command: str, hooks: Optional[str] = HOOKS, env: Mapping[str, str] = ()) -> List[str]:
        """
        The command line that runs a bash command there.

        :param hooks: the hooks file that eb uses; None leaves LUMI's own
        :param env: further variables, exported after LUMI's modules are loaded
        """
        sources = os.environ.get('LUMI_HOOKS_SOURCES') or os.path.join(cache(), 'sources')
        lines = [f'. {shlex.quote(standin())}/enter.sh >/dev/null 2>&1',
                 f'module load LUMI/{self.release} partition/{self.partition} EasyBuild-user >/dev/null 2>&1',
                 f'module load EasyBuild/{self.easybuild} >/dev/null 2>&1',
                 f'export EASYBUILD_SOURCEPATH={shlex.quote(sources)}:$EASYBUILD_SOURCEPATH']
        if os.geteuid() == 0:
            lines.append('export EASYBUILD_ALLOW_USE_AS_ROOT_AND_ACCEPT_CONSEQUENCES=1')
            # perldoc, which EasyBuild looks for Perl modules with, turns into nobody, who can't look into /root
            lines.append('export PERLDOC=-U')
        if hooks:
            lines.append(f'export EASYBUILD_HOOKS={shlex.quote(hooks)}')
        lines.extend(f'export {name}={shlex.quote(value)}' for name, value in {**self.variables, **dict(env)}.items())
        return [BARE, '/bin/bash', '--norc', '-c', '\n'.join([*lines, command])]
