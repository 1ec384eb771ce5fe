# SPDX-License-Identifier: GPL-2.0-only
"""
What somebody deleted by hand: a module whose installation is gone, an installation without its module.

It takes a look at the file of the module and one at its folder.
"""
import os
from typing import Iterator, Optional

from .. import quote
from ..errors import DataError
from ..prefix import archive_folders
from ..presence import GONE, is_gone
from ..site import Site, stack_version
from . import FILE, installations, read_record, software_folders


def lost(module: str, site: Site) -> Optional[str]:
    """What is left of a module that somebody deleted half of, and what puts it right; None where nothing is lost."""
    name, _, version = module.partition('/')
    why = site.index.why_fallen(module)
    if why == GONE:
        path = site.index.fallen(name)[version][0]
        return f'{module} has a module file ({path}), and its installation was deleted by hand: {_eb(module, site)} ' \
               f'installs it again, lumi-eb remove {quote.shell(module)} removes the rest'
    if why or version in site.index.modules(name) or not site.index.modulepath:
        return None
    for folder in software(site):
        path = os.path.join(folder, name, version)
        if os.path.isfile(os.path.join(path, FILE)) and not is_gone(path) and path in installations(folder, name):
            return f'{module} is installed in {path}, and its module file was deleted by hand: ' \
                   f'{_eb(module, site, path)} installs it again (with --module-only it makes the module alone)'
    return None


def software(site: Site) -> Iterator[str]:
    """The folders of the user's own prefix with software for the site."""
    for partition in dict.fromkeys((site.partition, 'common')):
        yield from software_folders(site.prefix, stack_version(site), partition) if site.prefix else ()


def _eb(module: str, site: Site, installation: str = '') -> str:
    """The command that installs a module again: by the recipe that its record names, or by its archived one."""
    name, version = module.split('/', 1)
    try:
        record = read_record(installation) if installation else None
    except DataError:
        record = None
    file = ((record or {}).get('source') or (record or {}).get('recipe') or {}).get('file')
    if not file:
        file = f'{name}-{version}.eb'
        if not any(os.path.isfile(os.path.join(folder, name, file)) for folder in archive_folders(
                site.prefix, stack_version(site), site.partition)):
            file = 'RECIPE'
    return f'eb {quote.shell(file) if file != "RECIPE" else "the same recipe"} --robot'
