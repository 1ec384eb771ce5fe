# SPDX-License-Identifier: GPL-2.0-only
"""
The overlay: adapted recipes, written where EasyBuild's robot finds them.

It lies in the prefix, on storage that jobs see (--job runs `eb <spec>` on another node), in a folder named after
everything that decides on its contents. Files are added by rename and never changed; the folder can be deleted at
any time when no `eb` runs.
"""
import hashlib
import json
import os
from dataclasses import replace
from typing import Sequence

from . import __version__, library, trust
from .change import Adaptation, Change
from .data import ROOT
from .errors import LumiHooksError, RecipeError
from .files import read_text, write_atomic
from .recipe import (
    Recipe,
    as_list,
    checksums_beside,
    file_name,
    files_beside,
    parse_recipe,
    sources_beside,
    template_values,
)
from .render import render
from .site import OVERLAY_FOLDER, Site

# beside an adapted recipe of somebody's own: the folder with the recipe that it was derived from
SOURCE_FOLDER = 'source'


class Overlay:
    """The overlay of one site; `root` is the folder that goes onto the robot path."""

    def __init__(self, root: str):
        self.root = root

    @classmethod
    def of(cls, site: Site, robot_paths: Sequence[str]) -> 'Overlay':
        """The overlay that belongs to a site and a robot path, below the site's prefix (not created yet)."""
        decides = {'library': __version__, 'rules': rules_digest(), 'release': site.release.name,
                   'partition': site.partition, 'toolchain': site.toolchain, 'disabled': sorted(site.disabled),
                   'derive': sorted(site.derive), 'gpu': sorted(site.gpu), 'fixed': site.fixed,
                   'robot': list(robot_paths), 'upstream': list(site.index.upstream),
                   'overrides': site.overrides.digest()}
        key = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:12]
        return cls(os.path.join(site.prefix, OVERLAY_FOLDER, site.release.name, site.partition, key))

    def path(self, adaptation: Adaptation, given: bool = False) -> str:
        """
        Where the adapted recipe stands in the overlay.

        :param given: it comes from a file of somebody's own, that does not stand for this software in general:
            it gets a folder by its contents, so that it is installed when asked for and never found by the robot
        """
        if given:
            return os.path.join(self.root, '.given', _contents_key(adaptation.recipe), adaptation.filename)
        name = adaptation.name
        letter = name[0].lower() if name[0].isalpha() else '0'
        return os.path.join(self.root, letter, name, adaptation.filename)

    def add(self, adaptation: Adaptation, given: bool = False) -> str:
        """
        Write an adapted recipe with the patches that lie beside its source, and links to the sources that do;
        returns its path.

        :param given: see `path`

        :raises LumiHooksError: the folder can't be written, or holds another recipe of that name
        """
        path = self.path(adaptation, given)
        text = render(with_checksums(adaptation), parse_recipe)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            for patch in (*files_beside(adaptation.recipe), *adaptation.beside):
                trust.check(patch, 'the patch')
                _place(os.path.join(os.path.dirname(path), os.path.basename(patch)), read_text(patch))
            for source in sources_beside(adaptation.recipe):
                _link(os.path.join(os.path.dirname(path), os.path.basename(source)), source)
            if given:
                # a job or a later installation adapts it again, to say what was changed
                source = os.path.join(os.path.dirname(path), SOURCE_FOLDER, adaptation.recipe.filename)
                os.makedirs(os.path.dirname(source), exist_ok=True)
                _place(source, adaptation.recipe.text)
            _place(path, text)
        except OSError as err:
            raise LumiHooksError(f'the adapted recipe {path} cannot be written: {err.strerror}; is the prefix '
                                 '(EBU_USER_PREFIX) writable, and is there space and quota?') from err
        return path


def with_checksums(adaptation: Adaptation) -> Adaptation:
    """
    The adaptation with the checksums of a checksums.json beside the source recipe written into the recipe, as that
    file is looked for beside the recipe that is installed.
    """
    found = checksums_beside(adaptation.recipe)
    parameters = dict(adaptation.parameters)
    before = parameters.get('checksums')
    if not found or (before and None not in before):
        return adaptation
    names = [file_name(item) for key in ('sources', 'patches') for item in as_list(parameters.get(key))]
    values = template_values(adaptation.recipe)
    try:
        names = [name % values for name in names]
    except (KeyError, ValueError, TypeError):
        return adaptation
    known = [*(before or ()), *([None] * len(names))][:len(names)]
    if not all(checksum or name in found for name, checksum in zip(names, known)):
        return adaptation
    after = [checksum or {name: found[name]} for name, checksum in zip(names, known)]
    parameters['checksums'] = after
    change = Change('checksums', before, after, 'beside', 'the checksums.json beside the source recipe holds them')
    return replace(adaptation, parameters=parameters, changes=adaptation.changes + (change,))


def rules_digest() -> str:
    """A digest of the library's rules and data by name, size and time of change: cheap to take at every start."""
    found = []
    for path in library.files():
        status = os.stat(path)
        found.append((os.path.relpath(path, ROOT), status.st_size, status.st_mtime_ns))
    return hashlib.sha256(repr(sorted(found)).encode()).hexdigest()


def _contents_key(recipe: Recipe) -> str:
    """A digest of a recipe and of what belongs to it: somebody may work on the patch beside their own recipe."""
    try:
        patches = [(os.path.basename(path), read_text(path)) for path in files_beside(recipe)]
    except OSError as err:
        raise RecipeError(f'{err.filename}, beside {recipe.filename}, cannot be read: {err.strerror}') from err
    everything = (recipe.text, patches, sorted(checksums_beside(recipe).items()))
    return hashlib.sha256(repr(everything).encode()).hexdigest()[:12]


def _link(path: str, target: str) -> None:
    """Put a link there in one step, in the place of one to somewhere else."""
    if os.path.islink(path) and os.readlink(path) == target:
        return
    temporary = f'{path}.{os.getpid()}'
    os.symlink(target, temporary)
    os.replace(temporary, path)


def _place(path: str, text: str) -> None:
    """Put a file there in one step; one that is there already stays as it is."""
    if os.path.exists(path):
        if read_text(path) == text:
            return
        raise LumiHooksError(f'{path} exists and says something else: another recipe of the same name was adapted '
                             f'here. Remove {os.path.dirname(path)} when no other eb runs, and try again')
    write_atomic(path, text)
