# SPDX-License-Identifier: GPL-2.0-only
"""
The store: adapted recipes with what they were made of, by their contents.

It lies in the prefix, on storage that jobs see (--job runs `eb <spec>` on another node), and on no robot path: what
EasyBuild finds by a name are links in a folder of each `eb` of its own (eb/view.py). An entry is a folder named after a
digest of all that is in it. It is written in one step and never changed, so that nothing in it can be stale: another
text is another entry. Entries that nobody used for a month go; all of it can be deleted at any time when no `eb` runs.
"""
import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
import uuid
from dataclasses import replace
from typing import Mapping, Tuple

from . import sites, trust
from .change import Adaptation, Change
from .errors import LumiHooksError, RecipeError
from .files import read_text
from .recipe import (
    as_list,
    checksums_in_folder,
    file_name,
    parse_recipe,
    patches_in_folder,
    sources_in_folder,
    template_values,
)
from .render import render
from .site import OVERLAY_FOLDER

# next to an adapted recipe: the folder with the recipe that it was derived from
SOURCE_FOLDER = 'source'
# in the store that one has another ending, so that no search of EasyBuild's takes it for a recipe
SOURCE_ENDING = '.txt'
_KEPT_DAYS = 30
_LONGEST = 255  # bytes, of every file system here (path_resolution(7))
_DAY = 24 * 3600
# while an entry is written, and while one goes
_NEW, _GONE = '.new-', '.gone-'


class Store:
    """
    The store of a prefix.

    :ivar root: its folder
    """

    def __init__(self, prefix: str):
        self.root = os.path.join(prefix, OVERLAY_FOLDER, 'store')

    def put(self, adaptation: Adaptation) -> Tuple[str, str]:
        """
        Store an adapted recipe with the recipe that it was made of, the patches that are next to that, and links to
        sources there.

        :return: path of the adapted recipe, and its text
        :raises LumiHooksError: the folder can't be written
        :raises TrustError: others could have written a patch
        """
        text = render(with_checksums(adaptation), parse_recipe)
        recipe = adaptation.recipe
        contents = {adaptation.filename: text,
                    os.path.join(SOURCE_FOLDER, recipe.filename + SOURCE_ENDING): recipe.text}
        for patch in (*patches_in_folder(recipe), *adaptation.patches):
            trust.check(patch, 'the patch')
            try:
                contents[os.path.basename(patch)] = read_text(patch)
            except OSError as err:
                raise RecipeError(f'{patch}, next to {recipe.filename}, cannot be read: {err.strerror}') from err
        links = {os.path.basename(source): source for source in sources_in_folder(recipe)}
        long = next((name for name in map(os.path.basename, contents) if len(name.encode(errors='replace')) > _LONGEST),
                    None)
        if long:
            raise LumiHooksError(f'{long[:60]}… is longer than the name of a file can be ({_LONGEST} bytes): '
                                 'shorten name, version or versionsuffix')
        folder = self._folder(contents, links)
        try:
            if not _holds(folder, contents, links):
                self._write(folder, contents, links)
            with contextlib.suppress(OSError):  # somebody else's entry
                os.utime(folder)
        except OSError as err:
            raise LumiHooksError(f'the adapted recipe {adaptation.filename} cannot be written into {self.root}: '
                                 f'{err.strerror}; is the prefix ({sites.variable("prefix")}) writable, and is there '
                                 'space and quota?') from err
        return os.path.join(folder, adaptation.filename), text

    def expire(self) -> None:
        """Once a day, remove what nobody used for a month, and what killed processes left."""
        stamp = os.path.join(self.root, '.expired')
        now = time.time()
        with contextlib.suppress(OSError):
            if os.path.exists(stamp) and now - os.stat(stamp).st_mtime < _DAY:
                return
            with open(stamp, 'w', encoding='utf-8'):
                os.utime(stamp)
            for group in os.listdir(self.root):
                path = os.path.join(self.root, group)
                if group.startswith((_NEW, _GONE)):
                    if now - os.stat(path).st_mtime > _DAY:
                        shutil.rmtree(path, ignore_errors=True)
                elif os.path.isdir(path):
                    for entry in os.listdir(path):
                        if now - os.stat(os.path.join(path, entry)).st_mtime > _KEPT_DAYS * _DAY:
                            self._remove(os.path.join(path, entry))

    def _folder(self, contents: Mapping[str, str], links: Mapping[str, str]) -> str:
        everything = json.dumps([contents, links], sort_keys=True)
        key = hashlib.sha256(everything.encode()).hexdigest()[:32]
        return os.path.join(self.root, key[:2], key[2:])

    def _write(self, folder: str, contents: Mapping[str, str], links: Mapping[str, str]) -> None:
        """Write an entry next to its place and rename it there; of two at the same time one stays."""
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        new = os.path.join(self.root, _NEW + uuid.uuid4().hex)
        try:
            os.makedirs(os.path.join(new, SOURCE_FOLDER))
            for name, text in contents.items():
                with open(os.path.join(new, name), 'x', encoding='utf-8', errors='surrogateescape', newline='') as file:
                    file.write(text)
            for name, target in links.items():
                os.symlink(target, os.path.join(new, name))
            if os.path.lexists(folder):
                self._remove(folder)  # damaged: a full disk, a crash of the machine
            os.rename(new, folder)
        except OSError as err:
            shutil.rmtree(new, ignore_errors=True)
            if err.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise

    def _remove(self, folder: str) -> None:
        """Remove an entry: it disappears in one step."""
        gone = os.path.join(self.root, _GONE + uuid.uuid4().hex)
        os.rename(folder, gone)
        shutil.rmtree(gone, ignore_errors=True)


def _holds(folder: str, contents: Mapping[str, str], links: Mapping[str, str]) -> bool:
    """Is an entry there, and whole?"""
    try:
        return all(read_text(os.path.join(folder, name)) == text for name, text in contents.items()) and \
            all(os.readlink(os.path.join(folder, name)) == target for name, target in links.items())
    except OSError:
        return False


def with_checksums(adaptation: Adaptation) -> Adaptation:
    """
    The adaptation with the checksums of a checksums.json next to the source recipe written into the recipe, as that
    file is looked for next to the recipe that is installed.
    """
    found = checksums_in_folder(adaptation.recipe)
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
    change = Change('checksums', before, after, 'beside', 'the checksums.json next to the source recipe has them')
    return replace(adaptation, parameters=parameters, changes=adaptation.changes + (change,))
