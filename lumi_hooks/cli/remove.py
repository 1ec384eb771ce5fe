# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb remove: remove what was installed, bring it back, and delete what was kept long enough."""
import argparse
import math
import os
import sys
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .. import quote, sites
from ..eb.lifecycle import removal
from ..eb.lifecycle.removal import Target
from ..eb.lifecycle.rollback import pending
from ..errors import LumiHooksError, SiteError
from ..finding import similar
from ..prefix import held, sharing
from ..prefix.held import REMOVED, UNDONE, Note
from ..record.removable import needed_by, target
from ..site import Site
from . import site_options
from .command import add_command
from .console import print_json

EXAMPLES = """examples:
  lumi-eb remove lz4/1.10.0-cpeGNU-25.03           show what goes, ask, and remove it
  lumi-eb remove --yes lz4 zlib                    do not ask; a name is enough where one version is installed
  lumi-eb remove                                   what was removed or replaced, and is still on disk
  lumi-eb remove --undo lz4/1.10.0-cpeGNU-25.03    bring back what was removed, or replaced by eb --rebuild
  lumi-eb remove --expire                          delete what was kept long enough (eb does it, too)
  lumi-eb remove --expire --now lz4                delete it at once: no job may use it any more

What is removed stays on disk for some days, as jobs may use it: it is not listed any more, and can still be loaded by
its full name, which warns.

exit code: 0 done, or told; 1 other modules need it, or you said no; 2 bad use, or it can't be removed
"""


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'remove', run, 'remove what was installed, or bring it back',
                         'Removes module, installation and archived recipe, unless other modules need them. What was '
                         'removed or replaced is kept for some days, for jobs that run, and can be brought back.',
                         EXAMPLES)
    parser.add_argument('module', nargs='*', metavar='MODULE', help='a module as module avail shows it, or the name of '
                        'a software')
    parser.add_argument('--yes', '-y', action='store_true', help='do not ask')
    parser.add_argument('--force', action='store_true', help='also where other modules need it')
    what = parser.add_mutually_exclusive_group()
    what.add_argument('--undo', action='store_true', help='bring back what was removed or replaced last')
    what.add_argument('--expire', action='store_true', help='delete what was kept long enough')
    parser.add_argument('--now', action='store_true', help='with --expire: however short it was kept')
    parser.add_argument('--json', action='store_true', help='print what is done as one JSON object; what needs --yes '
                        'is only shown without it')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: nothing of that name is there, or it can't be removed or brought back
    """
    if options.now and not options.expire:
        raise LumiHooksError('--now goes with --expire: it deletes what was removed before')
    site, _ = site_options.find_site(options)
    if not site.prefix or not os.path.isdir(site.prefix):
        raise SiteError(f'there is nothing to remove: the prefix '
                        f'{site.prefix or "(" + sites.variable("prefix") + ")"} does not exist')
    days = held.keep_days()
    sharing.share(site.prefix)
    notes = held.notes(site.prefix)
    if options.undo:
        return _undo(options, notes)
    if options.expire:
        return _expire(options, site, notes)
    if not options.module:
        return _listed(options, site, notes)
    return _remove(options, site, days)


def _remove(options: argparse.Namespace, site: Site, days: float) -> int:
    names = dict.fromkeys(site_options.installed_name(what, site) for what in options.module)
    targets = list({item.module: item for item in (target(name, site) for name in names)}.values())
    needed = needed_by(targets, site)
    blocked = any(needed.values()) and not options.force
    if not options.json:
        _show(targets, needed)
    done: List[Note] = []
    if blocked and not options.json:
        print('lumi-eb: nothing was removed, as other modules need it: remove them in the same command, or add --force',
              file=sys.stderr)
    elif not blocked and (options.yes or not options.json and agreed('remove this?')):
        done = [removal.remove(item, days, _tell) for item in targets]
        if not days:
            removal.expire(done, tell=_tell)
    if options.json:
        print_json({'schema_version': 1, 'prefix': site.prefix, 'removed': bool(done),
                    'modules': [_target_json(item, needed[item.module]) for item in targets],
                    'kept': [note_json(note) for note in done if days]})
    for note in done if not options.json else ():
        until = f': it stays on disk until {note.day} ({note.size}), as jobs may use it; "lumi-eb remove --undo ' \
                f'{note.held.module}" brings it back, "lumi-eb remove --expire --now {note.held.module}" frees it'
        print(quote.line(f'removed {note.held.module}{until if days else ""}'))
    return 0 if done or options.json and not blocked else 1


def _undo(options: argparse.Namespace, notes: Sequence[Note]) -> int:
    if not options.module:
        raise LumiHooksError('--undo takes a MODULE: "lumi-eb remove" lists what is kept')
    said = {}
    for module in dict.fromkeys(_only(what, notes) for what in options.module):
        about = [note for note in notes if note.held.module == module]
        # the same module of another partition is another installation
        said[module] = removal.undo([note for note in about if note.held.installdir == about[0].held.installdir],
                                    module, _tell)
        if not options.json:
            print(quote.line(said[module]))
    if options.json:
        print_json({'schema_version': 1, 'undone': [{'module': module, 'text': text} for module, text in said.items()]})
    return 0


def _expire(options: argparse.Namespace, site: Site, notes: Sequence[Note]) -> int:
    if options.module:
        modules = {_only(what, notes) for what in options.module}
        notes = [note for note in notes if note.held.module in modules]
    if options.now and notes and not options.yes and not options.module \
            and not (not options.json and agreed(f'delete all {len(notes)} that are kept?')):
        return 1
    busy = {aside.installdir for aside in pending(site.prefix)}
    free = [note for note in notes if note.held.installdir not in busy]
    gone = removal.expire(free, math.inf if options.now else None, tell=_tell)
    if options.json:
        print_json({'schema_version': 1, 'prefix': site.prefix, 'deleted': [note_json(note) for note in gone],
                    'kept': [note_json(note) for note in held.notes(site.prefix)]})
    else:
        for note in gone:
            print(quote.line(f'deleted {note.held.module} ({note.size})'))
        rest = {note.name for note in held.notes(site.prefix)}
        left = [note for note in notes if note.name in rest]
        for note in left if options.now else ():
            print(quote.line(f'lumi-eb: {note.held.module} was not deleted: it is in use by an eb, or {note.held.user} '
                             'has to delete it'), file=sys.stderr)
        if not gone and not (left and options.now):
            print('nothing was to be deleted' + (f'; the next is due on {min(left, key=lambda note: note.until).day}'
                                                 if left else ''))
        return 1 if left and options.now else 0
    return 0


def _listed(options: argparse.Namespace, site: Site, notes: Sequence[Note]) -> int:
    size, inodes = removal.totals(notes)
    if options.json:
        print_json({'schema_version': 1, 'prefix': site.prefix, 'kept': [note_json(note) for note in notes],
                    'bytes': size, 'inodes': inodes})
        return 0
    if not notes:
        print(quote.line(f'nothing that was removed or replaced is kept in {site.prefix}'))
        return 0
    words = {REMOVED: 'removed', held.REBUILT: 'replaced', UNDONE: 'brought back'}
    print(quote.line(f'kept in {site.prefix}: {size / 1e6:,.1f} MB in {inodes:,} files'))
    for note in notes:
        print(quote.line(f'  {note.held.module}: {words[note.held.kind]} by {note.held.user or "somebody"}, until '
                         f'{note.day}' + (f' ({note.size})' if note.held.kind == REMOVED or note.held.kept else '')))
    return 0


def _only(what: str, notes: Sequence[Note]) -> str:
    """
    The module of a note that is meant.

    :raises LumiHooksError: none, or several
    """
    modules = sorted({note.held.module for note in notes})
    found = [module for module in modules if what == module] or \
        [module for module in modules if what.lower() in (module.lower(), module.partition('/')[0].lower())]
    if len(found) == 1:
        return found[0]
    if found:
        raise LumiHooksError(f'{what} is {len(found)} modules: name one of {", ".join(found)}')
    near = similar(what.partition('/')[0], {module.partition('/')[0] for module in modules})
    raise LumiHooksError(f'nothing of {what} was removed or replaced, or it was deleted since'
                         + (f': did you mean {" or ".join(near)}?' if near else ''))


def _show(targets: Sequence[Target], needed: Mapping[str, Sequence[str]]) -> None:
    for item in targets:
        size = f'{item.bytes / 1e6:,.1f} MB' if item.bytes is not None else 'size not known'
        inodes = f', {item.inodes:,} files and folders' if item.inodes is not None else ''
        print(quote.line(f'{item.module}: {size}{inodes}'))
        for title, path in (('module', item.module_file), ('installation', item.installdir), ('recipe', item.archive)):
            print(quote.line(f'  {title:13}{path}') if path else f'  {title:13}none')
        if needed[item.module]:
            print(quote.line(f'  needed by    {", ".join(needed[item.module])}'))


def agreed(question: str) -> bool:
    """
    Does the user agree?

    :raises LumiHooksError: there is no terminal to ask on
    """
    if not sys.stdin.isatty():
        raise LumiHooksError('there is no terminal to ask on: add --yes')
    try:
        return input(f'{question} [y/N] ').strip().lower() in ('y', 'yes')
    except EOFError:
        print()
        return False


def _tell(text: str) -> None:
    print(f'lumi-eb: {quote.line(text)}', file=sys.stderr, flush=True)


def _target_json(item: Target, needed: Sequence[str]) -> Dict[str, Any]:
    return {'module': item.module, 'module_file': item.module_file, 'installation': item.installdir,
            'archive': item.archive or None, 'bytes': item.bytes, 'inodes': item.inodes, 'needed_by': list(needed)}


def note_json(note: Note) -> Dict[str, Any]:
    """What is kept, as plain data."""
    place_of: Optional[str] = note.held.kept or (note.held.installdir if note.held.kind == REMOVED else None)
    return {'module': note.held.module, 'kind': note.held.kind, 'until': note.day, 'folder': place_of,
            'bytes': note.held.bytes, 'inodes': note.held.inodes, 'user': note.held.user}
