# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb alone: the first screen a support person wants."""
import argparse
import fnmatch
import os
import shutil
import subprocess
from typing import Any, Dict, List, Optional, Sequence

from .. import __version__, sites
from ..doctor.prefix import why_unusable
from ..errors import LumiHooksError
from ..loaded import OUR_EB
from ..prefix import held, module_folders, name_of, stack_of, visibility
from ..prefix.closed import closed_folders, is_open
from ..quote import shell
from ..releases import default_release
from ..releases.toolchains import toolchain_facts
from ..site import Site, is_lumi, node_partition, site_from_environment, site_variable, stack_version, user_prefix
from .command import add_command
from .console import Cell, Output, Piece, Styled, bold, print_json

EXAMPLES = """examples:
  lumi-eb                   for reading
  lumi-eb status --json     for programs

exit code: 0 all right, 2 the environment contradicts itself, or the prefix cannot be written to
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
    if options.json:
        print_json(facts)
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
    closed = closed_folders(stack, stack_version(site), site.partition) if site else ()
    if site and prefix and not problem:
        # nothing that could be done next would work
        problem = why_unusable(prefix)
    hooks = env.get('EASYBUILD_HOOKS')
    ours = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'hooks.py')
    return {
        'lumi': is_lumi(),
        'problem': problem,
        'stack': site_variable('full_name', env) or site_variable('stack', env) or (
            sites.said('stack', release=site_variable('release', env)) if site_variable('release', env) else None),
        'release': site.release.name if site else None,
        'partition': site.partition if site else site_variable('partition', env) or None,
        'node': os.uname().nodename,
        'node_partition': node_partition(),
        'toolchain': f'{site.toolchain}/{site.toolchain_version}' if site else None,
        'compiler': toolchain_facts(site.toolchain, site.release).compiler if site else None,
        'mode': site.mode if site else None,
        'prefix': prefix,
        'prefixes': list(stack),
        'closed': [{'folder': one.folder, 'text': one.sentence(stack)} for one in closed],
        'space': space(prefix),
        'hidden': unlisted(prefix, site),
        'kept': kept(prefix),
        'easybuild': easybuild_version(),
        'lumi_hooks': __version__,
        'hooks_file': ours,
        'hooks_active': hooks is not None and (os.path.realpath(hooks) == os.path.realpath(ours)
                                               or keeps_hooks(shutil.which('eb'), hooks)),
        'chained': chained(ours),
    }


def unlisted(prefix: str, site: Optional[Site]) -> int:
    """Number of modules of the prefix that module avail does not list, as they came in as dependencies alone."""
    folders = module_folders(prefix, stack_version(site), site.partition) if site else []
    return sum(len(visibility.hidden(prefix, folder, visibility.DEPENDENCY)) for folder in folders
               if os.path.isdir(folder))


def kept(prefix: str) -> Dict[str, int]:
    """What was removed or replaced and is on disk still: how much, in bytes and inodes."""
    notes = [note for note in held.notes(prefix) if note.held.kept or note.held.kind == held.REMOVED]
    return {'modules': len(notes), 'bytes': sum(note.held.bytes for note in notes),
            'inodes': sum(note.held.inodes for note in notes)}


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
    """Is this the eb that uses our hooks although the site's modules name its own file again (libexec/eb)?"""
    return eb is not None and os.path.realpath(eb) == os.path.realpath(OUR_EB) and (
        hooks in os.environ.get('LUMI_HOOKS_CHAIN', '').split(os.pathsep)
        or fnmatch.fnmatch(os.path.basename(hooks), sites.site().get('hooks', '')))


def chained(ours: str) -> Optional[str]:
    """The hooks files that run behind ours, as a list like PATH; None where there is none."""
    try:
        from ..eb.plugin_folders import chained_hooks
    except ImportError:
        return None
    return os.pathsep.join(chained_hooks(ours)) or None


def show(facts: Dict[str, Any]) -> None:
    """The screen, for reading."""
    console = Output()
    rows: List[List[Cell]] = []

    def row(title: str, *cell: Piece) -> None:
        rows.append([bold(title), list(cell)])

    node = facts['node_partition'] or 'a login node or unknown'
    free = facts['space']
    row('stack', facts['stack'] or 'none loaded')
    row('partition', f'{facts["partition"] or "none"}   (this node, {facts["node"]}: {node})')
    row('toolchain', f'{facts["toolchain"]}   ({facts["compiler"]})' if facts['toolchain'] else '–')
    row('prefix', (facts['prefix'] or 'none') + (f'   ({facts["mode"]} mode)' if facts['mode'] else ''))
    for below in facts['prefixes'][1:]:
        name = name_of(below, facts['prefixes'])
        closed = '' if is_open(below) else '   (not there, or closed to you)'
        row('below it', below + (f'   ({name})' if below not in name else ''), Styled(closed, 'red'))
    for found in facts['closed']:
        row('closed', Styled(found['text'], 'red'))
    if free:
        row('free there', f'{free["bytes"] / 1e9:,.0f} GB, {free["inodes"]:,} inodes (of the file system; your quota '
                          'may be less)')
    if facts['hidden']:
        row('not listed', f'{facts["hidden"]} modules that came in as dependencies alone (module --show_hidden avail; '
                          'LUMI_HOOKS_HIDE=off lists what is installed from then on)')
    if facts['kept']['modules']:
        row('kept', f'{facts["kept"]["modules"]} that were removed or replaced, {facts["kept"]["bytes"] / 1e6:,.0f} MB '
                    f'in {facts["kept"]["inodes"]:,} files (lumi-eb remove lists them)')
    row('EasyBuild', facts['easybuild'] or 'no eb on PATH')
    row('lumi-hooks', f'{facts["lumi_hooks"]}   ({facts["hooks_file"]})')
    row('hooks', ('active for plain eb' if facts['hooks_active'] else 'not active for plain eb')
        + (f', chained behind: {facts["chained"]}' if facts['chained'] else ''))
    console.table(rows)
    console.say()
    if facts['problem']:
        console.say(Styled('problem', 'red'), f'  {facts["problem"]}', hang=9)
    elif not facts['lumi']:
        console.exact(f'next     {sites.said("load_release", release=default_release().name)}')
    elif not facts['hooks_active'] and any(name.split('/')[0] == 'lumi-hooks'
                                           for name in os.environ.get('LOADEDMODULES', '').split(':')):
        console.exact('next     module load lumi-hooks')
        console.say(f'once more: {sites.setup()} was loaded again, with another partition or release, and names '
                    f'{sites.name()}\'s hooks alone', indent=9, hang=9)
    elif not facts['hooks_active']:
        console.exact(f'next     export EASYBUILD_HOOKS={shell(facts["hooks_file"])}')
    else:
        console.exact('next     lumi-eb search NAME     what there is, and what it becomes here')
        console.exact('         lumi-eb adapt NAME      what will be changed in the recipe, and why')
        console.exact('         lumi-eb install NAME    install it (or: eb X.eb -r)')
