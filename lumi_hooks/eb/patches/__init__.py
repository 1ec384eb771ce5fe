# SPDX-License-Identifier: GPL-2.0-only
"""
What is replaced in EasyBuild, in one table (patches.json): what and where, why no hook does it, and until when.

Each function of ours stays in the file of its subject, which is imported when EasyBuild calls it first; `install` puts
them in place. Where the source of EasyBuild's own function is not among those that ours was written for (known.json:
`ci/patches`), the feature is left out, and eb says so; for locks and for setting aside it stops. LUMI_HOOKS_PATCHES=off
leaves out all.
"""
import functools
import importlib
import sys
from typing import Any, Callable, Dict, List, Mapping, Tuple

from easybuild.tools.version import FRAMEWORK_VERSION

from ... import settings
from ...errors import LumiHooksError
from ...schemas import checked
from .. import messages
from .source import digest

SETTING, OFF, UNTESTED = 'LUMI_HOOKS_PATCHES', 'off', 'untested'
_FOLDER = 'eb/patches'

_ours: Dict[str, Callable] = {}
# what is in place: where, the name there, EasyBuild's own and ours
_placed: List[Tuple[Any, str, Any, Any]] = []
_left_out: Dict[str, str] = {}
_session: Any = None


def target_of(name: str) -> Tuple[Any, str]:
    """Where a name of the table (module:Class.function or module:function) is looked up, and the last part of it."""
    module, _, path = name.partition(':')
    *above, last = path.split('.')
    return functools.reduce(getattr, above, importlib.import_module(module)), last


@functools.lru_cache(maxsize=None)
def table() -> Dict[str, Mapping[str, Any]]:
    """The features of the table, by name."""
    return {feature['name']: feature for feature in checked(f'{_FOLDER}/patches.json')['features']}


def replaces(target: str) -> Callable[[Callable], Callable]:
    """
    Register a function for one of EasyBuild's, which it is given as its first argument.

    :param target: as in the table
    """
    def register(ours: Callable) -> Callable:
        _ours[target] = ours
        return ours
    return register


def session() -> Any:
    """The session that `install` was called for last (session.py)."""
    return _session


def on(feature: str) -> bool:
    """Is a feature of the table in force?"""
    return feature not in _left_out


def install(session) -> None:
    """
    Put in place what this EasyBuild allows, and say what is left out, and that nobody tried this EasyBuild.

    :raises LumiHooksError: locks or setting aside could not be had, or LUMI_HOOKS_PATCHES says nothing that is known
    """
    global _session
    _session = session
    how = settings.value('PATCHES')
    known, features = checked(f'{_FOLDER}/known.json'), table()
    _left_out.clear()
    if how == OFF:
        _left_out.update((name, feature['lost']) for name, feature in features.items())
        messages.warn(f'{SETTING} is {OFF}, so EasyBuild is used as it is, with hooks alone:' + ''.join(
            f'\n  * {name}: {lost}' for name, lost in _left_out.items()))
        return
    if str(FRAMEWORK_VERSION) not in known['easybuild']:
        messages.warn(f'nobody has tried lumi-hooks with EasyBuild {FRAMEWORK_VERSION} yet; tested are '
                      + ', '.join(known['easybuild']))
    for name, feature in features.items():
        changed = [] if how == UNTESTED else unknown(feature, known['targets'])
        if not changed:
            put_in_place(name)
            continue
        says = f'lumi-hooks does not know {changed[0]} of EasyBuild {FRAMEWORK_VERSION} and leaves it as it is, so ' \
               f'{feature["lost"]}'
        if feature['stops']:
            raise LumiHooksError(f'{says}. Load EasyBuild {" or ".join(known["easybuild"])}. To go on with this one, '
                                 f'set {SETTING} to {UNTESTED} (it is replaced all the same) or to {OFF} (nothing is)')
        _left_out[name] = feature['lost']
        messages.warn(says, name)


def unknown(feature: Mapping[str, Any], known: Mapping[str, Mapping[str, str]]) -> List[str]:
    """The functions of a feature whose source is none that is known, by their names in EasyBuild."""
    found = []
    for target in feature['targets']:
        try:
            now = digest(getattr(*target_of(target['name']))) if is_easybuilds(target['name']) else None
        except (ImportError, AttributeError):
            now = ''
        if now is not None and now not in known.get(target['name'], {}).values():
            found.append(target['name'].partition(':')[2])
    return found


def is_easybuilds(name: str) -> bool:
    """Is a target EasyBuild's? Others are Python's own, and replaced for the time of a build alone."""
    return name.startswith('easybuild.')


def put_in_place(name: str) -> None:
    """Put the functions of a feature in place, whatever they replace. Idempotent."""
    for target in table()[name]['targets']:
        if target['how'] not in ('replaced', 'everywhere'):
            continue
        owner, attribute = target_of(target['name'])
        original = getattr(owner, attribute)
        if any(original is ours for _, _, _, ours in _placed):
            continue
        ours = _standing_for(original, target)
        # main.py, which runs as __main__, holds a reference of its own
        owners = [owner] if target['how'] == 'replaced' else [
            module for module in list(sys.modules.values()) if vars(module).get(attribute) is original]
        for one in owners:
            setattr(one, attribute, ours)
            _placed.append((one, attribute, original, ours))


def undo() -> None:
    """Put back all that was replaced, and forget what was left out. For tests."""
    _left_out.clear()
    while _placed:
        owner, name, original, ours = _placed.pop()
        if getattr(owner, name) is ours:
            setattr(owner, name, original)


def ours_for(target: Mapping[str, str]) -> Callable:
    """Our function for a target of the table, out of the file that the table names."""
    if target['name'] not in _ours:
        importlib.import_module(target['where'][:-len('.py')].replace('/', '.'))
    return _ours[target['name']]


def _standing_for(original: Callable, target: Mapping[str, str]) -> Callable:
    """Ours, called as EasyBuild calls its own."""
    @functools.wraps(original)
    def patched(*args, **kwargs):
        return ours_for(target)(original, *args, **kwargs)
    return patched
