# SPDX-License-Identifier: GPL-2.0-only
"""
The site as data: a folder of JSON files, read once. LUMI's is the default.

site.json               variables that tell where we are, layout of prefixes, words of messages, modules of the site
machine.json            partitions, hosts, targets, GPUs, storage
jobs.json               how jobs are run: queues, binding of ranks to cores and GPUs, settings
versions/<release>.json the version of each library that the central stack holds for a release; may be left out

$LUMI_HOOKS_SITE names one of the folders next to this file, $LUMI_HOOKS_SITE_DIR any folder.
"""
import os
import re
from functools import lru_cache
from typing import Any, Mapping, Optional, Tuple

from ..data import ROOT
from ..errors import LumiHooksError, SiteError
from ..schemas import checked

NAMED, FOLDER, DEFAULT = 'LUMI_HOOKS_SITE', 'LUMI_HOOKS_SITE_DIR', 'lumi'
# words that common knowledge may leave open (`filled`)
_OPEN = re.compile(r'\{(site|prefix|nodes|own_recipe|containers|other_containers|containers_module|load|space|workdir|'
                   r'account|place|containers_page)\}')
_NAMES = {'site': lambda: name(), 'prefix': lambda: variable('prefix'), 'containers_page': lambda: link('containers')}


def known() -> Tuple[str, ...]:
    """Names of the sites that the library brings along."""
    return tuple(sorted(entry.name for entry in os.scandir(os.path.dirname(os.path.abspath(__file__)))
                        if os.path.isfile(os.path.join(entry.path, 'site.json'))))


def _chosen() -> str:
    """The folder that the variables name; of another site it is checked whole, before anything is read from it."""
    given = os.environ.get(FOLDER)
    if given:
        path = os.path.abspath(given)
        if not os.path.isfile(os.path.join(path, 'site.json')):
            raise SiteError(f'{FOLDER}={given} is no folder of a site: it has no file site.json')
        from .foreign import check_files
        check_files(path)
        return path
    name = os.environ.get(NAMED) or DEFAULT
    if os.path.basename(name) != name or not os.path.isfile(os.path.join(ROOT, 'sites', name, 'site.json')):
        raise SiteError(f'{NAMED}={name}: there is no such site; known are {", ".join(known())}, and {FOLDER} names '
                        'the folder of another one')
    return f'sites/{name}'


@lru_cache(maxsize=None)
def _found() -> Tuple[str, Optional[LumiHooksError]]:
    try:
        return _chosen(), None
    except LumiHooksError as err:
        return f'sites/{DEFAULT}', err


def folder() -> str:
    """
    The site's folder: one of ours as a path below the library's own folder, another one as an absolute path. Much is
    read while modules are imported, where an error would be a traceback: a wrong folder is told by `check`.
    """
    return _found()[0]


def check() -> None:
    """
    Was the site found? Asked before anything is done.

    :raises LumiHooksError: there is no such site, others could have written its data, or these are wrong
    """
    wrong = _found()[1]
    if wrong:
        raise wrong


def has(name: str) -> bool:
    """Does the site have a file of that name?"""
    return os.path.isfile(os.path.join(ROOT, folder(), name))


@lru_cache(maxsize=None)
def read(name: str) -> Any:
    """
    The contents of one of the site's files, checked against its schema.

    :param name: as the list at the top of this file has it
    :raises DataError: the file is missing or wrong; the message names the place
    """
    return checked(f'{folder()}/{name}', re.split(r'[./]', name)[0])


def site() -> Mapping[str, Any]:
    """The site's own file (site.json)."""
    found: Mapping[str, Any] = read('site.json')
    return found


def name() -> str:
    """What people call the site: LUMI."""
    return str(site()['called'])


def variable(key: str) -> str:
    """Name of an environment variable that tells where we are; empty where the site has none of that kind."""
    return str(site()['variables'].get(key, ''))


def said(key: str, **values: str) -> str:
    """
    Words of the site for a message.

    :param values: what stands for the names in braces
    """
    return str(site()['words'][key]).format(**values)


def setup() -> str:
    """The module that sets EasyBuild up for a user."""
    return said('easybuild', mode='user')


def filled(content: Any) -> Any:
    """
    Common knowledge with the site's words in it: {site}, {prefix} (the variable), and those of its own words that tell
    where a thing is found, or what to type.

    :param content: what a data file holds, or a text
    """
    if isinstance(content, str):
        return _OPEN.sub(lambda match: _NAMES.get(match[1], lambda: said(match[1]))(), content)
    if isinstance(content, dict):
        return {key: filled(value) for key, value in content.items()}
    return [filled(value) for value in content] if isinstance(content, list) else content


def link(key: str) -> str:
    """The page that says something of the site, for messages and reasons."""
    return str(site()['links'][key])


def layout(key: str, stack: str = '*', partition: str = '*') -> str:
    """
    A folder below a prefix, relative to it.

    :param key: modules, software, archive, recipes or sources
    :param stack: version of the site's software stack
    :param partition: of the machine
    """
    return str(site()['layout'][key]).format(stack=stack, partition=partition)
