# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb alone: the first screen a support person wants."""
import argparse
import json
import os
import shutil
import subprocess
from typing import Any, Dict, Optional, Sequence

from .. import __version__
from ..errors import LumiHooksError
from ..loaded import OUR_EB
from ..prefix import name_of, stack_of
from ..record import is_open
from ..releases import default_release, toolchain_facts
from ..site import is_lumi, node_partition, site_from_environment, user_prefix
from .command import add_command

EXAMPLES = """examples:
  lumi-eb                   for reading
  lumi-eb status --json     for programs

exit code: 0 all right, 2 the environment contradicts itself
"""


def add_parser(commands) -> None:
    """The command's options (it is also what runs where no command is given)."""
    parser = add_command(commands, 'status', run, 'where am I, what goes where (the same as lumi-eb alone)',
                         'Shows the loaded stack, partition and toolchain, the prefix and its free space, whether eb '
                         'uses the hooks, and what to do next.', EXAMPLES, where_to=False)
    parser.add_argument('--json', action='store_true', help='print it as one JSON object')


def run(options: argparse.Namespace) -> int:
    """Show where we are; exit code 0, or 2 where the environment is contradictory."""
    facts = status()
    if getattr(options, 'json', False):
        print(json.dumps(facts, indent=2))
    else:
        show(facts)
    return 2 if facts['problem'] else 0


def status() -> Dict[str, Any]:
    """What the environment says, as plain data."""
    env, problem, site = os.environ, None, None
    if is_lumi():
        try:
            site = site_from_environment()
        except LumiHooksError as err:
            problem = str(err)
    prefix = site.prefix if site else user_prefix()
    stack: Sequence[str] = site.prefixes if site else ()
    if not site and not problem:
        try:
            stack = stack_of(prefix)
        except LumiHooksError as err:
            problem = str(err)
    hooks = env.get('EASYBUILD_HOOKS')
    ours = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'hooks.py')
    return {
        'lumi': is_lumi(),
        'problem': problem,
        'stack': env.get('LUMI_STACK_NAME_VERSION') or env.get('LUMI_STACK_VERSION'),
        'release': site.release.name if site else None,
        'partition': site.partition if site else env.get('LUMI_STACK_PARTITION'),
        'node': os.uname().nodename,
        'node_partition': node_partition(),
        'toolchain': f'{site.toolchain}/{site.toolchain_version}' if site else None,
        'compiler': toolchain_facts(site.toolchain, site.release).compiler if site else None,
        'mode': site.mode if site else None,
        'prefix': prefix,
        'prefixes': list(stack),
        'space': space(prefix),
        'easybuild': easybuild_version(),
        'lumi_hooks': __version__,
        'hooks_file': ours,
        'hooks_active': hooks is not None and (os.path.realpath(hooks) == os.path.realpath(ours)
                                               or keeps_hooks(shutil.which('eb'), hooks)),
        'chained': chained(ours),
    }


def space(path: str) -> Optional[Dict[str, int]]:
    """
    Free bytes and free inodes of the file system that holds `path` (or will hold it): the file system's, not the
    user's quota.
    """
    while path and not os.path.isdir(path):
        path = os.path.dirname(path)
    if not path:
        return None
    found = os.statvfs(path)
    return {'bytes': found.f_bavail * found.f_frsize, 'inodes': found.f_favail}


def easybuild_version() -> Optional[str]:
    """Version of the `eb` on PATH, None where there is none."""
    command = shutil.which('eb')
    if not command:
        return None
    if os.environ.get('EBVERSIONEASYBUILD'):
        return os.environ['EBVERSIONEASYBUILD']
    done = subprocess.run([command, '--version'], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    return words[words.index('EasyBuild') + 1] if 'EasyBuild' in words else None


def keeps_hooks(eb: Optional[str], hooks: str) -> bool:
    """Is this the eb that uses our hooks although LUMI's EasyBuild-user names LUMI's own file again (libexec/eb)?"""
    return eb is not None and os.path.realpath(eb) == os.path.realpath(OUR_EB) and (
        hooks in os.environ.get('LUMI_HOOKS_CHAIN', '').split(os.pathsep)
        or '/LUMI-SoftwareStack/easybuild/hooks/' in hooks)


def chained(ours: str) -> Optional[str]:
    """The hooks files that run behind ours, as a list like PATH; None where there is none."""
    try:
        from ..eb.places import chained_hooks
    except ImportError:
        return None
    return os.pathsep.join(chained_hooks(ours)) or None


def show(facts: Dict[str, Any]) -> None:
    """The screen, for reading."""
    from rich.markup import escape
    from rich.table import Table

    from .console import Output
    console = Output()
    rows = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    rows.add_column(style='bold')
    rows.add_column(overflow='fold')
    node = facts['node_partition'] or 'a login node or unknown'
    free = facts['space']
    rows.add_row('stack', facts['stack'] or 'none loaded')
    rows.add_row('partition', f'{facts["partition"] or "none"}   (this node, {facts["node"]}: {node})')
    rows.add_row('toolchain', f'{facts["toolchain"]}   ({facts["compiler"]})' if facts['toolchain'] else '–')
    rows.add_row('prefix', escape(facts['prefix'] or 'none') + (f'   ({facts["mode"]} mode)' if facts['mode'] else ''))
    for below in facts['prefixes'][1:]:
        name = name_of(below, facts['prefixes'])
        rows.add_row('below it', escape(below) + (f'   ({name})' if below not in name else '')
                     + ('' if is_open(below) else '   [red](not there, or closed to you)[/]'))
    if free:
        rows.add_row('free there', f'{free["bytes"] / 1e9:,.0f} GB, {free["inodes"]:,} inodes (of the file system; '
                                   'your quota may be less)')
    rows.add_row('EasyBuild', facts['easybuild'] or 'no eb on PATH')
    rows.add_row('lumi-hooks', f'{facts["lumi_hooks"]}   ({escape(facts["hooks_file"])})')
    rows.add_row('hooks', ('active for plain eb' if facts['hooks_active'] else 'not active for plain eb')
                 + (f', chained behind: {escape(facts["chained"])}' if facts['chained'] else ''))
    console.print(rows)
    console.print()
    if facts['problem']:
        console.print(f'[red]problem[/]  {escape(facts["problem"])}', soft_wrap=True)
    elif not facts['lumi']:
        console.print(f'next     module load LUMI/{default_release().name} partition/C EasyBuild-user', soft_wrap=True)
    elif not facts['hooks_active'] and any(name.split('/')[0] == 'lumi-hooks'
                                           for name in os.environ.get('LOADEDMODULES', '').split(':')):
        console.print('next     module load lumi-hooks      (once more: EasyBuild-user was loaded anew, with another '
                      'partition or release, and names LUMI\'s hooks alone)', soft_wrap=True)
    elif not facts['hooks_active']:
        console.print(f'next     export EASYBUILD_HOOKS={escape(facts["hooks_file"])}', soft_wrap=True)
    else:
        console.print('next     eb --search NAME        find a recipe\n'
                      '         lumi-eb adapt X.eb      see what will be changed, and why\n'
                      '         eb X.eb -r              install it', soft_wrap=True)
